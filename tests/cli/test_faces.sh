# Faces: the shipped model on photos of real people it was not trained on, where such photos are ($LIKENESS_FACES; they are
# not part of this project). The bounds lie two standard errors under the figures of models/face-small.md.
faces=${LIKENESS_FACES:-$LK_SOURCE/../shared/faces}
[ -d "$faces" ] && faces=$(cd "$faces" && pwd)
. "$(dirname "$0")/lib.sh"
model=$LK_SOURCE/models/face-small.safetensors
for need in "$faces/lfw_pairs.tsv" "$faces/orl_pairs.tsv" "$faces/lfw" "$faces/orl"; do
    [ -e "$need" ] || { echo "skipped: no $need"; exit 77; }
done

# at_least KEY BOUND: a figure of the JSON in out.
at_least() {
    value=$(grep -o "\"$1\":[0-9.]*" out | head -1 | cut -d: -f2)
    awk -v v="${value:-0}" -v b="$2" 'BEGIN { exit !(v >= b) }' || fail "$1 is ${value:-missing}, expected at least $2"
    echo "$1 $value"
}

# A fifth of the pairs, two folds of ten, is enough to see a broken model; all of them are for the card.
awk -F'\t' 'NR == 1 || $1 < 2' "$faces/lfw_pairs.tsv" >pairs.tsv
run 0 eval "$model" --detector "$LK_SOURCE/models/detect.safetensors" --pairs pairs.tsv --root "$faces/lfw" --json
at_least accuracy 0.95
run 0 eval "$model" --detector "$LK_SOURCE/models/detect.safetensors" --identify "$faces/orl" --gallery-photos 1 --json
at_least rank1 0.97
done_testing
