#!/bin/bash
# table.sh: where the time of a step goes, for each net in f32 and bf16: training at batch 64, then inference; a line for
# each step of the net with its share of the machine's peak, totals by kind, and the rest. One table, tab-separated.
#   make -s bench-table NETS=small | column -t -s "$(printf '\t')"
set -euo pipefail
cd "$(dirname "$0")/.."
# bash overwrites $SECONDS with a clock of its own: ours is what the environment said before.
given=$(tr '\0' '\n' </proc/$$/environ | sed -n 's/^SECONDS=//p')
seconds=${given:-${QUICK:+1}}
seconds=${seconds:-6}
first=true
for net in ${NETS:-small vgg resnet mobilefacenet}; do
    for precision in f32 bf16; do
        for pass in train infer; do
            mode=table
            [ $pass = train ] || mode=table-infer
            option=${precision#f32}
            echo "$net $precision $pass" >&2
            if table=$(build/release/bench_net "$net" $mode 64 "$seconds" $option); then
                awk -v OFS='\t' -v net="$net" -v p=$precision -v pass=$pass -v first=$first '
                    NR == 1 { if (first == "true") print "net", "precision", "pass", $0; next }
                    { print net, p, pass, $0 }' <<<"$table"
                first=false
            fi
        done
    done
done
