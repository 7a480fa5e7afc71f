#!/bin/bash
# words.sh: likeness words train beside word2vec, on 5.6 million words of a dictionary and the Bible (Debian), one
# thread each: words a second of CPU time, peak of memory, and how well cosines rank pairs of words as people do.
# Equal text, dim, epochs, least count and subsampling; the peer is the best of its settings for each figure, seed by
# seed the same. Peers: gensim (Debian's python3-gensim); and word2vec.c, where its program is named or its source
# lies in build/peers/word2vec.c.
#   make bench-words [QUICK=1] [EPOCHS=5] [SEEDS="1 2 3"] [SETTINGS="sg:5 sg:10 sg:15 cbow:5"] [WORD2VEC=program]
#   TEXT=file        another text in place of the dictionary and the Bible; its letters are lowered, all else is blank
#   PAIRS=folder     wordsim353.tsv, simlex999.tsv, rareword.tsv: none comes with likeness (default ../shared/words)
set -euo pipefail
cd "$(dirname "$0")/.."
likeness=build/release/likeness dim=128
epochs=${EPOCHS:-${QUICK:+1}} epochs=${epochs:-5}
seeds=${SEEDS:-${QUICK:+1}} seeds=${seeds:-1 2 3}
settings=${SETTINGS:-${QUICK:+sg:5}} settings=${settings:-sg:5 sg:10 sg:15 cbow:5}
pairs=${PAIRS:-../shared/words}
[ -z "${TEXT:-}" ] || [ -r "$TEXT" ] || { echo "$TEXT: cannot be read" >&2; exit 3; }
scripts/packages.sh bench_words >&2
work=build/words
mkdir -p $work build/peers
if [ -z "${WORD2VEC:-}" ] && [ -r build/peers/word2vec.c ]; then
    # As its repository has it, it stops after the first pass: `eof` is never set back.
    sed 's/^ *local_iter--;/eof = 0; &/' build/peers/word2vec.c |
        cc -O3 -march=native -funroll-loops -w -x c - -o build/peers/word2vec -lm -lpthread
    WORD2VEC=build/peers/word2vec
fi
[ -n "${WORD2VEC:-}" ] || echo "word2vec.c is not there (build/peers/word2vec.c): gensim alone" >&2

# Plain letters, so that all sides see the same words; an empty line between paragraphs, none within.
if [ -n "${TEXT:-}" ]; then cat "$TEXT"; else scripts/words_corpus.sh; fi |
    LC_ALL=C tr 'A-Z' 'a-z' | LC_ALL=C sed -e 's/[^a-z]/ /g' -e 's/  */ /g' -e 's/^ //' >$work/text.txt
tr '\n' ' ' <$work/text.txt >$work/line.txt # one line suits the peers better: their gaps may then reach over paragraphs
words=$(wc -w <$work/text.txt)
[ -r "$pairs/simlex999.tsv" ] || { echo "no pairs in $pairs: figures of quality are left out" >&2; pairs=; }

figures=$work/figures.tsv # who, seed, setting, what, value
: >$figures
judge() { # WHO SEED SETTING VECTORS
    [ -n "$pairs" ] || return 0
    for what in wordsim353 simlex999 rareword; do
        "$likeness" words eval "$4" --pairs "$pairs/$what.tsv" --json |
            sed 's/.*"rho": *\([-0-9.e]*\).*"covered": *\([0-9]*\),"built": *\([0-9]*\).*/\1 \2 \3/' |
            { read -r rho covered built; printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$what" "$rho" "$1" "$2" "$3" "$what pairs" $((covered + built)); } >>$figures
    done
}
record() { # WHO SEED SETTING CPU_SECONDS BYTES
    awk -v s="$4" -v w="$words" -v e="$epochs" -v b="$5" -v head="$1\t$2\t$3" \
        'BEGIN { printf "%s\tspeed\t%.0f\n%s\tmemory\t%.0f\n", head, w * e / s, head, b / 1e6 }' >>$figures
}
ours() { # WHO SEED OPTION...
    local who=$1 seed=$2
    shift 2
    echo "likeness $who, seed $seed" >&2
    "$likeness" words train $work/text.txt -o $work/ours.safetensors --dim $dim --epochs "$epochs" --seed "$seed" \
        --threads 1 "$@" 2>$work/log
    read -r cpu gb < <(sed -n 's/.*cpu \([0-9.]*\) s, peak memory \([0-9.]*\) GB.*/\1 \2/p' $work/log)
    record "$who" "$seed" - "$cpu" "$(awk -v g="$gb" 'BEGIN { print g * 1e9 }')"
    judge "$who" "$seed" - $work/ours.safetensors
}
gensim() { # SEED SETTING
    echo "gensim $2, seed $1" >&2
    read -r cpu bytes < <(/usr/bin/python3 bench/peer_gensim.py $work/line.txt "$2" $dim "$epochs" "$1" $work/peer.txt)
    record gensim "$1" "$2" "$cpu" "$bytes"
    judge gensim "$1" "$2" $work/peer.txt
}
word2vec() { # SEED SETTING: it has no seed; runs on one thread differ by nothing, so the first seed only
    [ -n "${WORD2VEC:-}" ] && [ "$1" = "${seeds%% *}" ] || return 0
    echo "word2vec.c $2" >&2
    local cbow=0 rate=0.025
    case $2 in cbow*) cbow=1 rate=0.05 ;; esac
    read -r cpu kb < <({ /usr/bin/time -f '%U %M' "$WORD2VEC" -train $work/line.txt -output $work/peer.txt -size $dim \
        -window "${2#*:}" -cbow $cbow -alpha $rate -negative 5 -sample 1e-4 -min-count 5 -iter "$epochs" -threads 1 >/dev/null; } 2>&1 | tail -1)
    record word2vec "$1" "$2" "$cpu" $((kb * 1024))
    judge word2vec "$1" "$2" $work/peer.txt
}
for seed in $seeds; do
    ours ours "$seed"
    for setting in $settings; do
        gensim "$seed" "$setting"
        word2vec "$seed" "$setting"
    done
done

# Means over the seeds; of the peers' settings the best one.
awk -F '\t' '
    { sum[$1, $3, $4] += $5; n[$1, $3, $4]++; if ($1 != "ours") peers[$1 "\t" $3] = 1 }
    function mean(who, setting, what) { return n[who, setting, what] ? sum[who, setting, what] / n[who, setting, what] : -1 }
    function best(what, least,    p, part, value, found) {
        found = -1
        for (p in peers) {
            split(p, part, "\t"); value = mean(part[1], part[2], what)
            if (value >= 0 && (found < 0 || (least ? value < found : value > found))) { found = value; best_name = part[1] " " part[2] }
        }
        return found
    }
    function row(who, label, what, unit, goal, least,    a, b) {
        a = mean(who, "-", what); b = best(what, least)
        if (a < 0 || b <= 0) return
        printf "%s (%s)\t%.4g\t%.4g\t%s\t%.2f\t%s\n", label, best_name, a, b, unit, least ? b / a : a / b, goal
    }
    END {
        print "what\tours\tpeer\tunit\tratio\tgoal"
        row("ours", "words a second and thread", "speed", "words/s", 2, 0)
        row("ours", "memory", "memory", "MB", 0.83, 1)
        row("ours", "WordSim-353", "wordsim353", "rho", 1, 0)
        row("ours", "SimLex-999", "simlex999", "rho", 1, 0)
        row("ours", "rare words", "rareword", "rho", 1, 0)
        row("ours", "rare words, pairs with a vector", "rareword pairs", "pairs", 1, 0)
    }' $figures
