#!/bin/bash
# check-files.sh: what may lie in the repository, and how long a file may get.
set -euo pipefail
cd "$(dirname "$0")/.."
wrong=0
complain() { echo "$1"; wrong=1; }

# Soft limits: past 600 lines a C file wants splitting (a failure); long functions and headers are only named.
while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || complain "$file: $lines lines, over 600: split it"
    [[ $file != include/* || $lines -le 250 ]] || echo "note: $file: $lines lines, over 250 for a public header"
    awk -v file="$file" '
        /^[A-Za-z_].*\) *\{$/ || (/^[A-Za-z_][^;=]*\($/) { start = FNR; name = $0 }
        /^\}/ { if (start && FNR - start > 60) printf "note: %s:%d: %d lines: %s\n", file, start, FNR - start, name; start = 0 }' "$file"
done < <(git ls-files '*.c' '*.h')

# A path of somebody's machine, or a promise instead of work.
git grep -nIE '(^|[^A-Za-z0-9_.~$}])/(wor[k]|hom[e]/[a-z]+)/' -- . && complain "absolute path of one machine"
git grep -nIE '\b(TOD[O]|FIXM[E]|XX[X])\b' -- '*.c' '*.h' '*.sh' '*.cmake' CMakeLists.txt Makefile && complain "finish it or file an issue"

while IFS= read -r -d '' file; do
    [ -f "$file" ] || continue
    size=$(stat -c %s "$file")
    [ "$size" -le $((8 << 20)) ] || complain "$file: $size bytes, over 8 MiB"
    # No photo of anybody: pictures are drawn (SVG), or made by a test, or tiny seeds for a fuzzer.
    case $file in fuzz/corpus/*) [ "$size" -le $((64 << 10)) ] || complain "$file: a fuzzing seed over 64 KiB" ;;
    *)
        case $(file -b --mime-type "$file") in
        image/svg+xml) ;;
        image/*) complain "$file: a picture; where would it be from?" ;;
        esac ;;
    esac
done < <(git ls-files -z)
exit $wrong
