#!/usr/bin/env python3
"""Whom a model was trained on, written into the model: for models made before `likeness train` did it by itself.

    trained_people.py MODEL DIR... [--exclude FILE]...     adds or replaces `trained_people` in MODEL
    trained_people.py DIR... [--exclude FILE]...           prints it

DIR and --exclude are those of `likeness train`: DIR/PERSON/PHOTO, and names left out, one a line. Listed are the people
who have two photos or more over all DIRs (--least): they are trained on or kept for validation (docs/formats.md). Only
metadata changes: arrays, net and so the fingerprint stay as they are, to the byte.
"""
import argparse
import collections
import hashlib
import json
import os
import struct

PHOTOS = (b".jpg", b".jpeg", b".png", b".webp")


def wanted(folder):
    return (entry for entry in os.scandir(folder) if not entry.name.startswith(b"."))


def people(folders, excludes, least):
    photos = collections.Counter()
    for folder in folders:
        for person in filter(os.DirEntry.is_dir, wanted(os.fsencode(folder))):
            photos[person.name] += sum(e.name.lower().endswith(PHOTOS) and e.is_file() for e in wanted(person.path))
    out = set()
    for path in excludes:
        with open(path, "rb") as file:
            out.update(line for line in file.read().splitlines() if not line.startswith(b"#"))
    return [name for name, count in photos.items() if count >= least and name not in out]


def listed(names):
    return "".join(sorted({hashlib.sha256(name).hexdigest()[:12] for name in names}))


def write(path, value):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size), object_pairs_hook=collections.OrderedDict)
        arrays = file.read()
    metadata = header["__metadata__"]
    metadata.pop("trained_people_partial", None)
    metadata["trained_people"] = value
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="MODEL|DIR")
    parser.add_argument("--exclude", action="append", default=[], metavar="FILE")
    parser.add_argument("--least", type=int, default=2, metavar="N", help="photos of a person; scripts/distill learns from 1")
    given = parser.parse_args()
    model = given.paths[0] if os.path.isfile(given.paths[0]) else None
    value = listed(people(given.paths[1 if model else 0 :], given.exclude, given.least))
    if model:
        write(model, value)
        print(f"{model}: {len(value) // 12} people")
    else:
        print(value)


if __name__ == "__main__":
    main()
