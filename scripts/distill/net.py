"""A likeness net in PyTorch: read from its text, trained, and written as a model that `likeness` opens.

The text and the file are described in docs/formats.md. What is computed is what src/nn computes, so the vectors of a
model written here and embedded by the C program agree to rounding (distill/check.py compares them).
"""
import json
import struct

import torch
import torch.nn.functional as F
from torch import nn

# What a layer has when its line does not say; avgpool without a kernel is over the whole plane.
NUMBERS = {"kernel": 1, "stride": 1, "pad": 0, "channels": 0, "bottom": 0, "right": 0}


def parse(text):
    """[(name, out channels or None, {key: number}, has bias)] for each line; comments and empty lines left out."""
    layers = []
    for line in text.replace(";", "\n").split("\n"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name, words = words[0], words[1:]
        bias = "bias" in words
        words = [w for w in words if w != "bias"]
        if name == "input":
            layers.append((name, None, dict(zip("chw", map(int, words))), False))
            continue
        out = int(words.pop(0)) if words and words[0].isdigit() else None
        numbers = {**NUMBERS, **({"kernel": 0} if name == "avgpool" else {})}
        numbers.update({k: int(v) for k, v in zip(words[::2], words[1::2])})
        layers.append((name, out, numbers, bias))
    if not layers or layers[0][0] != "input" or layers[-1][0] != "l2norm":
        raise ValueError("a net that embeds begins with input and ends in l2norm")
    return layers


class Net(nn.Module):
    """Photos (n, 3, h, w) in [-1, 1] to unit vectors (n, dim)."""

    def __init__(self, text):
        super().__init__()
        self.text = text
        (_, _, size, _), *self.lines = parse(text)
        self.height, self.width = size["h"], size["w"]
        c, h, w = size["c"], size["h"], size["w"]
        stack, self.layers = [], nn.ModuleList()
        for name, out, o, bias in self.lines:
            k, s, p = o["kernel"], o["stride"], o["pad"]
            layer = nn.Identity()
            if name == "conv":
                layer, c = nn.Conv2d(c, out, k, s, p, bias=bias), out
            elif name == "dwconv":
                layer = nn.Conv2d(c, c, k, s, p, groups=c, bias=False)
            elif name == "gdconv":
                layer, h, w = nn.Conv2d(c, c, (h, w), groups=c, bias=False), 1, 1
            elif name == "batchnorm":
                layer = nn.BatchNorm2d(c, eps=1e-5)
            elif name == "prelu":
                layer = nn.PReLU(c, init=0.25)
            elif name == "relu":
                layer = nn.ReLU()
            elif name == "maxpool":
                layer = nn.MaxPool2d(k, s, p)
            elif name == "avgpool" and k:
                layer = nn.AvgPool2d(k, s)
            elif name == "avgpool":
                layer, h, w = nn.AdaptiveAvgPool2d(1), 1, 1
            elif name == "zeropad":
                layer = nn.ConstantPad3d((0, o["right"], 0, o["bottom"], 0, o["channels"]), 0.0)
                c, h, w = c + o["channels"], h + o["bottom"], w + o["right"]
            elif name == "linear":  # as a convolution over all places: the same numbers in the same order
                layer, c, h, w = nn.Conv2d(c, out, (h, w), bias=bias), out, 1, 1
            elif name == "save":
                stack.append((c, h, w))
            elif name == "swap":
                stack[-1], (c, h, w) = (c, h, w), stack[-1]
            elif name == "add":
                if stack.pop() != (c, h, w):
                    raise ValueError("add: the two activations differ in shape")
            elif name != "l2norm":
                raise ValueError(f"a layer that is not known here: {name}")
            if name in ("conv", "dwconv", "maxpool") or name == "avgpool" and k:
                h, w = (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
            self.layers.append(layer)
        self.dim = c
        self.start()

    def start(self):
        """Weights as the C program starts them: normal, deviation sqrt(2 / (1 + 1/16) / fan-in) (He et al. 2015)."""
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.normal_(m.weight, std=(2 / (1 + 1 / 16) / m.weight[0].numel()) ** 0.5)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x):
        stack = []
        for (name, *_), layer in zip(self.lines, self.layers):
            if name == "save":
                stack.append(x)
            elif name == "swap":
                stack[-1], x = x, stack[-1]
            elif name == "add":
                x = x + stack.pop()
            elif name == "l2norm":
                x = F.normalize(x.flatten(1).float(), dim=1, eps=1e-12)
            else:
                x = layer(x)
        return x

    def arrays(self):
        """[(name in the file, tensor in its shape there)], in the net's order."""
        out = []
        for i, ((kind, *_), m) in enumerate(zip(self.lines, self.layers)):
            parts = {"conv": "weight bias", "dwconv": "weight", "gdconv": "weight", "linear": "weight bias",
                     "batchnorm": "weight bias running_mean running_var", "prelu": "weight"}.get(kind, "").split()
            for part in parts:
                tensor = getattr(m, part)
                if tensor is None:
                    continue
                what = {"running_mean": "mean", "running_var": "variance"}.get(part, part)
                if kind == "prelu":
                    what = "slope"
                if kind == "linear" and part == "weight":
                    tensor = tensor.flatten(1)
                out.append((f"{i:02d}.{kind}.{what}", tensor))
        return out


def write(net, path, threshold, notes):
    """A model of aligned faces, as lk__model_write writes it; notes: {metadata key: text}."""
    meta = {"format": "likeness-model-1", "net": net.text, "crop": "1",
            "normalisation": "(value - 127.5) / 127.5, RGB planes", "alignment": "five-points"}
    if threshold is not None:
        meta["threshold"] = f"{threshold:.6f}"
    header, blobs, at = {"__metadata__": {**meta, **notes}}, [], 0
    for name, tensor in net.arrays():
        blob = tensor.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read(path):
    """(Net with its weights, metadata) of a model file."""
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(size)), f.read()
    meta = header.pop("__metadata__")
    net = Net(meta["net"])
    for name, tensor in net.arrays():
        start, end = header[name]["data_offsets"]
        values = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32)
        with torch.no_grad():
            tensor.copy_(values.reshape(tensor.shape))
    return net, meta
