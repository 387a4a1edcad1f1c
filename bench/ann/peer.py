"""Answer, one JSON line each, to requests about libraries for nearest neighbours, on one thread.

usage: peer.py BASE QUERIES DIMS     (files of row-major little-endian float32)
{"op": "build", "library": L}                     → {"cpu": s, "bytes": b}, memory taken beyond the vectors' own
{"op": "search", "library": L, "ef": e, "k": k}   → {"cpu": s, "ids": base64 of int32, k a query}
{"op": "drop", "library": L}                      → {}
"""
import os
import sys

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import base64
import gc
import importlib
import json
import time

import numpy as np

M, EF_CONSTRUCTION = 16, 200
dims = int(sys.argv[3])
base = np.fromfile(sys.argv[1], "<f4").reshape(-1, dims)
queries = np.fromfile(sys.argv[2], "<f4").reshape(-1, dims)


class Hnswlib:
    def __init__(self, hnswlib):
        self.index = hnswlib.Index("ip", dims)
        self.index.init_index(len(base), M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
        self.index.set_num_threads(1)
        self.index.add_items(base, num_threads=1)

    def search(self, ef, k):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, k, num_threads=1)[0]


class Faiss:
    def __init__(self, faiss):
        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexHNSWFlat(dims, M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(base)

    def search(self, ef, k):
        self.index.hnsw.efSearch = ef
        return self.index.search(queries, k)[1]


class Usearch:
    def __init__(self, usearch):
        self.index = usearch.Index(ndim=dims, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION)
        self.index.add(np.arange(len(base)), base, threads=1)

    def search(self, ef, k):
        self.index.expansion_search = ef
        return np.asarray(self.index.search(queries, k, threads=1).keys)


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


libraries = {"hnswlib": (Hnswlib, "hnswlib"), "faiss": (Faiss, "faiss"), "usearch": (Usearch, "usearch.index")}
built = {}


def answer(request):
    name = request["library"]
    if request["op"] == "drop":
        built.pop(name, None)
        gc.collect()
        return {}
    make, module = libraries[name]
    loaded = importlib.import_module(module)  # its own memory is not the index's
    before, start = resident(), time.process_time()
    if request["op"] == "build":
        built[name] = make(loaded)
        return {"cpu": time.process_time() - start, "bytes": resident() - before - base.nbytes}
    found = built[name].search(request["ef"], request["k"])
    cpu = time.process_time() - start
    return {"cpu": cpu, "ids": base64.b64encode(np.ascontiguousarray(found, "<i4").tobytes()).decode()}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # told to the other side, which knows what it asked for
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
