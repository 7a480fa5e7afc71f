#!/bin/bash
# ranks.sh: training by 2 processes of 1 thread (mpirun, gradients summed while backward runs) beside 1 process of 2
# threads, at the same batch of 64: the whole of `likeness train`, decoding and augmentation too. In turn, medians.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/packages.sh ranks >&2
cmake --preset release >/dev/null # it may have been configured before there was MPI
scripts/build.sh release >&2
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-20}
likeness=build/release/likeness
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"$likeness" synth "$work/people" --people 100 --photos 8 2>/dev/null

# photos a second, without the first seconds: from the first line of the log to the last
rate() { # PEOPLE THREADS COMMAND...
    local people=$1 threads=$2
    shift 2
    "$@" train "$work/people" -o "$work/m.safetensors" --net "$net" --people "$people" --photos 4 --threads "$threads" --holdout 0 \
        --minutes "$(awk -v s="$seconds" 'BEGIN { print s / 60 }')" --log "$work/log" 2>"$work/said" ||
        { cat "$work/said" >&2; exit 1; }
    awk -F, 'NR == 2 { p = $2; s = $3 } END { print ($2 - p) / ($3 - s) }' "$work/log"
}
median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

printf 'what\tours\tpeer\tunit\tratio\tgoal\n'
for net in ${NETS:-small face}; do
    rm -f "$work/ours" "$work/peer"
    for ((i = 1; i <= rounds; i++)); do
        echo "$net: round $i of $rounds" >&2
        rate 8 1 mpirun -n 2 "$likeness" >>"$work/ours"
        rate 16 2 "$likeness" >>"$work/peer"
    done
    awk -v OFS='\t' -v w="train $net batch 64, 2 ranks x 1 thread beside 1 x 2" -v a="$(median "$work/ours")" \
        -v b="$(median "$work/peer")" 'BEGIN { print w, sprintf("%.1f", a), sprintf("%.1f", b), "photos/s", sprintf("%.2f", a / b), 1 }'
done
