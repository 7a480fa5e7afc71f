# compare.bash: sourced by the bench scripts that put a net of ours beside the same net in PyTorch, in one run: ours, peer,
# ours, peer ... so that both see the same machine; medians of the runs that had the cores to themselves.
#
# The peer gets the best that can be had: memory kept and on huge pages (as installed it spends half its time in page
# faults), its own choice of BLAS kernels, and the better of its two memory layouts.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/packages.sh bench >&2
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-4}
cores=$(nproc)
tuned=(env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE MALLOC_MMAP_MAX_=0 MALLOC_ARENA_MAX=1
    MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1)
runs=$(mktemp)
trap 'rm -f "$runs"' EXIT

# The median of the quiet runs: the process had at least 93 % of its cores. Of all runs if fewer than 3 were quiet.
median() { # NAME
    awk -v name="$1" '
        $1 == name { all[++n] = $2; if ($3 >= 0.93) quiet[++q] = $2 }
        function middle(v, count,    i, j, t) {
            for (i = 2; i <= count; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return count % 2 ? v[(count + 1) / 2] : (v[count / 2] + v[count / 2 + 1]) / 2
        }
        END {
            if (q < 3) printf "%s: the machine was busy (%d of %d runs quiet)\n", name, q, n > "/dev/stderr"
            print q < 3 ? middle(all, n) : middle(quiet, q)
        }' "$runs"
}

# measure NET OUR_MODE PEER_MODE OUR_BATCH PEER_BATCH THREADS: photos a second, into $ours and $peer
measure() {
    local net=$1 mode=$2 peer_mode=$3 batch=$4 peer_batch=$5 i layout
    export OMP_NUM_THREADS=$6
    build/release/likeness nets --text "$net" >"$runs.net"
    : >"$runs"
    for ((i = 1; i <= rounds; i++)); do
        echo "$net $mode batch $batch, $OMP_NUM_THREADS threads: round $i of $rounds" >&2
        echo "ours $(build/release/bench_net "$net" "$mode" "$batch" "$seconds")" >>"$runs"
        for layout in contiguous channels_last; do
            echo "$layout $("${tuned[@]}" /usr/bin/python3 bench/peer_torch.py "$peer_mode" "$peer_batch" "$seconds" \
                "$layout" <"$runs.net")" >>"$runs"
        done
    done
    rm -f "$runs.net"
    sed 's/^/    /' "$runs" >&2
    ours=$(median ours)
    peer=$(printf '%s\n' "$(median contiguous)" "$(median channels_last)" | sort -g | tail -1)
}

header() { printf 'what\tours\tpeer\tunit\tratio\tgoal\n'; }
# row WHAT UNIT GOAL OURS PEER: of two rates, more is better
row() { awk -v OFS='\t' -v w="$1" -v u="$2" -v g="$3" -v a="$4" -v b="$5" 'BEGIN { print w, sprintf("%.1f", a), sprintf("%.1f", b), u, sprintf("%.2f", a / b), g }'; }
