"""The peer of bench/embed: Pillow and onnxruntime on one thread, driven over stdin and stdout.

A request is {"files": [...], "batch": n}; the answer tells the CPU seconds of the process, all
threads counted, for decoding, resizing and inference, and the vectors (float32, base64).
"""
import base64
import json
import resource
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

SHORT_SIDE, CROP = 256, 224


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def decode(path):
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def tensor(picture):
    width, height = picture.size
    factor = SHORT_SIDE / min(width, height)
    size = (SHORT_SIDE, round(height * factor)) if width <= height else (round(width * factor), SHORT_SIDE)
    left, top = (size[0] - CROP) // 2, (size[1] - CROP) // 2
    scaled = picture.resize(size, Image.Resampling.BICUBIC)
    values = np.asarray(scaled.crop((left, top, left + CROP, top + CROP)), np.float32)
    return ((values - np.float32(127)) / np.float32(128)).transpose(2, 0, 1)


def main():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    for line in sys.stdin:
        request = json.loads(line)
        files, batch = request["files"], request["batch"]
        times, vectors = [0.0, 0.0, 0.0], []
        for at in range(0, len(files), batch):
            t0 = cpu()
            pictures = [decode(path) for path in files[at:at + batch]]
            t1 = cpu()
            tensors = [tensor(picture) for picture in pictures]
            t2 = cpu()
            values = np.stack(tensors) if batch > 1 else tensors[0][None]
            vectors.append(session.run(None, {"pixel_values": values})[0])
            t3 = cpu()
            times = [times[0] + t1 - t0, times[1] + t2 - t1, times[2] + t3 - t2]
        flat = np.concatenate(vectors).astype("<f4").tobytes()
        print(json.dumps({"decode": times[0], "resize": times[1], "infer": times[2],
                          "vectors": base64.b64encode(flat).decode()}), flush=True)


main()
