# compare.bash: sourced by the bench scripts that put a net of ours beside the same net elsewhere, in one run: every
# side in turn within a round, round after round, so that all see the same machine; medians of the runs that had the
# cores to themselves. Of the peer's variants the best median counts.
#
# PyTorch gets the best that can be had: memory kept and on huge pages (as installed it spends half its time in page
# faults), its own choice of BLAS kernels, both memory layouts, and whatever else its variants say (peer_torch.py).
#
# Shorter: SECONDS a run (4 if a script does not say otherwise), ROUNDS (3), NETS="small vgg"; QUICK=1: 1 second, 1 round.
set -euo pipefail
cd "$(dirname "$0")/.."
# bash overwrites $SECONDS with a clock of its own: ours is what the environment said before.
given=$(tr '\0' '\n' </proc/$$/environ | sed -n 's/^SECONDS=//p')
quick=${QUICK:+1}
seconds=${given:-${quick:-${seconds:-4}}} rounds=${ROUNDS:-${quick:-3}}
cores=$(nproc)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
runs=$scratch/runs # a line a run: SIDE RATE SHARE_OF_CORES [PEAK_MIB]
scripts/packages.sh "${packages:-bench}" >&2

stock=(/usr/bin/env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE)
tuned=("${stock[@]}" MALLOC_MMAP_MAX_=0 MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=100000000000
    MALLOC_TOP_PAD_=268435456 GLIBC_TUNABLES=glibc.malloc.hugetlb=1)

# ---- sides: what can be run; NET is set by `begin` ----------------------------------------------------------------
ours() { build/release/bench_net "$net" "$@"; }                                     # MODE BATCH SECONDS [bf16]
torch() { "${tuned[@]}" /usr/bin/python3 bench/peer_torch.py "$@" <"$scratch/net"; } # train|infer BATCH SECONDS [OPTION]...
torch_stock() { "${stock[@]}" /usr/bin/python3 bench/peer_torch.py "$@" <"$scratch/net"; }
ort() { node bench/peer_ort.cjs "$scratch/net.onnx" "$@"; } # BATCH SECONDS THREADS

# begin NET THREADS: forget the sides and runs of before. clear_sides: the sides only
begin() {
    net=$1
    export OMP_NUM_THREADS=$2
    build/release/likeness nets --text "$net" >"$scratch/net"
    : >"$runs"
    clear_sides
}
clear_sides() { sides=() commands=(); }

# side NAME COMMAND...: one more to be run; words without blanks
side() {
    sides+=("$1")
    commands+=("${*:2}")
}

# A side that fails is told once and then left out: its rows say "-".
run_side() { # INDEX
    local name=${sides[$1]} result
    [ -n "$name" ] || return 0
    if result=$(${commands[$1]} 2>"$scratch/log"); then
        echo "$name $result" | tee -a "$runs" | sed 's/^/    /' >&2
        sed 's/^/    /' "$scratch/log" >&2
    else
        echo "    $name does not run: $(tail -1 "$scratch/log")" >&2
        sides[$1]=
    fi
}

# play WHAT [ROUNDS]: all sides in turn, round after round
play() {
    local i k times=${2:-$rounds}
    for ((i = 1; i <= times; i++)); do
        echo "$1, $OMP_NUM_THREADS threads: round $i of $times" >&2
        for k in "${!sides[@]}"; do run_side "$k"; done
    done
    awk -v now=" ${sides[*]} " '
        index(now, " " $1 " ") { n[$1]++; quiet[$1] += $3 >= 0.93 }
        END { for (s in n) if (2 * quiet[s] < n[s]) printf "    %s: the machine was busy (%d of %d runs quiet)\n", s, quiet[s], n[s] }' "$runs" >&2
}

# ---- what came of it ----------------------------------------------------------------------------------------------

# The median rate of a side's quiet runs, those with at least 93 % of the cores; of all its runs if fewer than half of
# them were (`play` tells). "-": it never ran.
median() { # SIDE
    awk -v name="$1" '
        $1 == name { all[++n] = $2; if ($3 >= 0.93) quiet[++q] = $2 }
        function middle(v, count,    i, j, t) {
            for (i = 2; i <= count; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            return count % 2 ? v[(count + 1) / 2] : (v[count / 2] + v[count / 2 + 1]) / 2
        }
        END {
            if (!n) print "-"
            else print 2 * q < n ? middle(all, n) : middle(quiet, q)
        }' "$runs"
}

# The best median of the sides whose names start so; on standard error which it was.
best() { # PREFIX...
    local name value prefix top=- winner=
    for prefix in "$@"; do
        while read -r name; do
            value=$(median "$name")
            if [ "$top" = - ] || awk -v a="$value" -v b="$top" 'BEGIN { exit !(a > b) }'; then top=$value winner=$name; fi
        done < <(awk -v p="$prefix" 'index($1, p) == 1 { print $1 }' "$runs" | sort -u)
    done
    [ -z "$winner" ] || echo "    best of $*: $winner, $top" >&2
    echo "$top"
}

# The least peak of resident memory, in MiB, of the sides whose names start so.
least_memory() { # PREFIX...
    awk -v prefixes="$*" '
        { k = split(prefixes, p, " "); for (i = 1; i <= k; i++) if (index($1, p[i]) == 1 && (low == "" || $4 < low)) { low = $4; who = $1 } }
        END { if (low == "") print "-"; else { print low; printf "    least memory of %s: %s, %s MiB\n", prefixes, who, low > "/dev/stderr" } }' "$runs"
}

# ---- rows ---------------------------------------------------------------------------------------------------------

header() { printf 'what\tours\tpeer\tunit\tratio\tgoal\n'; }

# row WHAT UNIT GOAL OURS PEER: of two rates, where more is better. row_less: of two amounts, where less is.
row() { print_row "$@" "$4" "$5"; }
row_less() { print_row "$@" "$5" "$4"; }
print_row() {
    awk -v OFS='\t' -v w="$1" -v u="$2" -v g="$3" -v a="$4" -v b="$5" -v over="$6" -v under="$7" 'BEGIN {
        digits = u == "ms" ? "%.2f" : "%.1f"
        print w, a == "-" ? a : sprintf(digits, a), b == "-" ? b : sprintf(digits, b), u,
              a == "-" || b == "-" ? "-" : sprintf("%.2f", over / under), g }'
}
