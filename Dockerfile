# The server image: the binary, the ONNX Runtime library and what they link to.
# docker build -t vitrine .

FROM python:3.12-slim-bookworm AS runtime
WORKDIR /src
COPY models/fetch_onnxruntime.py models/
RUN XDG_CACHE_HOME=/cache python models/fetch_onnxruntime.py \
    && mkdir /out && cp -L /cache/vitrine/onnxruntime-*/libonnxruntime.so.* /out/libonnxruntime.so

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=docker
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/vitrine ./cmd/vitrine

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/vitrine vitrine
COPY --from=build /out/vitrine /usr/local/bin/vitrine
COPY --from=runtime /out/ /usr/local/lib/vitrine/
ENV VITRINE_ONNXRUNTIME_LIB=/usr/local/lib/vitrine/libonnxruntime.so \
    VITRINE_LISTEN=0.0.0.0:7700 \
    VITRINE_HTTP_LISTEN=0.0.0.0:7701 \
    VITRINE_DATA_DIR=/var/lib/vitrine
USER vitrine
VOLUME /var/lib/vitrine
EXPOSE 7700 7701
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["vitrine", "health"]
ENTRYPOINT ["vitrine"]
CMD ["serve"]
