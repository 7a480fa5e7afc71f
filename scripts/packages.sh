#!/bin/bash
# packages.sh GROUP...: make sure the Debian packages of these groups are there: build, ranks,
# cameras, check, fuzz, words, bench and bench_NAME. Asks nothing of the network when they are.
set -euo pipefail

build="cmake ninja-build pkg-config libdnnl-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libexif-dev libsqlite3-dev libpq-dev
  libjansson-dev libsodium-dev zlib1g-dev liblapacke-dev libcmocka-dev libmicrohttpd-dev libarchive-dev
  libavformat-dev libavcodec-dev libswscale-dev libavutil-dev"
ranks="libopenmpi-dev openmpi-bin" # optional: training by several processes
cameras="libavdevice-dev" # optional: likeness watch /dev/video0
check="$ranks $cameras postgresql-15 python3-sklearn g++ clang clang-format clang-tidy libomp-dev libclang-rt-14-dev binutils file groff-base libsimde-dev curl"
fuzz="clang libomp-dev libclang-rt-14-dev"
bench="python3-torch"
bench_serve="wrk curl"
bench_eval="python3-sklearn" # the peer of make bench-eval
bench_search="python3-faiss libopenblas0-pthread g++" # the peers of make bench-search
bench_detect="g++ python3-opencv opencv-data libdlib-dev" # the peers of make bench-detect
words="dict-gcide bible-kjv bible-kjv-text"                # texts to learn words from
bench_words="$words python3-gensim time"                  # the peers of make bench-words

missing=()
for group in "$@"; do
    for package in ${!group}; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$package")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Missing packages. Run as root, then try again:" >&2
        echo "    apt-get update && ${install[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The tests make PostgreSQL clusters of their own; a machine that had none does not get one that runs for ever.
no_cluster() {
    local settings=/etc/postgresql-common/createcluster.conf
    [[ " ${missing[*]} " == *" postgresql-15 "* && ! -e $settings ]] || return 0
    "${as_root[@]}" apt-get install -y --no-install-recommends postgresql-common &&
        "${as_root[@]}" sed -i 's/^#create_main_cluster = true/create_main_cluster = false/' $settings
}
if ! { "${as_root[@]}" apt-get update && no_cluster && "${as_root[@]}" "${install[@]}"; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "Could not install them. Run by hand: ${as_root[*]} apt-get update && ${as_root[*]} ${install[*]}" >&2
    exit 1
fi
