#!/usr/bin/env python3
"""What teachers found (bench/labels.cjs) to a labels file for `likeness train-detector` (docs/formats.md).

    labels.py [--bench] FOUND.jsonl... > LABELS.tsv

A face is what the SSD is sure of (0.8), or fairly sure (0.5) with the tiny detector's agreement, and whose five points
lie where a face has them. What either only suspects is to be ignored. --bench: the truth that bench/detect.sh uses
instead: faces are all that the SSD finds with 0.5 or more, 24 pixels wide or more; the rest is to be ignored.
"""
import json
import sys


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h) if w > 0 and h > 0 else 0


def plausible(box, points):
    x, y, w, h = box
    inside = all(x - 0.2 * w <= px <= x + 1.2 * w and y - 0.2 * h <= py <= y + 1.2 * h for px, py in points)
    eyes = ((points[1][0] - points[0][0]) ** 2 + (points[1][1] - points[0][1]) ** 2) ** 0.5
    return inside and eyes > 0.15 * w


def faces_of(found, bench):
    """[(kind, box, points)], each place once: the surest detection of it."""
    out = []
    for d in sorted(found["ssd"], key=lambda d: -d["s"]):
        if not bench and d["s"] < 0.22 or any(overlap(d["b"], box) > 0.4 for _, box, _ in out):
            continue
        if bench:
            sure = d["s"] >= 0.5 and d["b"][2] >= 24
        else:
            agreed = any(overlap(d["b"], t["b"]) > 0.3 for t in found["tiny"])
            sure = plausible(d["b"], d["p"]) and (d["s"] >= 0.8 or d["s"] >= 0.5 and agreed)
        out.append(("face" if sure else "ignore", d["b"], d["p"]))
    for t in found["tiny"]:
        if (bench or t["s"] >= 0.4) and not any(overlap(t["b"], box) > 0.2 for _, box, _ in out):
            out.append(("ignore", t["b"], [[0, 0]] * 5))
    return out


def main():
    bench = "--bench" in sys.argv
    names = "".join(f"\tx{i}\ty{i}" for i in range(1, 6))
    print(f"photo\tkind\tx\ty\twidth\theight{names}")
    for path in sys.argv[1:]:
        if path == "--bench":
            continue
        with open(path) as lines:
            for line in lines:
                found = json.loads(line)
                if "error" in found:
                    continue
                faces = faces_of(found, bench)
                for kind, box, points in faces:
                    numbers = [*box, *(v for point in points for v in point)]
                    print(found["photo"], kind, *(f"{v:.2f}" for v in numbers), sep="\t")
                if not faces:
                    print(found["photo"], "none", sep="\t")


main()
