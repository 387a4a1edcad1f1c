"""Embed pictures as a Python service would: Pillow, NumPy and onnxruntime on one thread.

usage: peer.py MANIFEST
Reads lines that hold a JSON array of paths; answers each line with the number of pictures
embedded, after the last. The model and its rule are the manifest's: orientation applied,
transparency over white, short side by antialiased bicubic, crop from the middle,
(x - mean) / std, channels first.
"""
import json
import os
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

with open(sys.argv[1]) as f:
    manifest = json.load(f)
rule = manifest["input"]
short, crop = rule["resize"]["short_side"], rule["size"]
mean, std = np.float32(rule["mean"]), np.float32(rule["std"])


def load(path):
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def tensor(picture):
    width, height = picture.size
    scale = short / min(width, height)
    if width <= height:
        size = (short, round(height * scale))
    else:
        size = (round(width * scale), short)
    picture = picture.resize(size, Image.BICUBIC)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    pixels = np.asarray(picture.crop((left, top, left + crop, top + crop)), np.float32)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1))[None]


model = os.path.join(os.path.dirname(sys.argv[1]), manifest["file"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name

for line in sys.stdin:
    count = 0
    for path in json.loads(line):
        # One at a time: batches of 4 and 8 took more processor time a picture.
        row = session.run(None, {name: tensor(load(path))})[0]
        if not np.isfinite(row).all():
            sys.exit("not finite: " + path)
        count += 1
    print(count, flush=True)
