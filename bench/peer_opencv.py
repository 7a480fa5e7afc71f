#!/usr/bin/env python3
"""peer_opencv.py: OpenCV's face cascades on a list of photos: what they find, or how fast.

    peer_opencv.py CASCADE find LIST METHOD          tab-separated: photo x y width height confidence
    peer_opencv.py CASCADE time LIST SECONDS HOW     photos a second, share of the cores' time it had

CASCADE is a path below OpenCV's folder without .xml (haarcascades/haarcascade_frontalface_alt2). Photos are decoded to
grey before the clock starts; faces from 24 pixels, scale factor 1.1, as a user would have it who wants small faces too.
A cascade answers yes or no; what stands for its confidence, so that a curve can be drawn, is up to METHOD:

    neighbours   how many windows agreed: minNeighbors at every value at once
    levelsN      the last stage reached and the sum there (outputRejectLevels), minNeighbors N

METHOD+twice looks at the photo at twice its size, for a cascade whose window is larger than the faces. For HOW, `own`
leaves all cores to OpenCV's own threads; `shared` shares the photos out, a cascade and a thread a core; HOW+twice as above.
"""
import os
import sys
import threading
import time

import cv2

FOLDERS = ("/usr/share/opencv4", getattr(getattr(cv2, "data", None), "haarcascades", "") + "..")
SCALE, MIN_FACE, NEIGHBOURS = 1.1, 24, 3  # OpenCV's own defaults, but for the size


def cascade_of(name):
    for folder in FOLDERS:
        path = os.path.join(folder, name + ".xml")
        if os.path.exists(path):
            return cv2.CascadeClassifier(path)
    sys.exit(f"peer_opencv: no cascade {name}: install opencv-data")


def load(path_of_list):
    with open(path_of_list, encoding="utf-8") as lines:
        paths = lines.read().splitlines()
    photos = [(path, cv2.imread(path, cv2.IMREAD_GRAYSCALE)) for path in paths if path]
    return [(path, grey) for path, grey in photos if grey is not None]


def prepare(grey, options):
    """The photo as the cascade is to see it, and how many times its size."""
    if "twice" in options:
        return cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), 2
    return grey, 1


def find(cascade, photos, method):
    method, *options = method.split("+")
    cv2.setNumThreads(1)  # others are finding beside it
    for path, grey in photos:
        grey, times = prepare(grey, options)
        size = (MIN_FACE * times,) * 2
        if method == "neighbours":
            boxes, agreed = cascade.detectMultiScale2(grey, SCALE, 1, 0, size)
            confidence = [float(n) for n in agreed]
        else:
            neighbours = int(method.removeprefix("levels"))
            boxes, levels, weights = cascade.detectMultiScale3(
                grey, SCALE, neighbours, 0, size, outputRejectLevels=True)
            # The stage first; the sum only tells apart what ended in the same one.
            confidence = [1000 * float(level) + float(weight) for level, weight in zip(levels, weights)]
        for box, value in zip(boxes, confidence):
            print(path, *(f"{v / times:g}" for v in box), f"{value:.5f}", sep="\t")


def measure(name, photos, seconds, how):
    how, *options = how.split("+")
    cores = len(os.sched_getaffinity(0))
    shared = how == "shared"
    cv2.setNumThreads(1 if shared else cores)
    threads = cores if shared else 1
    cascades = [cascade_of(name) for _ in range(threads)]

    def run(i, todo):
        while todo:
            try:
                grey, times = prepare(todo.pop(), options)
            except IndexError:  # another thread was first
                return
            cascades[i].detectMultiScale(grey, SCALE, NEIGHBOURS, 0, (MIN_FACE * times,) * 2)

    def one_pass():
        todo = [grey for _, grey in photos]
        others = [threading.Thread(target=run, args=(i, todo)) for i in range(1, threads)]
        for thread in others:
            thread.start()
        run(0, todo)
        for thread in others:
            thread.join()

    one_pass()  # warms up
    began, before, done, wall = time.perf_counter(), time.process_time(), 0, 0.0
    while done == 0 or wall < seconds:
        one_pass()
        done += len(photos)
        wall = time.perf_counter() - began
    print(f"{done / wall:.2f} {(time.process_time() - before) / wall / cores:.3f}")


def main():
    if len(sys.argv) not in (5, 6) or sys.argv[2] not in ("find", "time"):
        sys.exit(__doc__)
    name, verb, photos = sys.argv[1], sys.argv[2], load(sys.argv[3])
    if not photos:
        sys.exit(f"peer_opencv: {sys.argv[3]} lists no photo that can be read")
    if verb == "find":
        find(cascade_of(name), photos, sys.argv[4])
    else:
        measure(name, photos, float(sys.argv[4]), sys.argv[5])


main()
