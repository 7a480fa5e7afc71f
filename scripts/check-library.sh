#!/bin/bash
# check-library.sh BUILD: what the built library promises its host. It exports lk_ names only, prints nothing, ends
# no process, and keeps no state between calls but what its handles hold.
set -euo pipefail
build=$1
wrong=0
complain() { [ -z "$2" ] || { echo "$1"; echo "$2" | sed 's/^/    /'; wrong=1; }; }

exported=$(nm -D --defined-only "$build/liblikeness.so" | awk '{print $NF}')
[ -n "$exported" ] || { echo "liblikeness.so exports nothing"; exit 1; }
complain "exported, but not public:" "$(grep -vE '^lk_[a-z0-9]' <<<"$exported" || true)"

declared=$(sed -n 's/^LK_API.*[ *]\(lk_[a-z0-9_]*\)(.*/\1/p' "$(dirname "$0")"/../include/likeness/*.h | sort -u)
complain "declared in a public header, but not exported:" "$(comm -23 <(echo "$declared") <(sort -u <<<"$exported"))"
complain "exported, but in no public header:" "$(comm -13 <(echo "$declared") <(sort -u <<<"$exported"))"

# lk__check_failed alone may speak: a promise between our own functions was broken and the process aborts.
calls=$(nm -A --undefined-only "$build/liblikeness.a" | awk '{ split($1, at, ":"); print at[2], $NF }' |
    grep -E ' (exit|_exit|quick_exit|printf|__printf_chk|vprintf|puts|putchar|stdout|perror)$|stderr$' |
    grep -v '^status\.c\.o stderr$' || true)
complain "prints or exits:" "$calls"

globals=$(objdump -t "$build/liblikeness.a" 2>/dev/null |
    awk '/^[^ ]+:.*file format/ { file = $1 } / O \.(data|bss)(\.[a-z_0-9]+)?\t/ { if ($0 !~ /\.data\.rel\.ro/) print file, $NF }' || true)
complain "mutable globals:" "$globals"
exit $wrong
