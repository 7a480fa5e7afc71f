#!/usr/bin/env python3
"""score_detect.py: rows of `make bench-detect` about what is found: recall, false faces, points.

    score_detect.py LABELS LIST DEFAULT.tsv LOW.tsv NAME=FILE.tsv[,FILE.tsv...]...
    score_detect.py --check

LABELS is what labels.cjs wrote; DEFAULT and LOW are ours at the default threshold and far below; a peer NAME comes with
one file for each way of using it, of which the best counts. A file has a line a face: photo x y width height confidence
and, for ours, five points. How it is counted:

    truth    faces that the teacher (SSD) gives 0.5 or more, 24 pixels wide or wider; of two at IoU 0.4 the surer
    hit      IoU of 0.4 or more with a face of the truth not hit yet, the surest detection first
    neither  the same with a face that the teacher gave less or found smaller, or that its tiny detector found; and
             what hits nothing and is narrower than 24 pixels, which nobody was asked for
    false    all else, a second box on one face included

Nobody is to lose by another idea of where a face ends: each side's boxes are moved and scaled by what suits its own hits
best on every second photo, and counted on the others; and the other way round. Ours is left as it is where it stands
against a goal alone. Between two thresholds a curve is taken as straight, and a side that even at its lowest threshold
makes fewer false faces than asked is compared at that many.
"""
import json
import sys
from statistics import mean, median

IOU, SCORE, MIN_FACE, FALSE_PER_PHOTO = 0.4, 0.5, 24, 1 / 20


# ---- boxes: x, y, width, height --------------------------------------------------------------------------------

def iou(a, b):
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / (a[2] * a[3] + b[2] * b[3] - across * down)


def centre(box):
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def inside(point, box):
    return box[0] <= point[0] <= box[0] + box[2] and box[1] <= point[1] <= box[1] + box[3]


def move(box, change):
    """Shifted by shares of its size, then scaled about its centre."""
    right, down, wider, higher = change
    x, y = centre(box)
    width, height = box[2] * wider, box[3] * higher
    return [x + right * box[2] - width / 2, y + down * box[3] - height / 2, width, height]


# ---- what was found, what is there -------------------------------------------------------------------------------

def read_truth(labels, listed):
    """photo: (faces, boxes that count as neither); photos the teacher could not read are left out."""
    truth = {}
    for path in labels:
        with open(path, encoding="utf-8") as lines:
            for photo in map(json.loads, lines):
                if photo["photo"] in listed and "error" not in photo:
                    truth[photo["photo"]] = split_truth(photo)
    return truth


def split_truth(photo):
    def is_truth(face):
        return face["s"] >= SCORE and face["b"][2] >= MIN_FACE

    faces = []
    for face in sorted(filter(is_truth, photo["ssd"]), key=lambda face: -face["s"]):
        if not any(iou(face["b"], other["b"]) >= IOU for other in faces):
            faces.append(face)
    others = [face["b"] for face in photo["ssd"] if not is_truth(face)] + [face["b"] for face in photo["tiny"]]
    # Another box on a face of the truth excuses nothing.
    return faces, [box for box in others if not any(inside(centre(box), face["b"]) for face in faces)]


def read_found(path, truth):
    """photo: detections (confidence, box, points), the surest first."""
    found = {photo: [] for photo in truth}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            photo, *rest = line.rstrip("\n").split("\t")
            v = [float(word) for word in rest]
            if photo in found:
                found[photo].append((v[4], v[:4], list(zip(v[5::2], v[6::2]))))
    for detections in found.values():
        detections.sort(key=lambda d: -d[0])
    return found


# ---- counting ----------------------------------------------------------------------------------------------------

AS_IS = (0.0, 0.0, 1.0, 1.0)


def fit(found, truth, photos):
    """The change of boxes that suits their hits on these photos: medians, from faces whose centre the box has."""
    change = AS_IS
    for _ in range(3):
        pairs = []
        for photo in photos:
            for face in truth[photo][0]:
                near = [d for d in found[photo] if inside(centre(face["b"]), move(d[1], change))]
                if near:
                    best = max(near, key=lambda d: iou(move(d[1], change), face["b"]))
                    if iou(move(best[1], change), face["b"]) >= IOU / 2:
                        pairs.append((best[1], face["b"]))
        if len(pairs) < 10:
            return AS_IS
        change = (median((centre(b)[0] - centre(a)[0]) / a[2] for a, b in pairs),
                  median((centre(b)[1] - centre(a)[1]) / a[3] for a, b in pairs),
                  median(b[2] / a[2] for a, b in pairs), median(b[3] / a[3] for a, b in pairs))
    return change


def judge(detections, faces, others, change):
    """(confidence, 1 hit or 0 false, face, detection) of each that is one of the two; the surest comes first."""
    verdicts, open_faces = [], list(faces)
    for detection in detections:
        box = move(detection[1], change)
        best = max(open_faces, key=lambda face: iou(box, face["b"]), default=None)
        if best is not None and iou(box, best["b"]) >= IOU:
            open_faces.remove(best)
            verdicts.append((detection[0], 1, best, detection))
        elif box[2] >= MIN_FACE and not any(iou(box, other) >= IOU for other in others):
            verdicts.append((detection[0], 0, None, detection))
    return verdicts


def judge_all(found, truth, fitted=True):
    photos = sorted(truth)
    halves = photos[0::2], photos[1::2]
    verdicts = []
    for counted, other in (halves, halves[::-1]):
        change = fit(found, truth, other) if fitted else AS_IS
        for photo in counted:
            verdicts += judge(found[photo], *truth[photo], change)
    return verdicts, change


def curve(verdicts, faces):
    """(false faces, recall) at every threshold, from the highest down."""
    verdicts = sorted(verdicts, key=lambda v: -v[0])
    points, hits, wrong = [(0, 0.0)], 0, 0
    for i, (confidence, hit, *_) in enumerate(verdicts):
        hits, wrong = hits + hit, wrong + 1 - hit
        if i + 1 == len(verdicts) or verdicts[i + 1][0] < confidence:
            points.append((wrong, hits / faces))
    return points


def recall_at(points, wrong):
    before = points[0]
    for point in points[1:]:
        if point[0] > wrong:
            share = (wrong - before[0]) / (point[0] - before[0])
            return before[1] + share * (point[1] - before[1])
        before = point
    return before[1]


# ---- rows --------------------------------------------------------------------------------------------------------

def row(what, ours, peer, unit, ratio, goal):
    print(what, ours, peer, unit, ratio, goal, sep="\t")


def say(text):
    print(f"    {text}", file=sys.stderr)


def default_rows(found, truth, faces):
    verdicts, _ = judge_all(found, truth, fitted=False)
    hits = [v for v in verdicts if v[1]]
    wrong = len(verdicts) - len(hits)
    say(f"at the default threshold {len(hits)} of {faces} faces, {wrong} false in {len(truth)} photos")
    row("detect recall, default threshold", f"{len(hits) / faces:.4f}", "-", "of faces >= 24 px", "-", 0.97)
    row("detect false faces, default threshold", f"{wrong / len(truth):.4f}", "-", "a photo", "-", "0.05 or less")
    away = [distance for v in hits for distance in [points_away(v[2], v[3][2])] if distance is not None]
    if away:
        say(f"points: median {median(away):.1f} % of the eye distance over {len(away)} faces")
    row("detect five points from the teacher's", f"{mean(away):.2f}" if away else "-", "-", "% of eye distance", "-",
        "6 or less")


def points_away(face, points):
    """Mean distance of five points from the teacher's, in percent of its eye distance."""
    def distance(a, b):
        return ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5

    eyes = distance(face["p"][0], face["p"][1])
    if len(points) != 5 or eyes == 0:
        return None
    return 100 * mean(distance(a, b) for a, b in zip(face["p"], points)) / eyes


def peer_row(name, files, ours, truth, faces):
    allowed = FALSE_PER_PHOTO * len(truth)
    best = None
    for path in files:
        verdicts, change = judge_all(read_found(path, truth), truth)
        points = curve(verdicts, faces)
        value = recall_at(points, allowed)
        way = path.rsplit("/", 1)[-1].removesuffix(".tsv")
        say(f"{way}: recall {value:.4f}; at its lowest threshold {points[-1][1]:.4f} with {points[-1][0]} false; boxes "
            + "moved by {:+.2f} {:+.2f}, scaled by {:.2f} {:.2f}".format(*change))
        if best is None or value > best[0]:
            best = value, min(allowed, points[-1][0]), way
    value, wrong, way = best or (0, allowed, "none ran")
    say(f"best of {name}: {way}, at {wrong:g} false faces")
    mine = recall_at(ours, wrong) if ours else None
    row(f"detect recall at {wrong / len(truth):.3f} false a photo, {name}", f"{mine:.4f}" if ours else "-",
        f"{value:.4f}" if best else "-", "of faces >= 24 px", f"{mine / value:.3f}" if ours and value else "-", 1)


def report(labels, listing, default, low, peers):
    with open(listing, encoding="utf-8") as lines:
        listed = set(lines.read().splitlines())
    truth = read_truth(labels.split(","), listed)
    faces = sum(len(photo[0]) for photo in truth.values())
    say(f"{faces} faces in {len(truth)} photos")
    if faces == 0:
        sys.exit("score_detect: the teacher found no face: nothing to count")
    ours = None
    if default != "-":
        default_rows(read_found(default, truth), truth, faces)
        verdicts, change = judge_all(read_found(low, truth), truth)
        ours = curve(verdicts, faces)
        say("ours: boxes moved by {:+.2f} {:+.2f}, scaled by {:.2f} {:.2f}".format(*change))
        row("detect recall at 0.050 false a photo", f"{recall_at(ours, FALSE_PER_PHOTO * len(truth)):.4f}", "-",
            "of faces >= 24 px", "-", 0.97)
    for peer in peers:
        name, files = peer.split("=", 1)
        peer_row(name, [path for path in files.split(",") if path], ours, truth, faces)


# ---- does it count right? ----------------------------------------------------------------------------------------

def check():
    """Boxes made by hand; each count is one that a slip above would change."""
    def same(what, got, wanted):
        if isinstance(wanted, float) and abs(got - wanted) < 1e-9 or got == wanted:
            return
        sys.exit(f"score_detect --check: {what}: {got}, not {wanted}")

    def marks(*boxes):
        detections = [(1 - i / 10, list(box), []) for i, box in enumerate(boxes)]
        return "".join("+" if v[1] else "x" for v in judge(detections, faces, others, AS_IS))

    same("IoU of halves", iou([0, 0, 10, 10], [5, 0, 10, 10]), 1 / 3)
    same("IoU apart", iou([0, 0, 10, 10], [10, 0, 10, 10]), 0.0)
    same("a box moved", move([10, 10, 20, 40], (0.5, 0.25, 2, 0.5)), [10, 30, 40, 20])
    photo = {"ssd": [{"s": 0.9, "b": [100, 100, 50, 50], "p": [[0, 0], [10, 0], [5, 5], [0, 10], [10, 10]]},
                     {"s": 0.5, "b": [200, 100, 24, 24], "p": []}, {"s": 0.9, "b": [300, 100, 23, 23], "p": []},
                     {"s": 0.4, "b": [0, 0, 60, 60], "p": []}, {"s": 0.2, "b": [110, 110, 50, 50], "p": []},
                     {"s": 0.8, "b": [105, 100, 50, 50], "p": []}],
             "tiny": [{"s": 0.6, "b": [0, 200, 40, 40]}, {"s": 0.9, "b": [90, 105, 60, 50]}]}
    faces, others = split_truth(photo)
    same("faces of the truth", [face["b"][0] for face in faces], [100, 200])
    same("boxes that count as neither", [box[0] for box in others], [300, 0, 0])
    same("a hit, and the same face again", marks([100, 100, 50, 50], [102, 100, 50, 50]), "+x")
    same("unsure, tiny's, small: neither", marks([1, 0, 60, 60], [0, 200, 42, 40], [300, 100, 25, 25]), "")
    same("nothing there", marks([400, 300, 30, 30], [400, 350, 20, 20]), "x")
    same("below and above the IoU", marks([130, 100, 50, 50], [120, 100, 50, 50]), "x+")
    same("points", points_away(faces[0], [(1, 0), (11, 0), (6, 5), (1, 10), (11, 10)]), 10.0)

    made = [(0.9, 1), (0.8, 1), (0.7, 0), (0.6, 1), (0.6, 0), (0.5, 1)]
    points = curve(made, 5)
    same("curve", points, [(0, 0.0), (0, 0.2), (0, 0.4), (1, 0.4), (2, 0.6), (2, 0.8)])
    same("recall without a false face", recall_at(points, 0), 0.4)
    same("recall between two thresholds", recall_at(points, 1.5), 0.5)
    same("recall with all", recall_at(points, 9), 0.8)

    # Boxes half as wide, twice as high, to the left: none hits as it is, all do once moved as the others ask for.
    truth = {f"{i:02}": ([{"s": 1, "b": [100 + i, 100, 60, 60], "p": []}], []) for i in range(40)}
    other = {photo: [(0.9, [100 + int(photo), 70, 30, 120], [])] for photo in truth}
    same("other boxes as they are", sum(v[1] for v in judge_all(other, truth, fitted=False)[0]), 0)
    same("other boxes, moved", sum(v[1] for v in judge_all(other, truth)[0]), 40)


if sys.argv[1:] == ["--check"]:
    check()
elif len(sys.argv) > 4:
    report(*sys.argv[1:5], sys.argv[5:])
else:
    sys.exit(__doc__)
