#!/bin/bash
# faces.sh: the face models that are shipped beside dlib's ResNet, on the same photos, found and aligned in the same way, in one
# run: pairs of Labeled Faces in the Wild and of AT&T (ORL), who is who in ORL with one photo each in the gallery; then how
# long one face takes on one core, and how large the models are. The peer is what `likeness import` makes of npm's
# @vladmandic/face-api, installed into build/peers when it is missing.
#
# Photos: $LIKENESS_FACES (../shared/faces if it is not set) with lfw/, lfw_pairs.tsv, orl/, orl_pairs.tsv. FOLDS=2: only the
# first two folds of LFW; QUICK=1: one. Standard errors, and how sure each difference is, are on standard error.
seconds=2
faces=$(realpath -m "${LIKENESS_FACES:-$(dirname "$0")/../../shared/faces}")
packages=build
. "$(dirname "$0")/compare.bash"
likeness=build/release/likeness peer=build/peers/dlib-resnet.safetensors
models=(models/face-small.safetensors models/face-tiny.safetensors)
header

if [ ! -f "$peer" ]; then
    mkdir -p build/peers
    { [ -d build/peers/node_modules/@vladmandic/face-api ] ||
        npm install --ignore-scripts --no-fund --no-audit --prefix build/peers @vladmandic/face-api; } >&2 &&
        "$likeness" import build/peers -o "$peer" || echo "The peer cannot be had: its column says -" >&2
fi
[ ! -f "$peer" ] || models+=("$peer")

# ---- how good: figures, then a row for each model -----------------------------------------------------------------
measure() { # NAME OPTION...: the figures as JSON, one line a model, and as text for people
    "$likeness" eval "${models[@]}" --map 0 --json "${@:2}" >"$scratch/$1" && scripts/card_tables.py "$scratch/$1" >&2
}
figure() { # NAME MODEL KEY: in percent
    /usr/bin/python3 -c 'import json, sys
rows = {row["name"]: row for row in map(json.loads, open(sys.argv[1]))}
print(100 * rows[sys.argv[2]][sys.argv[3]] if sys.argv[2] in rows else "-")' "$scratch/$1" "$2" "$3"
}
rows() { # WHAT NAME KEY
    local model
    for model in face-small face-tiny; do
        row "$1, $model" % 1 "$(figure "$2" $model "$3")" "$(figure "$2" dlib-resnet "$3")"
    done
}
if [ -f "$faces/lfw_pairs.tsv" ]; then
    awk -F'\t' -v folds="${FOLDS:-${quick:-10}}" 'NR == 1 || $1 < folds' "$faces/lfw_pairs.tsv" >"$scratch/pairs.tsv"
    measure lfw --pairs "$scratch/pairs.tsv" --root "$faces/lfw"
    rows "LFW pairs, right" lfw accuracy
    measure orl --pairs "$faces/orl_pairs.tsv" --root "$faces/orl" --identify "$faces/orl" --gallery-photos 1
    rows "ORL pairs, right" orl accuracy
    rows "ORL rank-1, one photo each" orl rank1
else
    echo "No $faces/lfw_pairs.tsv: set LIKENESS_FACES to a folder that has it" >&2
fi

# ---- how fast, how large ------------------------------------------------------------------------------------------
timed() { build/release/bench_net "$@"; }
export OMP_NUM_THREADS=1
: >"$runs"
clear_sides
for net in face-small face-tiny dlib-resnet; do
    side "$net.one" timed $net infer 1 "$seconds"
    side "$net.both" timed $net embed 1 "$seconds"
done
play "one face"
# Of the core's own time, so that neighbours count for little: the median over the rounds.
ms() { awk -v name="$1" '$1 == name { print 1000 * $3 / $2 }' "$runs" | sort -g | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'; }
for model in face-small face-tiny; do
    row_less "one face, one core, $model" ms 1 "$(ms $model.one)" "$(ms dlib-resnet.one)"
    row_less "with its mirror image, one core, $model" ms 1 "$(ms $model.both)" "$(ms dlib-resnet.both)"
done
mb() { [ -f "$1" ] && stat -c %s "$1" | awk '{ print $1 / 1e6 }' || echo -; }
for model in face-small face-tiny; do
    row_less "on disk, $model" MB 1 "$(mb models/$model.safetensors)" "$(mb "$peer")"
done
