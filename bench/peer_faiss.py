#!/usr/bin/python3
"""peer_faiss.py DIR PHOTOS: FAISS's IndexFlatIP over the set of bench_search, on all cores: lines "NAME<tab>VALUE",
probes a second one at a time and in batches of 1000, and the ids of the first probes for comparison."""
import os
import sys
import time

import faiss
import numpy

folder, photos = sys.argv[1], int(sys.argv[2])
dim, k = 128, 10
vectors = numpy.fromfile(f"{folder}/photos.f32", dtype=numpy.float32, count=photos * dim).reshape(-1, dim)
probes = numpy.fromfile(f"{folder}/probes.f32", dtype=numpy.float32).reshape(-1, dim)
faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
index = faiss.IndexFlatIP(dim)
index.add(vectors)
print(f"FAISS {faiss.__version__} {faiss.get_compile_options()}", file=sys.stderr)


def median(search, turns):
    times = []
    for turn in range(turns + 1):  # the first warms up
        start = time.perf_counter()
        search(turn)
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[turns // 2]


print(f"one\t{1 / median(lambda i: index.search(probes[i:i + 1], k), 21):.2f}")
print(f"batch\t{len(probes) / median(lambda i: index.search(probes, k), 3):.1f}")
