#!/bin/bash
# check-format.sh [--fix]: clang-format over every tracked C file.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
git ls-files -z '*.c' '*.h' | xargs -0 -r clang-format "${mode[@]}"
