#!/usr/bin/env python3
"""Does what runs here compute what it stands for?

    check.py net MODEL LIKENESS PHOTO...      a model's vectors here and by the program `likeness`, on aligned faces
                                              (`likeness crop --size` as the net's input, any --room)
    check.py teacher FOLDER ANSWERS PHOTOS    the teacher's here and what its package said: PHOTOS are bytes (n, 150, 150, 3),
                                              ANSWERS a JSON array of n arrays (computeFaceDescriptor of each, in node)

Prints the worst agreement; exit 1 if it is not good enough.
"""
import json
import subprocess
import sys
import tempfile

import numpy as np
import torch

import net as nets
import validate
from teacher import SIDE, Teacher


def check_net(model, program, photos):
    from PIL import Image
    net = nets.read(model)[0].eval()
    faces = []
    for path in photos:
        face = np.asarray(Image.open(path).convert("RGB"))
        edge = (len(face) - net.height) // 2
        faces.append(face[edge:edge + net.height, edge:edge + net.width])
    ours = validate.embedder(net)(torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2)).numpy()
    with tempfile.NamedTemporaryFile(suffix=".npy") as f:
        subprocess.run([program, "embed", model, "--format", "npy", "-o", f.name, *photos], check=True)
        theirs = np.load(f.name)
    worst = float((ours * theirs).sum(1).min())
    print(f"{len(photos)} photos, lowest cosine {worst:.7f}")
    return worst > 0.99999


def check_teacher(folder, answers, photos):
    faces = np.fromfile(photos, np.uint8).reshape(-1, SIDE, SIDE, 3)
    here = Teacher(folder)(torch.from_numpy(faces).permute(0, 3, 1, 2).float()).numpy()
    worst = float(np.abs(here - np.array(json.load(open(answers)), np.float32)).max())
    print(f"{len(faces)} photos, largest difference {worst:.2g}")
    return worst < 1e-3


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[1] not in ("net", "teacher"):
        sys.exit(__doc__)
    good = check_net(*sys.argv[2:4], sys.argv[4:]) if sys.argv[1] == "net" else check_teacher(*sys.argv[2:5])
    sys.exit(0 if good else 1)
