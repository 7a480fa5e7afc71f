#!/usr/bin/env python3
"""Folders of aligned faces to bundles for train.py (format: data.py).

    likeness crop SET -o crops/SET --size 112 --room 1.375 --confidence 0.4      for each set of photos
    pack.py --out BUNDLES [--holdout FILE] [--profile FILE] [--exclude FILE]... GROUP:DIR...

DIR is a folder of people, DIR/PERSON/PHOTO; a person is known by GROUP and PERSON, so two folders of one GROUP share
people. GROUP `nobody`: photos of nobody in particular, in DIR or below. --holdout and --profile list people kept out of
training, one GROUP/PERSON a line; people of --exclude (PERSON a line, # comments) are left out altogether.
"""
import argparse
import concurrent.futures
import io
import os
import random

import numpy as np
from PIL import Image

SIDE, ROOM = 112, 1.375  # of the crops that are read
BESIDE, ABOVE, BELOW = 8, 8, 16  # pixels that are kept around the aligned square


def lines(path):
    return [s.strip() for s in open(path, encoding="utf-8") if s.strip() and s[0] != "#"] if path else []


def encode(job):
    path, quality = job
    with Image.open(path) as photo:
        photo = photo.convert("RGB")
        edge = round(SIDE * (ROOM - 1) / 2)
        if photo.size != (SIDE + 2 * edge,) * 2:
            raise ValueError(f"{path}: {photo.size}, expected {SIDE + 2 * edge} pixels a side")
        box = (edge - BESIDE, edge - ABOVE, edge + SIDE + BESIDE, edge + SIDE + BELOW)
        out = io.BytesIO()
        photo.crop(box).save(out, "WEBP", quality=quality, method=4)
        return out.getvalue()


def gather(options):
    """[(path, group, person or None, source)] of all photos that are wanted."""
    exclude = {name for path in options.exclude for name in lines(path)}
    found = []
    for source, item in enumerate(options.folders):
        group, top = item.split(":", 1)
        for folder, _, names in sorted(os.walk(top)):
            person = None if group == "nobody" else f"{group}/{os.path.basename(folder)}"
            if os.path.basename(folder) in exclude:
                continue
            found += [(os.path.join(folder, n), person, source) for n in sorted(names) if n[0] != "."]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--holdout")
    parser.add_argument("--profile")
    parser.add_argument("--exclude", action="append", default=[])
    parser.add_argument("--quality", type=int, default=70)
    parser.add_argument("--bundle-size", type=float, default=48, help="MiB of a bundle at most")
    options = parser.parse_args()

    holdout, profile = set(lines(options.holdout)), set(lines(options.profile))
    photos = gather(options)
    people = sorted({p for _, p, _ in photos if p})
    number = {p: i for i, p in enumerate(people)}
    role = [2 if p in profile else 1 if p in holdout else 0 for _, p, _ in photos]
    # Who validates comes first, so that one bundle is enough for a trial; the rest is mixed: any bundle is a sample.
    order = list(range(len(photos)))
    random.Random(1).shuffle(order)
    order.sort(key=lambda i: role[i] == 0)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        blobs = list(pool.map(encode, [(photos[i][0], options.quality) for i in order], chunksize=64))

    os.makedirs(options.out, exist_ok=True)
    total, most = sum(map(len, blobs)), options.bundle_size * 2**20 * 0.98
    share, bundle, first = total / max(1, -(-total // most)), 0, 0
    while first < len(blobs):
        last, size = first, 0
        while last < len(blobs) and size < share:
            size += len(blobs[last])
            last += 1
        bundle += 1
        rows, name = order[first:last], os.path.join(options.out, f"crops-{bundle}")
        with open(name + ".bin", "wb") as f:
            f.write(b"".join(blobs[first:last]))
        np.savez_compressed(
            name + ".npz", offset=np.cumsum([0] + [len(b) for b in blobs[first:last]]).astype(np.int64),
            person=np.array([number.get(photos[i][1], -1) for i in rows], np.int32),
            source=np.array([photos[i][2] for i in rows], np.uint8), role=np.array([role[i] for i in rows], np.uint8),
            profile=np.array(["profile" in os.path.basename(photos[i][0]) for i in rows], np.uint8),
            sources=np.array([os.path.basename(f.split(":", 1)[1].rstrip("/")) for f in options.folders]), people=np.array(people),
            photos=np.array("\n".join("/".join(photos[i][0].split("/")[-3:]) for i in rows)),
            geometry=np.array([SIDE, BESIDE, ABOVE]))
        print(f"{name}: {last - first} photos, {size / 2**20:.1f} MiB")
        first = last
    for r, what in enumerate(("to train on", "validation", "frontal against profile")):
        rows = [i for i in order if role[i] == r]
        print(f"{what}: {len(rows)} photos, {sum(photos[i][1] is not None for i in rows)} of "
              f"{len({photos[i][1] for i in rows} - {None})} people")


if __name__ == "__main__":
    main()
