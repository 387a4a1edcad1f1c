#!/usr/bin/env python3
"""Exports the encoder of a PyTorch checkpoint to ONNX, head and decoder left out, for `vitrine model add`.

usage: export.py torchvision:resnet50 OUT.onnx [--weights FILE.pth]
       export.py timm:vit_base_patch16_224 OUT.onnx [--weights FILE.pth | --pretrained]
       export.py transformers:FOLDER OUT.onnx [--text]
       any of them with --tune LABELS.csv --images DIR [--epochs N] [--rate R]   fine-tunes before it exports

What is exported takes pixel_values [batch, 3, side, side] (with --text: input_ids, attention_mask and token_type_ids [batch, tokens])
and answers embedding [batch, dims]; any batch. Of a transformers checkpoint FOLDER is what save_pretrained wrote or a
name that the hub resolves; ViT-MAE's encoder is built without its masking, which would show it a quarter of each picture in
an order drawn anew every time, and without its decoder. Mean and standard deviation are printed where the library knows them,
as the --input-rule for model add.

--tune reads a CSV file with the columns image (a path below DIR) and label, trains the last stage and a new linear head on these
labels (AdamW, cross-entropy with smoothing, random crops and flips; a tenth is held out and the epoch that is best on it is kept),
then throws the head away. A few hundred pictures a label are worth it; below that let vitrine learn a projection instead.

Needs torch, onnx and what the checkpoint comes from: torchvision, timm or transformers; --tune also pillow. Tried with torch 2.15.0,
torchvision 0.29.2, timm 1.0.31, transformers 5.24.0, onnx 1.23.2.
"""
import argparse
import copy
import csv
import os
import random
import sys

import torch
import torch.nn as nn

IMAGENET = ((.485, .456, .406), (.229, .224, .225))
CLIP = ((.48145466, .4578275, .40821073), (.26862954, .26130258, .27577711))


class Failure(Exception):
    """The text says what is wrong with the checkpoint or the labels."""


class Encoder(nn.Module):
    """A model and what makes a vector of its output."""

    def __init__(self, body, call, side, mean=IMAGENET[0], std=IMAGENET[1], short_side=None, scaling="bilinear"):
        super().__init__()
        self.body, self.call = body, call
        self.side, self.mean, self.std, self.scaling = side, tuple(mean), tuple(std), scaling
        self.short_side = short_side or round(side * 256 / 224)

    def forward(self, *inputs):
        return self.call(self.body, *inputs)

    def rule(self):
        def spell(values):
            return "/".join("%.6g" % (255 * v) for v in values)
        return "imagenet,filter=%s,short_side=%d,mean=%s,std=%s" % (self.scaling, self.short_side, spell(self.mean), spell(self.std))


def load_weights(model, path):
    """Takes a state dict as training scripts save it: plain, or under one of the usual keys."""
    if not path:
        return
    state = torch.load(path, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model", "model_state_dict"):
        state = state.get(key, state) if isinstance(state, dict) else state
    state = {k[len("module."):] if k.startswith("module.") else k: v for k, v in state.items()}
    left = model.load_state_dict(state, strict=False)
    missing = [k for k in left.missing_keys if not any(w in k for w in ("head", "fc", "classifier"))]
    if missing:
        raise Failure("%s lacks weights of the encoder: %s …" % (path, ", ".join(missing[:3])))


def from_torchvision(name, args):
    import torchvision

    model = torchvision.models.get_model(name, weights="DEFAULT" if args.pretrained else None)
    load_weights(model, args.weights)
    head = next((a for a in ("fc", "classifier", "heads", "head") if hasattr(model, a)), None)
    if head is None:
        raise Failure("torchvision's %s has no head that is known here; add it to from_torchvision" % name)
    layers = getattr(model, head)
    # VGG, AlexNet and MobileNetV3 have hidden layers in their classifier: only the last linear one is the head.
    if isinstance(layers, nn.Sequential):
        last = max(i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear))
        layers[last] = nn.Identity()
    else:
        setattr(model, head, nn.Identity())
    return Encoder(model, lambda m, x: m(x), getattr(model, "image_size", 224))


def from_timm(name, args):
    import timm

    model = timm.create_model(name, pretrained=args.pretrained, num_classes=0)
    load_weights(model, args.weights)
    data = timm.data.resolve_model_data_config(model)
    side = data["input_size"][1]
    return Encoder(model, lambda m, x: m(x), side, data["mean"], data["std"], round(side / data["crop_pct"]),
                   "bicubic" if data["interpolation"] == "bicubic" else "bilinear")


def vitmae_tokens(m, x):
    """All patches in their own order through ViT-MAE's encoder; its forward would draw and shuffle them."""
    e = m.embeddings
    tokens = e.patch_embeddings(x) + e.position_embeddings[:, 1:, :]
    first = (e.cls_token + e.position_embeddings[:, :1, :]).expand(tokens.shape[0], -1, -1)
    tokens = torch.cat((first, tokens), 1)
    for layer in m.encoder.layer if hasattr(m, "encoder") else m.layers:
        tokens = layer(tokens)
        tokens = tokens[0] if isinstance(tokens, tuple) else tokens
    return m.layernorm(tokens)


def from_transformers(name, args):
    import transformers

    config = transformers.AutoConfig.from_pretrained(name)
    if args.text:
        model = transformers.AutoModel.from_pretrained(name)
        return Encoder(model, mean_of_tokens, 0)
    if config.model_type == "vit_mae":
        model = transformers.ViTMAEModel.from_pretrained(name)  # a decoder in the checkpoint is left where it is
        return Encoder(model, lambda m, x: vitmae_tokens(m, x)[:, 0], config.image_size, *preprocessing(name), config.image_size)
    if config.model_type in ("clip", "clip_vision_model"):
        model = transformers.CLIPVisionModelWithProjection.from_pretrained(name)
        side = model.config.image_size
        return Encoder(model, lambda m, x: m(pixel_values=x).image_embeds, side, *preprocessing(name, CLIP), side, "bicubic")
    model = transformers.AutoModel.from_pretrained(name)
    side = getattr(config, "image_size", 224)
    # Vision transformers are fed the whole picture squeezed into a square; its middle, unsqueezed, comes closest.
    return Encoder(model, vector_of_output, side, *preprocessing(name), side if hasattr(config, "patch_size") else None)


def preprocessing(name, otherwise=IMAGENET):
    """Mean and std that the checkpoint's own processor uses; the family's if it has none."""
    import transformers

    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        return processor.image_mean, processor.image_std
    except (OSError, ValueError, ImportError, AttributeError):
        return otherwise


def vector_of_output(m, x):
    """Class token of a transformer, pooled map of a convolutional network."""
    hidden = m(x).last_hidden_state
    return hidden[:, 0] if hidden.ndim == 3 else hidden.mean((2, 3))


def mean_of_tokens(m, ids, mask, kinds):
    hidden = m(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1)


def load(spec, args):
    library, _, name = spec.partition(":")
    loaders = {"torchvision": from_torchvision, "timm": from_timm, "transformers": from_transformers}
    if library not in loaders or not name:
        raise Failure("%s: want torchvision:NAME, timm:NAME or transformers:FOLDER" % spec)
    return loaders[library](name, args).eval()


# Fine-tuning


def read_labels(path, images):
    with open(path, newline="", encoding="utf-8") as f:
        rows = [(os.path.join(images, r["image"]), r["label"]) for r in csv.DictReader(f)]
    labels = sorted({label for _, label in rows})
    if len(labels) < 2:
        raise Failure("%s has %d labels, want at least 2" % (path, len(labels)))
    number = {label: i for i, label in enumerate(labels)}
    return [(image, number[label]) for image, label in rows], labels


def picture(path, encoder, crop=None):
    """A picture as the encoder wants it; crop, a random generator, moves, scales and mirrors it."""
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    short, side = min(image.size), encoder.side
    part = short * side / encoder.short_side
    if crop is not None:
        part *= crop.uniform(.7, 1.1)
    part = min(part, short)
    left, top = (((d - part) * (crop.random() if crop is not None else .5)) for d in image.size)
    image = image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + part, top + part))
    if crop is not None and crop.random() < .5:
        image = ImageOps.mirror(image)
    values = torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)
    return (values - torch.tensor(encoder.mean)[:, None, None]) / torch.tensor(encoder.std)[:, None, None]


def last_stage(body, share=.25):
    """The last parameters, a quarter of them: enough to bend the features, too few to forget them."""
    parameters = list(body.parameters())
    budget = share * sum(p.numel() for p in parameters)
    chosen = []
    for p in reversed(parameters):
        budget -= p.numel()
        if chosen and budget < 0:
            break
        chosen.append(p)
    return chosen


def accuracy(encoder, head, rows, batch):
    encoder.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(rows), batch):
            part = rows[i:i + batch]
            x = torch.stack([picture(path, encoder) for path, _ in part])
            right += (head(encoder(x)).argmax(1) == torch.tensor([y for _, y in part])).sum().item()
    return right / max(len(rows), 1)


def tune(encoder, args):
    """Trains the last stage on the labels and keeps what is best on the tenth that is held out."""
    rows, labels = read_labels(args.tune, args.images)
    shuffle = random.Random(args.seed)
    torch.manual_seed(args.seed)
    shuffle.shuffle(rows)
    held, rows = rows[:max(len(rows) // 10, 1)], rows[max(len(rows) // 10, 1):]
    for p in encoder.parameters():
        p.requires_grad_(False)
    chosen = last_stage(encoder.body)
    for p in chosen:
        p.requires_grad_(True)
    with torch.no_grad():
        dims = encoder(picture(rows[0][0], encoder)[None]).shape[1]
    head = nn.Linear(dims, len(labels))
    optimizer = torch.optim.AdamW([{"params": chosen, "lr": args.rate}, {"params": head.parameters(), "lr": 10 * args.rate}], weight_decay=.05)
    loss = nn.CrossEntropyLoss(label_smoothing=.1)
    best, kept = accuracy(encoder, head, held, args.batch), copy.deepcopy(encoder.state_dict())
    for epoch in range(args.epochs):
        shuffle.shuffle(rows)
        encoder.eval()  # batch statistics and dropout stay as they were trained
        total = 0.0
        for i in range(0, len(rows), args.batch):
            part = rows[i:i + args.batch]
            x = torch.stack([picture(path, encoder, shuffle) for path, _ in part])
            value = loss(head(encoder(x)), torch.tensor([y for _, y in part]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item() * len(part)
        score = accuracy(encoder, head, held, args.batch)
        print("epoch %d: loss %.3f, held out %.3f of %d labels right" % (epoch + 1, total / len(rows), score, len(labels)), flush=True)
        if score > best:
            best, kept = score, copy.deepcopy(encoder.state_dict())
    encoder.load_state_dict(kept)
    return encoder.eval()


# Export


def export(encoder, path, text):
    if text:
        inputs = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long), torch.zeros(2, 8, dtype=torch.long))
        names = ["input_ids", "attention_mask", "token_type_ids"]
        axes = {n: {0: "batch", 1: "tokens"} for n in names}
    else:
        inputs, names = (torch.zeros(2, 3, encoder.side, encoder.side),), ["pixel_values"]
        axes = {"pixel_values": {0: "batch"}}
    axes["embedding"] = {0: "batch"}
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX form
    # The exporter by tracing: it keeps the batch free, which the newer one does only where it can prove it.
    with torch.no_grad():
        torch.onnx.export(encoder, inputs, path, input_names=names, output_names=["embedding"], dynamic_axes=axes, opset_version=17, dynamo=False)
    check(encoder, inputs, path)


def check(encoder, inputs, path):
    """Runs the file if onnxruntime is there, on another batch size than it was traced with."""
    try:
        import onnxruntime
    except ImportError:
        print("exported; onnxruntime is not installed, so the file was not run")
        return
    if inputs[0].dtype == torch.float32:
        inputs = (torch.randn(3, *inputs[0].shape[1:], generator=torch.Generator().manual_seed(1)),)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(None, {i.name: x.numpy() for i, x in zip(session.get_inputs(), inputs)})[0]
    with torch.no_grad():
        want = encoder(*inputs).numpy()
    print("%s: %d values, largest difference from PyTorch %.2g of %.2g" % (path, got.shape[1], abs(got - want).max(), abs(want).max()))


def main():
    parser = argparse.ArgumentParser(description="Export the encoder of a PyTorch checkpoint to ONNX.")
    parser.add_argument("model", help="torchvision:NAME, timm:NAME or transformers:FOLDER")
    parser.add_argument("out", help="the ONNX file to write")
    parser.add_argument("--weights", help="state dict to load, for torchvision and timm")
    parser.add_argument("--pretrained", action="store_true", help="let torchvision or timm fetch its own weights")
    parser.add_argument("--text", action="store_true", help="the checkpoint is one of texts")
    parser.add_argument("--tune", metavar="LABELS.csv", help="fine-tune on these labels first")
    parser.add_argument("--images", default=".", help="the folder that image paths start from")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=3e-5, help="learning rate of the encoder; the head's is ten times that")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        encoder = load(args.model, args)
        if args.tune:
            encoder = tune(encoder, args)
        export(encoder, args.out, args.text)
    except (Failure, OSError, KeyError, ValueError, RuntimeError) as e:
        sys.exit("export: %s" % e)
    if not args.text:
        print("vitrine model add %s --input-rule %s" % (args.out, encoder.rule()))


if __name__ == "__main__":
    main()
