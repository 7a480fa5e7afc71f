#!/usr/bin/env python3
"""Teach small face nets on a GPU, from a teacher's answers and from labels.

    likeness crop SET -o crops/SET --size 112 --room 1.375 --confidence 0.4     aligned faces, for each set of photos
    pack.py --out BUNDLES GROUP:crops/SET...                                    bundles of them (data.py)
    train.py BUNDLES --net face-small.txt --teacher FOLDER --minutes 8 --out MODELS

Several students (--net, as often as wanted) see the same batches. Each sees a photo damaged (damage.py) and is told what
the teacher says of it undamaged (targets.py), and who is one person (losses.py). The moving average of each one's weights is
validated (validate.py) and written as OUT/NAME.safetensors, which `likeness` opens, every --write seconds and at the end.

Without --teacher there are labels only: no answers, no cleaning, no weights from elsewhere.

The schedule goes by the clock: --minutes is the time from the start of the program to its end. Two runs therefore differ.
"""
import argparse
import copy
import json
import math
import os
import sys
import time

import torch

import damage
import data
import losses
import net as nets
import targets
import validate
from teacher import Teacher, views

START = time.time()


def say(*words):
    print(f"{time.time() - START:6.1f}s", *words, flush=True)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bundles")
    p.add_argument("--out", required=True)
    p.add_argument("--net", action="append", required=True, help="text of a net, or a model to go on from")
    p.add_argument("--teacher", help="folder of the teacher's two files; none: learn from labels alone")
    p.add_argument("--minutes", type=float, default=8)
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--labelled", type=float, default=0.5, help="share of a batch drawn as people x photos")
    p.add_argument("--photos", type=int, default=4, help="photos of a person in a batch")
    p.add_argument("--view", help="file of study.py: what the teacher looks at, and how its answers are compared")
    p.add_argument("--morph", type=float, default=0.2, help="share of a batch made of two faces mixed")
    p.add_argument("--refine", type=float, default=0.25, help="how far targets are drawn to their person's mean")
    p.add_argument("--distil", type=float, default=1.0, help="weights of the losses")
    p.add_argument("--relate", type=float, default=0.0)
    p.add_argument("--lookup", type=float, default=0.25)
    p.add_argument("--contrast", type=float, default=0.1)
    p.add_argument("--triplet", type=float, default=0.0)
    p.add_argument("--scale", type=float, default=16, help="of cosines in lookup and contrast")
    p.add_argument("--bank", type=int, default=16384, help="photos to choose from in lookup")
    p.add_argument("--past", type=int, default=0, help="vectors of past batches that contrast compares with, too")
    p.add_argument("--margin", type=float, default=0.3)
    p.add_argument("--mining", choices=("semi-hard", "batch-hard"), default="semi-hard")
    p.add_argument("--optimizer", choices=("adamw", "sgd"), default="adamw")
    p.add_argument("--learning-rate", type=float, default=2e-3)
    p.add_argument("--decay", type=float, default=0.05)
    p.add_argument("--average", type=float, default=0.998, help="share of the old in the moving average of weights")
    p.add_argument("--validate", type=float, default=60, help="seconds between validations")
    p.add_argument("--write", type=float, default=60, help="seconds between writings")
    p.add_argument("--limit", type=int, help="photos of each bundle (for a trial)")
    p.add_argument("--steps", type=int, help="stop after so many (for a trial)")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--recipe", default="", help="noted in the models")
    return p.parse_args()


class Student:
    """A net, its optimizer, and the moving average of its weights."""

    def __init__(self, path, o):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.net = nets.read(path)[0] if path.endswith(".safetensors") else nets.Net(open(path).read())
        self.net = self.net.to(o.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net).eval()
        weights = [p for p in self.net.parameters() if p.dim() > 1]
        rest = [p for p in self.net.parameters() if p.dim() == 1]
        groups = [{"params": weights, "weight_decay": o.decay}, {"params": rest, "weight_decay": 0.0}]
        if o.optimizer == "adamw":
            self.optimizer = torch.optim.AdamW(groups, lr=o.learning_rate)
        else:
            self.optimizer = torch.optim.SGD(groups, lr=o.learning_rate, momentum=0.9, nesterov=True)
        self.run = torch.compile(self.net, dynamic=False) if o.compile else self.net
        self.embed = validate.embedder(self.average)
        self.steps, self.seen, self.past, self.told = 0, 0, None, {}

    def step(self, o, photos, rate, loss_of):
        self.net.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(o.device, dtype=torch.bfloat16, enabled=o.device == "cuda"):
            vectors = self.run(photos)
        loss, self.told = loss_of(vectors.float(), self.past)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        for p in self.net.parameters():  # a batch whose gradient is not finite changes nothing
            p.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        self.steps, self.seen = self.steps + 1, self.seen + len(photos)
        keep = min(o.average, self.steps / (self.steps + 10))  # so that the first weights are soon forgotten
        with torch.no_grad():
            mine = [t for t in self.net.state_dict().values() if t.is_floating_point()]
            old = [t for t in self.average.state_dict().values() if t.is_floating_point()]
            torch._foreach_mul_(old, keep)
            torch._foreach_add_(old, mine, alpha=1 - keep)
        return vectors.detach().float()

    def remember(self, o, vectors, label):
        if o.past and self.steps > 300:  # before that, vectors of some batches ago are of another net
            past = (vectors, label) if self.past is None else (
                torch.cat((vectors, self.past[0])), torch.cat((label, self.past[1])))
            self.past = tuple(t[:o.past] for t in past)


class Sampler:
    """Rows of a batch: people x photos first, then any photos. Who has many photos comes more often, but not that often:
    weight min(photos, 12)^0.7, as in the C program."""

    def __init__(self, rows, label, o):
        self.rows, self.known = rows, rows[label[rows] >= 0]
        _, self.index, self.count = torch.unique(label[self.known], return_inverse=True, return_counts=True)
        self.start = torch.cumsum(self.count, 0) - self.count
        self.weight = self.count.clamp(max=12).double() ** 0.7 * (self.count > 1)
        self.photos = o.photos
        self.people = min(int(o.batch * o.labelled) // o.photos, int((self.count > 1).sum()))
        self.any = o.batch - self.people * o.photos

    def batch(self):
        device = self.rows.device
        loose = self.rows[torch.randint(len(self.rows), (self.any,), device=device)]
        if not self.people:
            return loose
        person = torch.multinomial(self.weight, self.people)
        # Everybody's photos in a new order; the first few of each.
        order = torch.argsort(self.index + torch.rand(len(self.index), dtype=torch.float64, device=device) * 0.999)
        which = torch.arange(self.photos, device=device)[None, :] % self.count[person][:, None]
        return torch.cat((self.known[order[self.start[person][:, None] + which]].flatten(), loose))


class Lesson:
    """What there is to learn from: crops, targets (None without a teacher) and labels."""

    def __init__(self, o):
        self.crops = crops = data.Crops(o.bundles, o.device, o.limit)
        self.train = crops.where(data.TRAIN)
        say(f"{len(crops)} photos, {len(self.train)} to train on; {crops.sources}")
        self.label, self.target, self.bank = crops.person.clone(), None, None
        self.label[crops.role != data.TRAIN] = -1
        if not o.teacher:
            return
        view = json.load(open(o.view)) if o.view else targets.VIEW
        dtype = torch.float16 if o.device == "cuda" else torch.float32
        self.teacher, self.view = Teacher(o.teacher, o.device, dtype), (view["room"], 0.0, view["dy"])
        answer = targets.answers(self.teacher, crops, targets.around(view["room"], view["dy"]))
        clean = targets.Map(answer[self.train], self.label[self.train], view)(answer)
        rows, front = crops.validation(), crops.where(data.PROFILE)
        say("teacher", validate.table({"clean": validate.compare(clean[rows], crops.person[rows]),
                                       "profile": validate.compare(clean[front], crops.person[front],
                                                                   crops.profile[front] > 0)}))
        before = int((self.label >= 0).sum())
        self.label = targets.believe(clean, self.label)
        self.leave_out(clean)
        say(f"labels: {before}, believed {int((self.label >= 0).sum())}; to train on: {len(self.train)}")
        self.map = targets.Map(answer[self.train], self.label[self.train], view)  # without the wrong labels
        self.target = targets.refine(self.map(answer), self.label, o.refine)

    def leave_out(self, target, like=0.75):
        """Photos without a label that may well show somebody kept out."""
        out = (self.crops.role != data.TRAIN).nonzero().flatten()
        loose = self.train[self.crops.person[self.train] < 0]
        if len(out) and len(loose):
            closest = torch.cat([(part @ target[out].T).max(1).values for part in target[loose].split(4096)])
            self.train = torch.cat((self.train[self.crops.person[self.train] >= 0], loose[closest < like]))

    def batch(self, o, rows):
        """(crops, labels, targets) to learn from. The last ones, as many as --morph says, are mixed with others: faces of
        nobody, of whom only the teacher can say what they look like."""
        pixels, label = self.crops.pixels[rows], self.label[rows]
        if self.target is None:
            return pixels, label, None
        target, count = self.target[rows], int(o.morph * len(rows))
        if count:
            share = damage.uniform((count, 1, 1, 1), 0.3, 0.7, rows)
            other = self.crops.pixels[rows[torch.randperm(len(rows), device=rows.device)[:count]]]
            mixed = (other + share * (pixels[-count:].float() - other)).round()
            pixels[-count:], label[-count:] = mixed.byte(), -1
            target[-count:] = self.map(self.teacher(views(mixed, self.crops.geometry, *self.view)))
        return pixels, label, target

    def loss(self, o, label, target):
        """(vectors, past) -> (loss, its parts) for a batch."""
        device = label.device
        ignore = torch.zeros(len(label), len(label), dtype=torch.bool, device=device)
        if target is not None:
            bank = self.target[self.train[torch.randint(len(self.train), (o.bank,), device=device)]]
            ignore = (target @ target.T > 0.6) & ~losses.pairs(label, label)

        def of(s, past):
            parts = {}
            if target is not None:
                parts["distil"] = o.distil, losses.distil(s, target)
                if o.relate:
                    parts["relate"] = o.relate, losses.relate(s, target)
                if o.lookup:
                    parts["lookup"] = o.lookup, losses.lookup(s, target, bank, o.scale)
            if o.contrast:
                parts["contrast"] = o.contrast, losses.contrast(s, label, ignore, o.scale, past)
            if o.triplet:
                parts["triplet"] = o.triplet, losses.triplet(s, label, ignore, o.margin, o.mining)
            return sum(w * v for w, v in parts.values()), {k: v.detach() for k, (w, v) in parts.items()}
        return of


def notes(o, lesson, student, figures):
    options = " ".join(f"{k}={v}" for k, v in sorted(vars(o).items()) if k not in (
        "out", "bundles", "teacher", "recipe", "device", "net", "steps", "limit", "write", "validate", "compile"))
    known = lesson.label[lesson.train]
    return {"options": options + (" teacher" if o.teacher else " no teacher"), "steps": str(student.steps),
            "data": f"{len(lesson.train)} photos, {int((known >= 0).sum())} of {len(known[known >= 0].unique())} people",
            "validation_accuracy": f"{figures['clean']['accuracy']:.4f}", **({"recipe": o.recipe} if o.recipe else {})}


def validate_all(o, lesson, students, checks, kinds=None, write=True):
    for s in students:
        figures = checks[s.average.height](s.embed, kinds)
        say(f"{s.name} step {s.steps}:", validate.table(figures))
        if write:
            threshold = figures["clean"]["threshold"]
            nets.write(s.average, os.path.join(o.out, s.name + ".safetensors"),
                       None if math.isnan(threshold) else threshold, notes(o, lesson, s, figures))


def main():
    o = arguments()
    os.makedirs(o.out, exist_ok=True)
    torch.manual_seed(o.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    lesson = Lesson(o)
    students = [Student(path, o) for path in o.net]
    checks = {h: validate.Validation(lesson.crops, h) for h in {s.net.height for s in students}}
    sampler = Sampler(lesson.train, lesson.label, o)
    for s in students:
        say(f"{s.name}: {sum(t.numel() for _, t in s.net.arrays())} parameters")
    begun, end = time.time(), START + 60 * o.minutes
    last = {"validate": begun, "write": begun, "say": begun}
    # The last validation, of everything, takes its share of the time.
    reserve, step = 4.0 * len(students) if o.device == "cuda" else 0.0, 0
    while True:
        now = time.time()
        done = min(1.0, (now - begun) / max(1.0, end - reserve - begun))
        if done >= 1 or o.steps == step:
            break
        pixels, label, target = lesson.batch(o, sampler.batch())
        loss_of = lesson.loss(o, label, target)
        rate = o.learning_rate * min(1, done / 0.02 + 1e-3) * 0.5 * (1 + math.cos(math.pi * done))
        photos = {h: damage.damage(pixels, lesson.crops.geometry, h)
                  .contiguous(memory_format=torch.channels_last) for h in checks}
        torch.backends.cudnn.benchmark = True  # worth it where shapes never change: not in damage, not in validation
        for s in students:
            s.remember(o, s.step(o, photos[s.net.height], rate, loss_of), label)
        torch.backends.cudnn.benchmark = False
        step += 1
        if step in (10, 50) or now - last["say"] > 15:
            torch.cuda.synchronize() if o.device == "cuda" else None
            speed = step * o.batch / (time.time() - begun)
            say(f"step {step}, {speed:.0f} photos/s, rate {rate:.5f};", "; ".join(
                f"{s.name} " + " ".join(f"{k} {float(v):.4f}" for k, v in s.told.items()) for s in students))
            last["say"] = now
            if not any(all(math.isfinite(float(v)) for v in s.told.values()) for s in students):
                sys.exit("no loss is finite any more: a smaller --learning-rate?")
        if now - last["validate"] > o.validate:
            validate_all(o, lesson, students, checks, ("clean", "grey", "24px", "profile"), now - last["write"] > o.write)
            last["validate"] = now
            last["write"] = now if now - last["write"] > o.write else last["write"]
    validate_all(o, lesson, students, checks)
    say(f"done: {step} steps of {o.batch}")


if __name__ == "__main__":
    main()
