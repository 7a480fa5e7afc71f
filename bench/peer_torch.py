#!/usr/bin/python3
"""peer_torch.py: what a user would reach for instead: the same net in PyTorch, built from the text that
`likeness nets --text NAME` prints on standard input.

    peer_torch.py train|infer BATCH SECONDS [channels_last] [bf16] [jit]

    channels_last   the other memory layout
    bf16            mixed precision: the net under autocast, weights, loss and optimizer in f32
    jit             (infer) the fastest of every way PyTorch has to run a net that is ready: as it is, traced and frozen,
                    frozen and optimized; with bf16 also with weights turned to bf16 beforehand. Standard error has them all

Prints photos a second, the share of the cores' time it had (1: the machine was quiet) and the peak of its resident
memory in MiB. The loss is the same too: distances of the whole batch, batch-hard triplets (Hermans et al. 2017),
max(|a-p| - |a-n| + margin, 0), AdamW.
"""
import copy
import resource
import sys
import time
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


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

    def folded(self):
        """Batch norms that follow a convolution or linear layer become part of it, before anything is turned to bf16:
        freezing a bf16 trace leaves them, for it does not see through the casts."""
        net = copy.deepcopy(self).eval()
        steps = []
        for kind, part in net.steps:
            previous = steps[-1] if steps else (None, 0)
            if kind == "batchnorm" and previous[0] in ("conv", "dwconv", "gdconv"):
                net.parts[previous[1]] = fuse_conv_bn_eval(net.parts[previous[1]], net.parts[part])
            elif kind == "batchnorm" and previous[0] == "linear":
                layer = net.parts[previous[1]]
                layer[1] = fuse_linear_bn_eval(layer[1], net.parts[part])
            else:
                steps.append((kind, part))
        net.steps = steps
        return net


def triplet_loss(e, label, margin):
    d = torch.cdist(e, e, compute_mode="donot_use_mm_for_euclid_dist")
    same = label[:, None] == label[None, :]
    furthest = d.masked_fill(~same, -1).max(1).values
    nearest = d.masked_fill(same, 4).min(1).values
    return F.relu(furthest - nearest + margin).mean()


def mixed(bf16):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)


def trainer(net, x, bf16):
    label = torch.arange(len(x)) // 4
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with mixed(bf16):
            vectors = net(x)
        triplet_loss(vectors.float(), label, 0.3).backward()
        optimizer.step()

    return step


def traced(net, x, bf16, finish):
    # Casts of weights must not be cached while tracing: they would become constants of that one call.
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16, cache_enabled=False):
        return finish(torch.jit.trace(net, x))


def ways(net, x, bf16):
    """(name, how to make it, its input) for each way to run a net that is ready."""
    graphs = (("frozen", torch.jit.freeze), ("optimized", torch.jit.optimize_for_inference))
    yield "as it is", lambda: net, x
    for name, finish in graphs:
        yield name, lambda finish=finish: traced(net, x, bf16, finish), x
    if bf16:
        low, x_low = copy.deepcopy(net).bfloat16(), x.bfloat16()
        yield "bf16 weights", lambda: low, x_low
        for name, finish in graphs:
            yield f"bf16 weights, {name}", lambda finish=finish: traced(low, x_low, False, finish), x_low


def rate(step, seconds):
    count, began = 0, time.perf_counter()
    while count < 1 or time.perf_counter() - began < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - began)


def server(net, x, bf16, jit, seconds):
    """As one would serve it: batch norms folded; with jit, in the fastest way of all that work."""
    net = net.folded()
    best = None
    for name, make, given in ways(net, x, bf16):
        try:
            with torch.no_grad():
                run = make()
            # What is traced has its casts inside; autocast around it would only look at every call again.
            around = bf16 and run is net

            @torch.no_grad()
            def step(run=run, given=given, around=around):
                with mixed(around):
                    run(given)

            if not jit:
                return step
            for _ in range(3):
                step()
            fast = max(rate(step, min(0.2, seconds / 10)) for _ in range(2))
        except Exception as error:  # a way that this version of PyTorch does not have for this net
            reason = str(error).strip().splitlines() or [type(error).__name__]
            print(f"    {name}: {reason[-1][:120]}", file=sys.stderr)
            continue
        print(f"    {name}: {fast * len(x):.0f} photos/s", file=sys.stderr)
        if best is None or fast > best[0]:
            best = fast, step
    return best[1]


def main():
    mode, batch, seconds, options = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), set(sys.argv[4:])
    if mode not in ("train", "infer") or options - {"channels_last", "bf16", "jit"}:
        raise SystemExit("Usage: peer_torch.py train|infer BATCH SECONDS [channels_last] [bf16] [jit] <NET")
    warnings.filterwarnings("ignore")  # the tracer's, about sizes that become constants: so they should
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    net = Net(sys.stdin.read())
    x = torch.randn(batch, *net.shape)
    if "channels_last" in options:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    bf16 = "bf16" in options
    step = trainer(net, x, bf16) if mode == "train" else server(net, x, bf16, "jit" in options, seconds)

    # With SECONDS 0 only the memory is asked for: it is at its peak once the optimizer has its own, in the second step.
    for _ in range(2 if seconds > 0 else 1):
        step()
    cpu, began = time.process_time(), time.perf_counter()
    each = rate(step, seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{each * batch:.2f} {cpu / wall / torch.get_num_threads():.3f} {peak:.1f}")


main()
