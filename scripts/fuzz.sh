#!/bin/bash
# fuzz.sh [SECONDS [NAME...]]: run each fuzzer for so long, from fuzz/corpus/NAME. What it finds on the way is kept in
# build/fuzz/corpus/NAME; an input that breaks something stays there too, as NAME-crash-*.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        names+=("${name#fuzz_}")
    done
fi
failed=0
for name in "${names[@]}"; do
    found=build/fuzz/corpus/$name
    mkdir -p "$found" "fuzz/corpus/$name"
    printf '%-16s' "$name"
    if ASAN_OPTIONS=allocator_may_return_null=1 OMP_NUM_THREADS=1 "build/fuzz/fuzz_$name" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/corpus/$name-" "$found" "fuzz/corpus/$name" >"build/fuzz/$name.log" 2>&1; then
        awk '/number_of_executed_units/ { runs = $2 } / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
             END { printf "ok      %10d runs, %d edges\n", runs, cov }' "build/fuzz/$name.log"
    else
        failed=$((failed + 1))
        echo "FAILED"
        grep -vE '^#[0-9]+' "build/fuzz/$name.log" | tail -40 | sed 's/^/    /'
    fi
done
echo "$((${#names[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
