#!/bin/bash
# serve.sh: likeness serve under load: wrk's clients ask who is on a 640 x 480 photo with one face, in a gallery of drawn
# vectors. The clients take part of the same cores. Goals are of 2 cores with AVX-512; no peer serves the same.
#
#   MODEL=models/face-small.safetensors PHOTOS=100000 CLIENTS=16 SECONDS=30 bench/serve.sh
set -euo pipefail
cd "$(dirname "$0")/.."
model=${MODEL:-models/face-small.safetensors}
photos=${PHOTOS:-100000}
clients=${CLIENTS:-16}
seconds=30
[ -z "${QUICK:-}" ] || { seconds=5; photos=20000; }
seconds=${SERVE_SECONDS:-$seconds}
scripts/packages.sh bench_serve >&2
scripts/build.sh release likeness bench_fill cli_draw >&2
likeness=$PWD/build/release/likeness
T=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server 2>/dev/null; rm -rf "$T"' EXIT

"$likeness" synth --people 1 --photos 1 "$T/people" 2>/dev/null
build/release/cli_draw scene "$T/probe.jpg" 640 480 "$T/people/person_0001/photo_01.jpg" 220 120 180
echo "filling a gallery of $photos photos" >&2
build/release/bench_fill "$model" "$T/g.gallery" "$photos" 10
"$likeness" serve "$T/g.gallery" --model "$model" --listen 127.0.0.1:0 --quiet --threshold 0.3 2>"$T/log" &
server=$!
for _ in $(seq 600); do
    port=$(sed -nE 's|.*serving on http://[^ ]*:([0-9]+)/.*|\1|p' "$T/log")
    [ -z "$port" ] || break
    sleep 0.1
done
[ -n "$port" ] || { cat "$T/log" >&2; exit 1; }

cat >"$T/identify.lua" <<LUA
wrk.method = "POST"
wrk.path = "/v1/identify?k=5"
wrk.headers["X-Likeness"] = "1"
local file = io.open("$T/probe.jpg", "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency)
    io.write(string.format("figures %d %d %.6f %.3f %.3f\n", summary.requests,
        summary.errors.status + summary.errors.timeout + summary.errors.connect + summary.errors.read,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
LUA
metric() { curl -s "http://127.0.0.1:$port/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
load() { wrk -t 2 -c "$clients" -d "$1s" --timeout 20s -s "$T/identify.lua" "http://127.0.0.1:$port" | sed -n 's/^figures //p'; }

load 3 >/dev/null # the first search reads the gallery into memory
before=$(metric process_resident_memory_bytes)
faces=$(metric likeness_batched_faces_total) batches=$(metric likeness_batches_total)
used() { awk '{ print ($14 + $15) / 100 }' "/proc/$server/stat"; }
cpu=$(used)
read -r requests errors took p50 p99 < <(load "$seconds")
cpu_after=$(used)
after=$(metric process_resident_memory_bytes)
awk -v n="$requests" -v e="$errors" -v s="$took" -v p50="$p50" -v p99="$p99" -v a="$before" -v b="$after" \
    -v cpu="$cpu" -v cpu2="$cpu_after" -v f="$faces" -v f2="$(metric likeness_batched_faces_total)" \
    -v k="$batches" -v k2="$(metric likeness_batches_total)" '
    function row(what, ours, unit, ratio, goal) { printf "%s\t%s\tNA\t%s\t%s\t%s\n", what, ours, unit, ratio, goal }
    BEGIN {
        print "what\tours\tpeer\tunit\tratio\tgoal"
        row("identify", sprintf("%.1f", n / s), "requests/s", sprintf("%.2f", n / s / 40), "40")
        row("p50", p50, "ms", "NA", "NA")
        row("p99", p99, "ms", sprintf("%.2f", 1000 / p99), "1000")
        row("errors", e, "requests", "NA", "0")
        row("cpu", sprintf("%.1f", 1000 * (cpu2 - cpu) / n), "ms/request", "NA", "NA")
        row("batch", sprintf("%.2f", (f2 - f) / (k2 - k)), "faces", "NA", "NA")
        row("memory", sprintf("%.0f", b / 1048576), "MiB", "NA", "NA")
        row("memory growth", sprintf("%.1f", (b - a) / 1048576), "MiB", "NA", "0")
    }'
