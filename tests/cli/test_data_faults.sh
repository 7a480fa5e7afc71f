# data: of faults made on purpose in folders of people who do not exist, so many are found, and so many of the findings
# are such faults. The same over real people where there are some ($LIKENESS_FACES, as in test_data_faces.sh).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/faults.sh"
models=$LK_SOURCE/models
for need in people face-small detect; do [ -r "$models/$need.safetensors" ] || exit 77; done
"$LIKENESS" synth from --people 60 --photos 8 --seed 5 --model "$models/people.safetensors" 2>/dev/null || exit 1
rm from/.likeness-synth
faults_make from faulty
cp -r faulty before
run 1 data check faulty --model "$models/face-small.safetensors" --detector "$models/detect.safetensors" --tsv \
    --fix moved --fix-labels
cp out found.tsv
copies() {
    faults_score unreadable
    faults_at_least 'unreadable: recall' "$found" "$made" 1
    faults_at_least 'unreadable: precision' "$true" "$told" 1
    faults_score duplicate
    faults_at_least 'duplicate: recall' "$found" "$made" 1
    faults_score near-duplicate
    faults_at_least 'near-duplicate: recall' "$found" "$made" 0.95
    faults_score near-duplicate-across
    faults_at_least 'near-duplicate-across: recall' "$found" "$made" 1
}
copies
faults_score near-duplicate
faults_at_least 'near-duplicate: precision' "$true" "$told" 1
faults_score near-duplicate-across
faults_at_least 'near-duplicate-across: precision' "$true" "$told" 1
faults_score wrong-label outlier
faults_at_least 'wrong-label: recall' "$found" "$made" 0.8
faults_at_least 'wrong-label: precision' "$true" "$told" 0.85
# Of few people with few photos little can be told; what is told should be so.
faults_score same-person
faults_at_least 'same-person: found' "$found" 1 1
faults_at_least 'same-person: precision' "$true" "$told" 0.5
[ "$(grep -c '^no-face' found.tsv)" -le 10 ] || fail 'faces were not found'

# --fix-labels moved the wrong photos too, and with undo they are back.
wrong=$(find moved -name 'moved_*' -o -name 'absent_*' | wc -l)
[ "$wrong" -ge 15 ] || fail "only $wrong wrong photos were moved"
# Of two copies under two names the wrong one was known, and the right one stays.
kept=$(awk -F'\t' '$1 == "near-duplicate-across" && $9 != "both"' found.tsv | wc -l)
[ "$kept" -ge 6 ] || fail "only $kept of the copies under two people were settled"
run 0 data undo moved
diff -r faulty before >difference || { fail 'not everything came back'; head -5 difference; }
done_testing
