#!/usr/bin/env python3
"""Makes the golden figures of this folder and the golden embeddings of package onnx.

usage: make.py pictures      write the extra_* pictures, derived from the others
       make.py figures       write figures.json: what Pillow makes of every picture
       make.py embeddings    write ../../../onnx/testdata/embeddings.json

Needs pillow==13.0.0 and numpy; for embeddings also onnxruntime==1.24.4.
Run in a virtual environment; the tests need none of this.
"""
import base64
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
ONNX = HERE.parents[2] / "onnx" / "testdata"
MODEL = HERE.parents[3] / "models" / "effnet_lite0_embed_fp16w.onnx"
SHORT_SIDE, CROP = 256, 224
SUFFIXES = {".jpg", ".png", ".gif", ".webp", ".bmp", ".tiff"}


def upright_rgb(path):
    """The picture as 8-bit RGB: EXIF orientation undone, transparency over white."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def centre_crop(picture, filter=Image.Resampling.BICUBIC):
    """Short side to 256 by an antialiased filter, centre 224 × 224, uint8 [3, 224, 224]."""
    width, height = picture.size
    factor = SHORT_SIDE / min(width, height)
    if width <= height:
        size = (SHORT_SIDE, round(height * factor))
    else:
        size = (round(width * factor), SHORT_SIDE)
    left, top = (size[0] - CROP) // 2, (size[1] - CROP) // 2
    scaled = picture.resize(size, filter)
    return np.asarray(scaled.crop((left, top, left + CROP, top + CROP))).transpose(2, 0, 1)


def tensor(crop):
    return (crop.astype(np.float32) - np.float32(127)) / np.float32(128)


def pictures():
    return sorted(p for p in HERE.iterdir() if p.suffix in SUFFIXES)


def make_figures():
    rows = []
    for path in pictures():
        picture = upright_rgb(path)
        crop = centre_crop(picture)
        # Means of 16 × 16 pixel squares: enough to notice colours, place and orientation
        # where a lossy decoder's rounding makes exact comparison impossible.
        squares = crop.reshape(3, 14, 16, 14, 16).mean(axis=(2, 4))
        rows.append({
            "file": path.name,
            "width": picture.width,
            "height": picture.height,
            "tensor_sum": float(tensor(crop).sum(dtype=np.float64)),
            "tensor_corner": [float(v) for v in tensor(crop)[:, 0, 0]],
            "crop_sha256": hashlib.sha256(crop.tobytes()).hexdigest(),
            "bilinear_sha256": hashlib.sha256(centre_crop(picture, Image.Resampling.BILINEAR).tobytes()).hexdigest(),
            "squares_base64": base64.b64encode(np.rint(squares).astype(np.uint8).tobytes()).decode(),
        })
    write(HERE / "figures.json", {"pillow": PIL.__version__, "pictures": rows})


def make_embeddings():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    rows = []
    for path in pictures():
        values = session.run(None, {"pixel_values": tensor(centre_crop(upright_rgb(path)))[None]})[0][0]
        rows.append({"file": path.name, "float32le_base64": base64.b64encode(values.astype("<f4").tobytes()).decode()})
    ONNX.mkdir(parents=True, exist_ok=True)
    write(ONNX / "embeddings.json", {
        "model_sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "onnxruntime": onnxruntime.__version__, "pillow": PIL.__version__, "pictures": rows,
    })


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def make_pictures():
    base = upright_rgb(HERE / "png_00.png").crop((0, 0, 300, 300)).resize((97, 61))
    alpha = Image.radial_gradient("L").resize(base.size)
    clear = base.copy()
    clear.putalpha(alpha)

    def save(image, name, **options):
        image.save(HERE / ("extra_" + name), **options)

    def turned(value):
        exif = Image.Exif()
        exif[0x0112] = value
        return exif

    save(base.convert("CMYK"), "cmyk.jpg", quality=90)
    save(base, "422.jpg", quality=90, subsampling=1)
    save(base, "420_odd.jpg", quality=90, subsampling=2)
    save(base.resize((4, 7)), "420_tiny.jpg", quality=95, subsampling=2)
    save(base.resize((1, 1)), "one_pixel.jpg", quality=95)
    save(base, "rgb.jpg", quality=90, keep_rgb=True)
    for value in (4, 5, 7):
        save(base, "exif%d.jpg" % value, quality=90, exif=turned(value))
    save(base, "exif6.png", exif=turned(6))
    save(base, "exif8.webp", lossless=True, exif=turned(8))
    save(base, "exif6.tiff", compression="tiff_deflate", exif=turned(6))
    save(clear.convert("LA"), "grey_alpha.png")
    save(base, "transparent_colour.png", transparency=base.getpixel((0, 0)))
    save(base.convert("1"), "one_bit.png")
    palette = base.quantize(16)
    save(palette, "palette_alpha.png", transparency=bytes(range(0, 256, 16)))
    save(palette, "palette.bmp")
    save(clear, "alpha_lossless.webp", lossless=True)
    save(clear, "alpha_lossy.webp", quality=80)
    save(base, "odd_lossy.webp", quality=80)
    save(clear, "alpha.tiff", compression="tiff_lzw")
    save(base.convert("L"), "grey.tiff", compression="tiff_lzw")
    save(palette, "palette.tiff", compression="packbits")
    save(palette, "transparent.gif", transparency=palette.getpixel((0, 0)))
    frames = [palette.rotate(a) for a in (0, 90)]
    frames[0].save(HERE / "extra_animated.gif", save_all=True, append_images=frames[1:], duration=100)


if __name__ == "__main__":
    tasks = {"pictures": make_pictures, "figures": make_figures, "embeddings": make_embeddings}
    if len(sys.argv) != 2 or sys.argv[1] not in tasks:
        sys.exit(__doc__)
    tasks[sys.argv[1]]()
