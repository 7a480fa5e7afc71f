#!/bin/bash
# search.sh: exact search beside FAISS and usearch over the same set, all sides in turn, round after round: one probe
# at a time and batches of 1000; what the gallery's file costs; ten million. Medians of the rounds.
#   make bench-search [ROUNDS=3] [PHOTOS=1000000] [LARGE=10000000] [QUICK=1] [FAISS=DIR]
# FAISS: a build of its source (libfaiss*.a and the headers of DIR/.. , best options for this machine); else its rows
# are "-". LARGE=0 leaves the last out.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-${QUICK:+1}} rounds=${rounds:-3}
photos=${PHOTOS:-${QUICK:+100000}} photos=${photos:-1000000}
large=${LARGE:-${QUICK:+1000000}} large=${large:-10000000}
scripts/packages.sh bench_search >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
stock=(/usr/bin/env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE)
ours=build/release/bench_search

# ---- sides -----------------------------------------------------------------------------------------------------------
sides=(ours faiss)
ours() { "$ours" index "$scratch" "$photos"; }
faiss() { "${stock[@]}" /usr/bin/python3 bench/peer_faiss.py "$scratch" "$photos"; }
usearch() { node bench/peer_usearch.cjs "$PWD/build/peers/node_modules" "$scratch" "$photos" "$(nproc)"; }
built() { "${stock[@]}" "$scratch/peer_faiss" "$scratch" "$photos"; }
if command -v npm >/dev/null && { [ -d build/peers/node_modules/usearch ] ||
    npm install --prefix build/peers --no-audit --no-fund --silent usearch >&2; }; then
    sides+=(usearch)
fi
if [ -n "${FAISS:-}" ]; then
    library=$(find "$FAISS" -name 'libfaiss_avx512.a' -o -name 'libfaiss_avx2.a' | sort | tail -1)
    g++ -O3 -std=c++17 -I"$FAISS/.." -I"$FAISS" bench/peer_faiss.cc -o "$scratch/peer_faiss" "$library" -lopenblas \
        -fopenmp >&2 && sides+=(built)
fi

echo "a set of $photos photos" >&2
"$ours" set "$scratch" "$photos"
for ((round = 1; round <= rounds; round++)); do
    for side in "${sides[@]}"; do
        echo "round $round: $side" >&2
        if $side >"$scratch/out" 2>"$scratch/log"; then
            sed "s/^/$side /" "$scratch/out" | tee -a "$scratch/runs" | sed 's/^/    /' >&2
        else
            echo "    $side does not run: $(tail -1 "$scratch/log")" >&2
        fi
    done
done
echo "a gallery of $photos photos" >&2
"$ours" gallery "$scratch" "$photos" | sed 's/^/gallery /' | tee -a "$scratch/runs" | sed 's/^/    /' >&2
rm -f "$scratch"/bench.gallery* "$scratch"/photos.f32
if [ "$large" -gt 0 ]; then
    echo "$large photos" >&2
    "$ours" large "$large" | sed 's/^/large /' | tee -a "$scratch/runs" | sed 's/^/    /' >&2
fi

# ---- the table -------------------------------------------------------------------------------------------------------
median() { # SIDE NAME
    awk -v side="$1" -v name="$2" '$1 == side && $2 == name { print $3 }' "$scratch/runs" | sort -g |
        awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "-" }'
}
row() { # WHAT OURS PEER UNIT GOAL [less]
    awk -v what="$1" -v a="$2" -v b="$3" -v unit="$4" -v goal="$5" -v less="${6:-}" 'BEGIN {
        ratio = a == "-" || b == "-" ? "-" : sprintf("%.2f", less ? b / a : a / b)
        printf "%s\t%s\t%s\t%s\t%s\t%s\n", what, a, b, unit, ratio, goal }'
}
printf 'what\tours\tpeer\tunit\tratio\tgoal\n'
one=$(median ours one) batch=$(median ours batch) of=", $photos x 128, k = 10"
row "one probe$of: FAISS (Debian)" "$one" "$(median faiss one)" probes/s 20
row "one probe$of: FAISS (source)" "$one" "$(median built one)" probes/s 1
row "one probe$of: usearch" "$one" "$(median usearch one)" probes/s 1
row "batch of 1000$of: FAISS (Debian)" "$batch" "$(median faiss batch)" probes/s 8
row "batch of 1000$of: FAISS (source)" "$batch" "$(median built batch)" probes/s 1
row "batch of 1000$of: usearch" "$batch" "$(median usearch batch)" probes/s 1
row "one probe" "$one" - probes/s "400 probes/s"
row "batch of 1000" "$batch" - probes/s "3000 probes/s"
row "one probe, k people" "$(median ours one_people)" - probes/s -
row "batch of 1000, k people" "$(median ours batch_people)" - probes/s -
row "one probe, one core" "$(median ours one_core)" - probes/s -
row "codes read, of what memory gives" "$(median ours codes)" "$(median ours read)" GB/s 0.7
row "enroll" "$(median gallery enroll)" - photos/s "5000 photos/s"
row "first probe after opening" "$(median gallery first)" "$(median gallery first_without_file)" s "1 s" less
row "one probe on one core, nothing changes (99 of 100)" "$(median gallery still_99)" - ms -
row "the same while people come and go" "$(median gallery live_99)" "$(median gallery still_99)" ms "5 ms more" less
row "one probe, $large x 128" "$(median large large)" - ms "40 ms"
row "memory, $large x 128" "$(median large large_memory)" - GiB "7 GB"
