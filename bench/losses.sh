#!/bin/bash
# losses.sh: every loss of likeness train on the same budget: the same net, the same photos in the same batches with the
# same changes to them, as many steps. ours: mean validation accuracy over the seeds (people never trained on, the threshold
# chosen on the same pairs, which flatters all alike), peer: that of the first run, the triplet loss. The standard
# error over the seeds stands in the name. Then the seconds of a run.
#
#   PEOPLE="DIR[@CROP]..."    folders of people; none: people who do not exist are drawn
#   VALIDATE="DIR[@CROP]..."  people to validate on; none: --holdout 0.1 of PEOPLE, others for each seed
#   EPOCHS=12 SEEDS="1 2 3" NET=small BATCH_PEOPLE=48 BATCH_PHOTOS=4 OPTIONS="" (more of likeness train, for all)
#   RUNS="triplet;supcon --temperature 0.07;..."  what is compared: --loss NAME and its options, parted by ';', which win
#           over the ones above: "triplet;triplet --photos 8;triplet --average 0.998" shows what each choice brings
#   QUICK=1: one seed, two epochs, few people: to see that everything runs
#
# No loss is tuned here: margins and temperatures are those of the papers, on other data. Nor is it for quoting: a loss may
# want another learning rate or a longer run.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=${QUICK:+1}
epochs=${EPOCHS:-${quick:+2}} seeds=${SEEDS:-${quick:+1}}
epochs=${epochs:-12} seeds=${seeds:-1 2 3}
net=${NET:-small} p=${BATCH_PEOPLE:-${quick:+16}} k=${BATCH_PHOTOS:-4}
p=${p:-48}
default_runs="triplet;triplet --mining semi-hard;triplet --mining distance-weighted;triplet --memory 4096"
default_runs+=";triplet-soft;triplet-squared;margin;contrastive;n-pair;supcon;supcon --memory 4096;multi-similarity;arcface"
IFS=';' read -ra runs <<<"${RUNS:-$default_runs}"
likeness=build/release/likeness
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

read -ra people <<<"${PEOPLE:-}"
validate=(--holdout 0.1)
if [ ${#people[@]} -eq 0 ]; then
    echo "drawing people who do not exist (PEOPLE=\"DIR...\" names folders of real ones)" >&2
    "$likeness" synth "$scratch/people" --people "$([ -n "$quick" ] && echo 60 || echo 500)" --photos 8 2>/dev/null
    people=("$scratch/people")
fi
if [ -n "${VALIDATE:-}" ]; then
    validate=()
    for folder in $VALIDATE; do validate+=(--validate "$folder"); done
fi

# One run: "ACCURACY SECONDS PHOTOS"
one() { # SEED LOSS [OPTION]...
    local seed=$1
    shift
    # shellcheck disable=SC2086
    "$likeness" train "${people[@]}" -o "$scratch/m.safetensors" --net "$net" --epochs "$epochs" --seed "$seed" \
        --people "$p" --photos "$k" "${validate[@]}" --validate-minutes 1000 --checkpoint-minutes 1000 \
        --log "$scratch/log" ${OPTIONS:-} --loss "$@" 2>"$scratch/said" || { cat "$scratch/said" >&2; return 1; }
    awk -F, 'END { print $11, $3, $2 }' "$scratch/log"
}

# Of the first two columns: mean, standard error of the mean; the third as it is.
summary() {
    awk '{ for (c = 1; c <= 2; c++) { s[c] += $c; q[c] += $c * $c } photos = $3 }
        END { v = NR > 1 ? (q[1] - s[1] * s[1] / NR) / (NR - 1) : 0
              printf "%.2f %.2f %.1f %d\n", 100 * s[1] / NR, 100 * sqrt((v > 0 ? v : 0) / NR), s[2] / NR, photos }' "$1"
}

printf 'what\tours\tpeer\tunit\tratio\tgoal\n'
base=
for run in "${runs[@]}"; do
    read -ra words <<<"$run"
    : >"$scratch/results"
    for seed in $seeds; do
        echo "$run, seed $seed" >&2
        one "$seed" "${words[@]}" | tee -a "$scratch/results" | sed 's/^/    /' >&2
    done
    read -r accuracy error taken photos < <(summary "$scratch/results")
    [ -n "$base" ] || base="$accuracy $taken" # the first: by default the triplet loss
    awk -v OFS='\t' -v what="$run" -v a="$accuracy" -v e="$error" -v t="$taken" -v base="$base" -v photos="$photos" 'BEGIN {
        split(base, b, " ")
        print what ", " photos " photos seen (se " e ")", a, b[1], "% right", sprintf("%.3f", b[1] > 0 ? a / b[1] : 0), "-"
        print what ", time", t, b[2], "s", sprintf("%.2f", t > 0 ? b[2] / t : 0), "-" }'
done
