#!/bin/bash
# check-headers.sh: every public header stands alone, in C11 and in C++11, with every warning on.
set -euo pipefail
cd "$(dirname "$0")/.."
for header in include/likeness/*.h; do
    for language in "${CC:-cc} -std=c11 -x c" "${CXX:-c++} -std=c++11 -x c++"; do
        echo "#include \"likeness/$(basename "$header")\"" |
            $language -Iinclude -Wall -Wextra -Wpedantic -Werror -fsyntax-only -
    done
done
