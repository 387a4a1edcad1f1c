#!/usr/bin/env python3
"""Writes minilm.json, vectors of all-MiniLM-L6-v2 by Python's tokenizers and onnxruntime.

usage: make minilm && python3 make_minilm.py    (numpy 2.4.6, onnxruntime 1.24.4, tokenizers 0.23.3)
"""
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

TEXTS = [
    "A storm at sea",
    "Ships in heavy weather off the coast\noil on canvas, after 1850",
    "Dog in a garden",
    "Still life with lemons, oysters and a glass of wine.",
    "naïve Übermensch – Ωμέγα 東京 🎨 №5",
    "the quick brown fox jumps over the lazy dog " * 60,
]


def main():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitrine" / "all-minilm-l6-v2"
    tokenizer = Tokenizer.from_file(str(cache / "all-minilm-l6-v2-tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)  # the length sentence-transformers trained it with
    session = onnxruntime.InferenceSession(str(cache / "all-minilm-l6-v2.onnx"))
    rows = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids])
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()})[0]
        vector = hidden[0].mean(0)
        vector /= np.linalg.norm(vector)
        rows.append({"text": text, "tokens": ids.shape[1], "vector": [round(float(v), 6) for v in vector]})
    out = Path(__file__).with_name("minilm.json")
    out.write_text("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
