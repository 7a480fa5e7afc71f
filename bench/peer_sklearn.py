#!/usr/bin/python3
"""peer_sklearn.py: what a user would reach for instead: ROC and AUC of PAIRS scores by scikit-learn.

    peer_sklearn.py PAIRS       prints seconds and the peak of memory in MiB, scores and labels included
"""
import resource
import sys
import time

try:
    import numpy as np
    from sklearn.metrics import auc, roc_curve
except ImportError as error:
    sys.exit(f"no scikit-learn: {error}; apt-get install python3-sklearn")

random = np.random.default_rng(1)
pairs = int(sys.argv[1])
same = np.arange(pairs, dtype=np.int32) % 2
score = random.normal(0, 0.09, pairs).astype(np.float32) + same * np.float32(0.28)
start = time.monotonic()
far, tar, _ = roc_curve(same, score)
area = auc(far, tar)
print(f"{time.monotonic() - start:.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}")
