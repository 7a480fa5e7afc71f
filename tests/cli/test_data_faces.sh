# data: faults made on purpose in photos of real people, where such photos are ($LIKENESS_FACES; they are not part of
# this project): how many are found, and of what is found in the whole set how much was made. Those people were trained
# on, so the figures of labels are better than they will be on others.
faces=${LIKENESS_FACES:-$LK_SOURCE/../shared/faces}
[ -d "$faces" ] && faces=$(cd "$faces" && pwd)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
models=$LK_SOURCE/models
for need in "$faces/train/cfp" "$models/face-small.safetensors" "$models/detect.safetensors"; do
    [ -e "$need" ] || { echo "skipped: no $need"; exit 77; }
done

# Pictures: all 200 people, whose photos hold copies of each other that nobody made here; 51 of them were looked at, and
# were copies. So precision is that of findings across people.
faults_make "$faces/train/cfp" faulty
run 1 data check faulty --no-model --tsv
cp out found.tsv
faults_score unreadable
faults_at_least 'unreadable: recall' "$found" "$made" 1
faults_score near-duplicate
faults_at_least 'near-duplicate: recall' "$found" "$made" 0.97
faults_score near-duplicate-across
faults_at_least 'near-duplicate-across: recall' "$found" "$made" 1
faults_at_least 'near-duplicate-across: precision' "$true" "$told" 0.8

# Labels: 60 of the people, for time.
mkdir some
ls "$faces/train/cfp" | head -60 | while read -r person; do cp -r "$faces/train/cfp/$person" some/; done
faults_make some faulty
run 1 data check faulty --model "$models/face-small.safetensors" --detector "$models/detect.safetensors" --tsv
cp out found.tsv
faults_score wrong-label outlier
faults_at_least 'wrong-label: recall' "$found" "$made" 0.6
faults_at_least 'wrong-label: precision' "$true" "$told" 0.8
done_testing
