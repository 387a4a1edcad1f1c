#!/usr/bin/env python3
"""Makes the stock models in stock/: tiny, random weights, classification heads and decoders still on.

usage: make_stock.py [OUTDIR]

Every family is built by the library that public files of it come from, with tiny dimensions, and exported as
users export it. expect.json says, for each, what the encoder alone gives in PyTorch for the input
x[i] = sin(.01·i) over the flat [2, channels, height, width] tensor (for text: the ids and mask in the file).

Made with: python3 -m venv v && v/bin/pip install torch==2.15.0 torchvision==0.29.2 transformers==5.24.0 \\
    onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.24.4 && v/bin/python make_stock.py
Seeded; the vectors are checked against ONNX Runtime before they are written. Weights carry no meaning.
"""
import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn as nn
import torchvision
import transformers as hf

warnings.filterwarnings("ignore")
torch.backends.mha.set_fastpath_enabled(False)  # its fused operator cannot be exported
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "stock")
SEED, BATCH, CLASSES = 20261123, 2, 10


def wave(*shape):
    n = int(np.prod(shape))
    return torch.tensor(np.sin(.01 * np.arange(n)).astype(np.float32).reshape(shape))


class Outputs(nn.Module):
    """A model as a function from tensors to a tuple of tensors."""

    def __init__(self, model, call):
        super().__init__()
        self.model, self.call = model, call

    def forward(self, *inputs):
        return self.call(self.model, *inputs)


def spread(model):
    """Weights wide enough that vectors tell inputs apart, running statistics that are not the initial ones."""
    generator = torch.Generator().manual_seed(SEED)
    for name, p in model.named_parameters():
        if p.ndim >= 2 and "position" not in name:
            fan = p[0].numel() if p.ndim > 2 or "embed" not in name else 16
            p.data.copy_(torch.randn(p.shape, generator=generator) * (1.6 / fan ** .5))
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=generator) * .1)
            m.running_var.copy_(torch.rand(m.running_var.shape, generator=generator) * .5 + .75)
    return model.eval()


def vgg():
    m = torchvision.models.VGG(torchvision.models.vgg.make_layers([8, "M", 16, "M", 16, "M"]), num_classes=CLASSES, init_weights=False)
    m.avgpool = nn.AdaptiveAvgPool2d((2, 2))
    m.classifier = nn.Sequential(nn.Linear(64, 24), nn.ReLU(True), nn.Dropout(), nn.Linear(24, 24), nn.ReLU(True), nn.Dropout(), nn.Linear(24, CLASSES))
    return m, 32, lambda m, x: m.classifier[:-2](torch.flatten(m.avgpool(m.features(x)), 1))


def resnet():
    m = hf.ResNetForImageClassification(hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=CLASSES, layer_type="basic"))
    return Outputs(m, lambda m, x: m(x).logits), 32, lambda m, x: m.model.resnet(x).pooler_output.flatten(1)


def efficientnet():
    block = torchvision.models.efficientnet.MBConvConfig
    m = torchvision.models.EfficientNet([block(1, 3, 1, 16, 16, 1), block(4, 3, 2, 16, 24, 1)], dropout=.2, last_channel=40, num_classes=CLASSES)
    return m, 32, lambda m, x: torch.flatten(m.avgpool(m.features(x)), 1)


def mobilenet():
    setting = [torchvision.models.mobilenetv3.InvertedResidualConfig(*a) for a in (
        (16, 3, 16, 16, True, "RE", 2, 1, 1), (16, 3, 24, 16, False, "HS", 2, 1, 1))]
    m = torchvision.models.MobileNetV3(setting, last_channel=32, num_classes=CLASSES)
    return m, 32, lambda m, x: m.classifier[:-1](torch.flatten(m.avgpool(m.features(x)), 1))


class Lite(nn.Module):
    """A classifier as tf2onnx writes the EfficientNet-Lite files: channels last, batches of one, probabilities."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU6(),
                                      nn.Conv2d(8, 20, 1), nn.BatchNorm2d(20), nn.ReLU6())
        self.head = nn.Linear(20, CLASSES)

    def pooled(self, x):
        return nn.functional.adaptive_avg_pool2d(self.features(x.permute(0, 3, 1, 2)), 1)

    def forward(self, x):
        return self.head(self.pooled(x).reshape(1, 20)).softmax(1)


def lite():
    return Lite(), 32, lambda m, x: m.pooled(x.permute(0, 2, 3, 1)).flatten(1)


VIT = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8)


def vit():
    m = hf.ViTForImageClassification(hf.ViTConfig(**VIT, num_labels=CLASSES))
    return Outputs(m, lambda m, x: m(x).logits), 32, lambda m, x: m.model.vit(x).last_hidden_state[:, 0]


def vit_tokens():
    """No head: the tokens and the tanh pooler, as the feature-extraction exports have them."""
    m = hf.ViTModel(hf.ViTConfig(**VIT), add_pooling_layer=True)
    return Outputs(m, lambda m, x: (lambda o: (o.last_hidden_state, o.pooler_output))(m(x))), 32, lambda m, x: m.model(x).last_hidden_state[:, 0]


def vit_torchvision():
    m = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=CLASSES)

    def encode(m, x):
        x = m._process_input(x)
        return m.encoder(torch.cat([m.class_token.expand(x.shape[0], -1, -1), x], 1))[:, 0]
    return m, 32, encode


def mae_plain(m, x):
    """ViT-MAE's encoder on all patches in their order: its forward draws and shuffles them."""
    vit = m.model.vit
    e = vit.embeddings
    h = e.patch_embeddings(x) + e.position_embeddings[:, 1:, :]
    h = torch.cat(((e.cls_token + e.position_embeddings[:, :1, :]).expand(h.shape[0], -1, -1), h), 1)
    for layer in vit.encoder.layer if hasattr(vit, "encoder") else vit.layers:
        h = layer(h)
        h = h[0] if isinstance(h, tuple) else h
    return vit.layernorm(h)[:, 0]


def vitmae():
    m = hf.ViTMAEForPreTraining(hf.ViTMAEConfig(**VIT, mask_ratio=.75, decoder_hidden_size=24, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
                                                decoder_intermediate_size=32))
    return Outputs(m, lambda m, x: (lambda o: (o.logits, o.mask, o.ids_restore))(m(x))), 32, mae_plain


CLIP_VISION = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8, projection_dim=12)


def clip_vision():
    m = hf.CLIPVisionModelWithProjection(hf.CLIPVisionConfig(**CLIP_VISION))
    return Outputs(m, lambda m, x: (lambda o: (o.image_embeds, o.last_hidden_state))(m(x))), 32, lambda m, x: m.model(x).image_embeds


def clip():
    """Both towers and their similarities; the picture comes second."""
    text = dict(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=12,
                projection_dim=12, eos_token_id=63, bos_token_id=62, pad_token_id=0)
    m = hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=CLIP_VISION, projection_dim=12))

    def call(m, ids, x, mask):
        o = m(input_ids=ids, pixel_values=x, attention_mask=mask)
        return o.logits_per_image, o.logits_per_text

    def encode(m, x):
        v = m.model.vision_model(x).pooler_output
        return m.model.visual_projection(v)
    return Outputs(m, call), 32, encode


def bert():
    m = hf.BertModel(hf.BertConfig(vocab_size=200, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                                   max_position_embeddings=32), add_pooling_layer=False)
    return Outputs(m, lambda m, ids, mask, kinds: m(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state)


MODELS = {  # name: (builder, names of outputs, opset, new exporter, free batch)
    "vgg": (vgg, ["output"], 17, False, True),
    "resnet": (resnet, ["logits"], 17, False, True),
    "resnet_dynamo": (resnet, ["logits"], 20, True, True),
    "efficientnet": (efficientnet, ["output"], 17, False, True),
    "mobilenet": (mobilenet, ["scores"], 13, False, True),
    "lite_nhwc": (lite, ["Softmax:0"], 11, False, False),
    "vit": (vit, ["logits"], 17, False, True),
    "vit_dynamo": (vit, ["logits"], 20, True, True),
    "vit_fixed": (vit, ["logits"], 17, False, False),
    "resnet_half": (resnet, ["logits"], 17, False, True),
    "vit_tokens": (vit_tokens, ["last_hidden_state", "pooler_output"], 17, False, True),
    "vit_torchvision": (vit_torchvision, ["output"], 17, False, True),
    "vitmae": (vitmae, ["logits", "mask", "ids_restore"], 17, False, True),
    "clip_vision": (clip_vision, ["image_embeds", "last_hidden_state"], 17, False, True),
    "clip": (clip, ["logits_per_image", "logits_per_text"], 17, False, True),
}


def slim(path):
    """Drops what exporters write for debuggers, and any file of weights beside the model."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in list(model.graph.value_info) + list(model.graph.input) + list(model.graph.output) + list(model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    if os.path.exists(path + ".data"):
        os.remove(path + ".data")
    onnx.save(model, path)


def export(model, inputs, path, names, outputs, opset, dynamo, free):
    if dynamo:
        shapes = tuple({0: torch.export.Dim("batch")} for _ in inputs)
        torch.onnx.export(model, inputs, path, input_names=names, output_names=outputs, opset_version=opset, dynamo=True,
                          dynamic_shapes=(shapes,) if isinstance(model, Outputs) else shapes, external_data=False, verbose=False)
    else:
        axes = {n: {0: "batch"} for n in names + outputs} if free else None
        torch.onnx.export(model, inputs, path, input_names=names, output_names=outputs, opset_version=opset, dynamo=False, dynamic_axes=axes)
    slim(path)


def make(name):
    builder, outputs, opset, dynamo, free = MODELS[name]
    torch.manual_seed(SEED)
    model, side, encode = builder()
    spread(model)
    x = wave(BATCH, 3, side, side)
    inputs, names = (x,), ["pixel_values"]
    if not free:
        inputs = (x[:1],)
    if name == "resnet_half":  # float16 from input to output
        model.half()
        inputs = (x.half(),)
    if name == "lite_nhwc":
        inputs, names = (x.permute(0, 2, 3, 1)[:1].contiguous(),), ["images:0"]
    if name == "clip":
        inputs, names = (torch.tensor([[62, 5, 9, 63], [62, 7, 63, 0]]), x, torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])), ["input_ids", "pixel_values", "attention_mask"]
    want = encode(model, x.to(next(model.parameters()).dtype)).float()
    path = os.path.join(OUT, name + ".onnx")
    export(model, inputs, path, names, outputs, opset, dynamo, free)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    if name != "vitmae":
        got = session.run(None, {n: v.numpy() for n, v in zip(names, inputs)})[0]
        ref = model(*inputs)
        ref = ref[0] if isinstance(ref, tuple) else ref
        assert np.abs(got - ref.numpy()).max() < (.1 if name == "resnet_half" else 1e-4), name
    a, b = want.numpy()
    print("%-16s %7d bytes, %2d dims, rows differ by %.3f of %.3f" % (name, os.path.getsize(path), len(a), np.abs(a - b).max(), np.abs(a).max()))
    return {"side": side, "vectors": [[round(float(v), 6) for v in row] for row in want]}


def make_text():
    torch.manual_seed(SEED)
    model = spread(bert())
    ids = torch.tensor([[2, 17, 45, 199, 8, 3], [2, 99, 3, 0, 0, 0]])
    mask = (ids != 0).long()
    kinds = torch.zeros_like(ids)
    path = os.path.join(OUT, "bert.onnx")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    torch.onnx.export(model, (ids, mask, kinds), path, input_names=names, output_names=["last_hidden_state"], opset_version=14, dynamo=False,
                      dynamic_axes={n: {0: "batch", 1: "sequence"} for n in names + ["last_hidden_state"]})
    slim(path)
    hidden = model(ids, mask, kinds)
    m = mask.unsqueeze(-1).float()
    mean = (hidden * m).sum(1) / m.sum(1)
    unit = mean / mean.norm(dim=1, keepdim=True)
    print("bert %d bytes" % os.path.getsize(path))
    return {"ids": ids.tolist(), "vectors": [[round(float(v), 6) for v in row] for row in unit]}


def main():
    os.makedirs(OUT, exist_ok=True)
    with torch.no_grad():
        expect = {name: make(name) for name in MODELS}
        expect["bert"] = make_text()
    with open(os.path.join(OUT, "expect.json"), "w") as f:
        json.dump(expect, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
