#!/usr/bin/env python3
"""One folder of the people kept out of training, for `likeness calibrate` and `likeness eval`: links to their aligned
faces.

    held_out.py --out FOLDER --list models/face-small.holdout.txt --list models/face-small.profile.txt GROUP:DIR...

DIR and GROUP as in pack.py: DIR/PERSON/PHOTO, listed as GROUP/PERSON; two folders of one GROUP share people. Of a person
at most --most photos are taken, evenly over their names.
"""
import argparse
import collections
import os


def lines(path):
    return [s.strip() for s in open(path, encoding="utf-8") if s.strip() and s[0] != "#"]


def photos_of(folder):
    return sorted(n for n in os.listdir(folder) if n[0] != ".") if os.path.isdir(folder) else []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="GROUP:DIR")
    parser.add_argument("--out", required=True)
    parser.add_argument("--list", action="append", required=True)
    parser.add_argument("--most", type=int, default=40)
    options = parser.parse_args()

    group_dirs = collections.defaultdict(list)
    for group, top in (item.split(":", 1) for item in options.folders):
        group_dirs[group].append(top)
    os.makedirs(options.out)
    mark = os.path.join(next(iter(group_dirs.values()))[0], ".likeness-aligned")
    os.symlink(os.path.abspath(mark), os.path.join(options.out, ".likeness-aligned"))
    count = 0
    for name in sorted({name for path in options.list for name in lines(path)}):
        group, person = name.split("/", 1)
        found = [(top, photo) for top in group_dirs[group] for photo in photos_of(os.path.join(top, person))]
        os.makedirs(os.path.join(options.out, person), exist_ok=True)
        taken = min(options.most, len(found))
        for top, photo in (found[i * len(found) // taken] for i in range(taken)):
            link = os.path.join(options.out, person, f"{os.path.basename(top)}-{photo}")
            os.symlink(os.path.abspath(os.path.join(top, person, photo)), link)
            count += 1
    print(f"{options.out}: {count} photos")


if __name__ == "__main__":
    main()
