#!/usr/bin/python3
"""peer_torch.py: what a user would reach for instead: the same net in PyTorch, built from the text that
`likeness nets --text NAME` prints on standard input.

    peer_torch.py train|infer BATCH SECONDS [channels_last]

Prints photos a second and the share of the cores' time it had (1: the machine was quiet). The loss is the same too:
distances of the whole batch, batch-hard triplets (Hermans et al. 2017), max(|a-p| - |a-n| + margin, 0), AdamW.
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    """The text format of docs/formats.md: a list of layers and a stack for the residual ones."""

    def __init__(self, text):
        super().__init__()
        self.steps = []
        self.parts = nn.ModuleList()
        c = h = w = 0
        stack = []
        for line in text.replace(";", "\n").splitlines():
            words = line.split("#")[0].split()
            if not words:
                continue
            kind, values, named = words[0], [], {}
            i = 1
            while i < len(words):
                if words[i] in ("kernel", "stride", "pad"):
                    named[words[i]] = int(words[i + 1])
                    i += 2
                elif words[i] == "bias":
                    named["bias"] = True
                    i += 1
                else:
                    values.append(int(words[i]))
                    i += 1
            k, s, p = named.get("kernel", 1), named.get("stride", 1), named.get("pad", 0)
            bias = named.get("bias", False)
            part = None
            if kind == "input":
                c, h, w = values
                self.shape = (c, h, w)
                continue
            if kind in ("conv", "dwconv"):
                out = values[0] if kind == "conv" else c
                part = nn.Conv2d(c, out, k, s, p, groups=1 if kind == "conv" else c, bias=bias)
                c, h, w = out, (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1
            elif kind == "gdconv":
                part = nn.Conv2d(c, c, (h, w), groups=c, bias=False)
                h = w = 1
            elif kind == "batchnorm":
                part = nn.BatchNorm2d(c)
            elif kind == "prelu":
                part = nn.PReLU(c)
            elif kind == "relu":
                part = nn.ReLU(inplace=True)
            elif kind == "maxpool":
                part = nn.MaxPool2d(k, s)
                h, w = (h - k) // s + 1, (w - k) // s + 1
            elif kind == "avgpool":
                part = nn.AdaptiveAvgPool2d(1)
                h = w = 1
            elif kind == "linear":
                part = nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, values[0], bias=bias),
                                     nn.Unflatten(1, (values[0], 1, 1)))
                c, h, w = values[0], 1, 1
            elif kind == "save":
                stack.append((c, h, w))
            elif kind == "swap":
                (c, h, w), stack[-1] = stack[-1], (c, h, w)
            elif kind == "add":
                stack.pop()
            elif kind != "l2norm":
                raise SystemExit(f"unknown layer: {line}")
            if part is not None:
                self.parts.append(part)
            self.steps.append((kind, len(self.parts) - 1))

    def forward(self, x):
        stack = []
        for kind, part in self.steps:
            if kind == "save":
                stack.append(x)
            elif kind == "swap":
                x, stack[-1] = stack[-1], x
            elif kind == "add":
                x = x + stack.pop()
            elif kind == "l2norm":
                x = F.normalize(x.flatten(1), dim=1)
            else:
                x = self.parts[part](x)
        return x


def triplet_loss(e, label, margin):
    d = torch.cdist(e, e, compute_mode="donot_use_mm_for_euclid_dist")
    same = label[:, None] == label[None, :]
    furthest = d.masked_fill(~same, -1).max(1).values
    nearest = d.masked_fill(same, 4).min(1).values
    return F.relu(furthest - nearest + margin).mean()


def main():
    mode, batch, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    net = Net(sys.stdin.read())
    x = torch.randn(batch, *net.shape)
    if "channels_last" in sys.argv[4:]:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if mode == "train":
        label = torch.arange(batch) // 4
        net.train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=5e-4)

        def step():
            optimizer.zero_grad(set_to_none=True)
            triplet_loss(net(x), label, 0.3).backward()
            optimizer.step()
    else:
        # As one would serve it: batch norms folded, graph frozen.
        net.eval()
        with torch.no_grad():
            frozen = torch.jit.optimize_for_inference(torch.jit.trace(net, x))

        @torch.no_grad()
        def step():
            frozen(x)

    for _ in range(3):
        step()
    count, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        step()
        count += 1
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{count * batch / wall:.2f} {cpu / wall / torch.get_num_threads():.3f}")


main()
