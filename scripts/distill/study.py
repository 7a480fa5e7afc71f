#!/usr/bin/env python3
"""Which part of a face the teacher wants to see, and how its answers are best compared: on people kept out of training.

    study.py BUNDLES --teacher FOLDER --out VIEW.json

Tries squares of several sizes and heights around the aligned face, then several maps of the answers (targets.py), and
writes the best as train.py --view takes it. What is maximised is the mean of accuracy and TAR at FAR 1e-2, over photos as
they are and photos without colour.
"""
import argparse
import json
import time

import torch
import torch.nn.functional as F

import damage
import data
import targets
import validate
from teacher import Teacher, views


def worth(figures):
    return (figures["accuracy"] + figures["tar@0.01"]) / 2


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("bundles")
    p.add_argument("--teacher", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--limit", type=int)
    p.add_argument("--learn", type=int, default=8000, help="labelled training photos that maps are learned from")
    p.add_argument("--rooms", type=float, nargs="+", default=[1.0, 1.05, 1.1, 1.15, 1.2, 1.25])
    p.add_argument("--heights", type=float, nargs="+", default=[0.05, 0.075, 0.1, 0.125])
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    o = p.parse_args()
    begun = time.time()
    crops = data.Crops(o.bundles, o.device, o.limit)
    teacher = Teacher(o.teacher, o.device, torch.float16 if o.device == "cuda" else torch.float32)
    rows = crops.validation()
    person, colour = crops.person[rows], crops.pixels[rows].float()
    grey = damage.without_colour(colour)

    def answers(pixels, wanted):
        return torch.cat([sum(teacher(views(part, crops.geometry, *v)) for v in wanted) / len(wanted)
                          for part in pixels.split(512)])

    def centred(x):
        return F.normalize(x - x.mean(0), dim=1)

    print(f"{len(rows)} photos of {len(person.unique())} people; {time.time() - begun:.0f} s")
    print("room\theight\tworth\tcolour: accuracy, TAR at FAR 1e-2, 1e-3; grey")
    best = (0,)
    for room in o.rooms:
        for dy in o.heights:
            found = [validate.compare(centred(answers(x, [(room, 0.0, dy, m) for m in (False, True)])), person)
                     for x in (colour, grey)]
            score = sum(map(worth, found)) / 2
            print(f"{room}\t{dy}\t{score:.4f}\t{validate.table({'colour': found[0], 'grey': found[1]})}", flush=True)
            best = max(best, (score, room, dy))
    _, room, dy = best

    around = targets.around(room, dy)
    x, one = answers(colour, around), answers(colour, around[:2])
    learn = ((crops.role == data.TRAIN) & (crops.person >= 0)).nonzero().flatten()[:o.learn]
    y = answers(crops.pixels[learn].float(), around)
    label, mean = crops.person[learn], y.mean(0)
    distance = -torch.cdist(x[None].double(), x[None].double())[0]
    alike, upper = person[:, None] == person[None, :], torch.ones_like(distance, dtype=torch.bool).triu(1)
    table = {"raw L2": validate.verification(distance[alike & upper], distance[~alike & upper]),
             "plain": validate.compare(F.normalize(x, dim=1), person),
             "one view, centred": validate.compare(F.normalize(one - mean, dim=1), person)}
    maps = {}
    for name in ("centred 0", *(f"within {keep}" for keep in (0.05, 0.15, 0.3, 0.5, 0.8))):
        kind, keep = name.split()
        fitted = targets.Map(y, label, {"map": kind, "keep": float(keep)})
        maps[name] = table[name] = validate.compare(fitted(x), person)
    for name, figures in table.items():
        print(f"{name}\t{worth(figures):.4f}\t{validate.table({'colour': figures})}")
    chosen = max(maps, key=lambda k: worth(maps[k]))
    kind, keep = chosen.split()
    with open(o.out, "w") as f:
        json.dump({"room": room, "dy": dy, "map": kind, "keep": float(keep)}, f)
    print(f"chosen: room {room}, height {dy}, {chosen}; {time.time() - begun:.0f} s")


if __name__ == "__main__":
    main()
