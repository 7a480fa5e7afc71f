#!/bin/bash
# detect.sh: faces found in photos beside OpenCV's cascades and dlib's HOG detector: how many of those that the teacher
# (bench/labels.cjs) finds, how many false ones, where the five points are, and how fast. All in one run.
#
# Photos: those of $LIKENESS_FACES/photos (../shared/faces/photos if it is not set), JPEG, upright as stored. How they are
# counted: bench/score_detect.py. What the teacher says is kept in build/peers/detect.*.jsonl. The model is
# models/detect.safetensors, or $MODEL.
#
# A peer is used in every way that may suit it, and the best counts, in finding as in speed: what stands for a cascade's
# confidence, threads of its own or photos shared out, photos doubled. (Equalizing histograms, also common, made every
# cascade worse on these photos: 0.5 to 3 points of recall at the same false faces.)
seconds=4
cd "$(dirname "$0")/.."
photos=${LIKENESS_FACES:-../shared/faces}/photos
if ! find -L "$photos" -iname '*.jp*g' -print -quit 2>/dev/null | grep -q .; then
    echo "No photos in $photos: set LIKENESS_FACES to a folder with photos/*.jpg in it" >&2
    printf 'what\tours\tpeer\tunit\tratio\tgoal\n'
    exit 0
fi
packages=bench_detect
. bench/compare.bash
model=${MODEL:-models/detect.safetensors}
ours=build/release/bench_detect
photos=$(realpath "$photos")
find -L "$photos" -iname '*.jp*g' | LC_ALL=C sort >"$scratch/photos"
/usr/bin/python3 bench/score_detect.py --check

# ---- the truth ----------------------------------------------------------------------------------------------------
mkdir -p build/peers
waiting=() labels=
for ((part = 0; part < cores; part++)); do
    out=build/peers/detect.$part-$cores.jsonl labels+=${labels:+,}$out
    # The first alone, so that one process installs what is missing.
    if [ "$part" = 0 ]; then node bench/labels.cjs <(head -1 "$scratch/photos") "$out" >&2; fi
    node bench/labels.cjs "$scratch/photos" "$out" "$part" "$cores" >&2 &
    waiting+=($!)
done
for process in "${waiting[@]}"; do wait "$process"; done

# ---- what each finds ----------------------------------------------------------------------------------------------
haar() { /usr/bin/python3 bench/peer_opencv.py haarcascades/haarcascade_frontalface_"$@"; }
lbp() { /usr/bin/python3 bench/peer_opencv.py lbpcascades/lbpcascade_"$@"; }
hog() { "$scratch/peer_dlib" "$@"; }
detect() { "$ours" --model "$model" --threads "$cores" "$@"; }
# Debian's dlib has its detector in headers, so it is built for this very processor, as dlib's own documents advise.
g++ -std=c++17 -O3 -march=native bench/peer_dlib.cc -o "$scratch/peer_dlib" $(pkg-config --cflags --libs dlib-1) 2>"$scratch/log" ||
    echo "dlib's detector cannot be built: $(grep -m1 -E 'error|not found' "$scratch/log")" >&2

# found WAY COMMAND...: the faces of all photos in a file WAY.tsv, no file if it does not run; as many at once as there
# are cores, for nothing is timed yet
found() {
    while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n || true; done
    echo "finding: $1" >&2
    {
        if "${@:2}" >"$scratch/$1.part" 2>"$scratch/$1.log"; then
            mv "$scratch/$1.part" "$scratch/$1.tsv"
        else
            echo "    $1 does not run: $(tail -1 "$scratch/$1.log")" >&2
        fi
    } &
}
list=$scratch/photos
found ours detect --min-face 24 "$list"
found ours_low detect --min-face 20 --confidence 0.1 "$list" # 20: boxes are moved before they are counted
for cascade in alt2 default; do
    for method in neighbours levels3 levels5; do found "haar_$cascade-$method" haar $cascade find "$list" $method; done
done
for method in neighbours levels3; do found "lbp-$method" lbp frontalface find "$list" $method; done
for method in neighbours neighbours+twice; do found "lbp_improved-$method" lbp frontalface_improved find "$list" $method; done
for up in 0 1 2; do found "hog-up$up" hog find "$list" $up; done
wait

header
files() { find "$scratch" -name "$1*.tsv" | sort | paste -sd, -; } # WAY
[ -f "$scratch/ours.tsv" ] && [ -f "$scratch/ours_low.tsv" ] && mine=("$scratch/ours.tsv" "$scratch/ours_low.tsv") || mine=(- -)
/usr/bin/python3 bench/score_detect.py "$labels" "$list" "${mine[@]}" \
    "Haar cascade alt2=$(files haar_alt2-)" "Haar cascade default=$(files haar_default-)" \
    "LBP cascade=$(files lbp-)" "LBP cascade improved=$(files lbp_improved-)" "HOG of dlib=$(files hog-)"

# ---- how fast -----------------------------------------------------------------------------------------------------
# Frames of 640 x 480 full of these photos, spread over the list.
frames=${FRAMES:-${QUICK:+8}}
frames=${frames:-32}
mkdir "$scratch/frames"
awk -v n="$(wc -l <"$list")" -v want=$((2 * frames)) 'BEGIN { step = n > want ? n / want : 1 } NR > next_one { print; next_one += step }' \
    "$list" >"$scratch/some"
"$ours" --frames "$scratch/frames" "$scratch/some" | head -n "$frames" >"$scratch/shots" || true
shots=$scratch/shots
: >"$runs"
clear_sides
export OMP_NUM_THREADS=$cores
side ours_f32 detect --min-face 24 --seconds "$seconds" "$shots"
side ours_bf16 detect --min-face 24 --precision bf16 --seconds "$seconds" "$shots"
for how in own shared; do
    side "haar_alt2_$how" haar alt2 time "$shots" "$seconds" $how
    side "haar_default_$how" haar default time "$shots" "$seconds" $how
    side "lbp_plain_$how" lbp frontalface time "$shots" "$seconds" $how
    side "lbp_improved_$how" lbp frontalface_improved time "$shots" "$seconds" $how
done
side hog_up0 hog time "$shots" 0 "$seconds"
side hog_up1 hog time "$shots" 1 "$seconds"
play "detect in $(wc -l <"$shots") frames of 640x480"
f32=$(median ours_f32)
row "detect 640x480, $cores cores" photos/s "30 photos/s" "$f32" -
row "detect 640x480, $cores cores, bf16" photos/s "30 photos/s" "$(median ours_bf16)" -
row "detect 640x480, Haar cascade alt2" photos/s 1 "$f32" "$(best haar_alt2)"
row "detect 640x480, Haar cascade default" photos/s 1 "$f32" "$(best haar_default)"
row "detect 640x480, LBP cascade" photos/s 1 "$f32" "$(best lbp_plain)"
row "detect 640x480, LBP cascade improved (faces from 45 px)" photos/s 1 "$f32" "$(best lbp_improved)"
row "detect 640x480, HOG of dlib (faces from 80 px)" photos/s 1 "$f32" "$(best hog_up0)"
row "detect 640x480, HOG of dlib, doubled (faces from 40 px)" photos/s 1 "$f32" "$(best hog_up1)"
