#!/bin/bash
# check-install.sh BUILD: install into an empty folder and use it as a stranger would: a C and a C++ program by
# pkg-config and by find_package, against the shared and the static library.
set -euo pipefail
build=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
cmake --install "$build" --prefix "$tree" >/dev/null

export PKG_CONFIG_PATH=$tree/lib/pkgconfig LD_LIBRARY_PATH=$tree/lib
want=$(sed -n 's/^#define LK_VERSION "\(.*\)"/\1/p' "$source/include/likeness/likeness.h")
[ "$(pkg-config --modversion likeness)" = "$want" ] || { echo "likeness.pc and LK_VERSION ($want) differ"; exit 1; }

strict="-Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
{
    ${CC:-cc} -std=c11 $strict "$source/tests/consumer/use.c" -o "$work/use-c" $(pkg-config --cflags --libs likeness)
    ${CXX:-c++} -std=c++11 $strict "$source/tests/consumer/use.cpp" -o "$work/use-cpp" $(pkg-config --cflags --libs likeness)
    ${CC:-cc} "$source/tests/consumer/use.c" -o "$work/use-static" \
        $(pkg-config --static --cflags --libs likeness | sed 's/-llikeness/-l:liblikeness.a/')
}
cmake -S "$source/tests/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$tree" >"$work/log" &&
    cmake --build "$work/build" >>"$work/log" || { cat "$work/log"; exit 1; }
for program in use-c use-cpp use-static build/use_c build/use_cpp build/use_static; do
    "$work/$program" || { echo "$program failed"; exit 1; }
done

if [ -x "$tree/bin/likeness" ]; then
    "$tree/bin/likeness" --version >/dev/null
fi
[ -z "$(find "$source/docs/man" -name "*.1" 2>/dev/null)" ] || [ -e "$tree/share/man/man1/likeness.1" ] ||
    { echo "no man page was installed"; exit 1; }
