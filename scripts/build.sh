#!/bin/bash
# build.sh PRESET [TARGET...]: configure once, then build. Quiet unless something is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -f "build/$preset/build.ninja" ]; then
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
targets=()
[ $# -eq 0 ] || targets=(--target "$@")
if [ -t 1 ]; then
    cmake --build --preset "$preset" "${targets[@]}"
else
    cmake --build --preset "$preset" "${targets[@]}" -- -k 0 >"$log" 2>&1 || { grep -vE '^\[[0-9]+/' "$log" >&2; exit 1; }
    grep -E 'warning:' "$log" || true
fi
