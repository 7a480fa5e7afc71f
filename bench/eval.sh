#!/bin/bash
# eval.sh: the figures of ten million listed pairs, and of all 84.5 million pairs of 13,000 photos: seconds, and peak
# of memory. Beside it scikit-learn's ROC and AUC of as many scores (python3-sklearn, if it is there).
#   make bench-eval [QUICK=1] [PAIRS=n] [PHOTOS=n]
set -euo pipefail
cd "$(dirname "$0")/.."
export PAIRS=${PAIRS:-${QUICK:+1000000}} PHOTOS=${PHOTOS:-${QUICK:+4000}}
scripts/packages.sh bench_eval >&2
echo "scikit-learn" >&2
peer=$(/usr/bin/python3 bench/peer_sklearn.py "${PAIRS:-10000000}") || peer=
exec build/release/bench_eval $peer
