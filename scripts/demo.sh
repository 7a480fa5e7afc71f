#!/bin/bash
# demo.sh: the whole story in a few minutes on two cores, with people who do not exist. What it makes lies in demo/.
#   MINUTES=N   train for so long (default 2.2)
set -euo pipefail
cd "$(dirname "$0")/.."
likeness=build/release/likeness
minutes=${MINUTES:-2.2}
began=$SECONDS

say() { printf '%s\n' "$*"; }
heading() { printf '\n== %s ==\n' "$*"; }
shown() { # the command as one would type it, then do it
    printf '$ likeness'
    printf ' %q' "$@"
    printf '\n'
    "$likeness" "$@"
}

mkdir -p demo
rm -rf demo/*.gallery* demo/*.json* demo/strangers demo/*.csv demo/*.safetensors* demo/report.html demo/gallery demo/probes demo/drawn

heading "1. People who do not exist"
say "A small generative model draws 300 people, 12 photos of each, in changing light, pose and mood."
shown synth demo/known --people 200 --photos 12 --seed 1
shown synth demo/others --people 100 --photos 12 --seed 1 --first 201
say "The detector finds their faces, and where eyes, nose and mouth are (look into demo/drawn):"
shown detect demo/known/person_0001/photo_0[1-4].jpg --draw demo/drawn || [ $? -eq 1 ] # 1: a photo without a face
"$likeness" synth demo/stranger --people 1 --photos 4 --seed 1 --first 301 2>/dev/null

heading "2. Learn faces from 200 of them"
say "Photos of one person are pulled together, photos of different people pushed apart, for $minutes minutes."
shown train demo/known -o demo/faces.safetensors --net small --minutes "$minutes" --seed 1 --log demo/train.csv
say ""
say "For comparison: the same network untrained, and eigenfaces (Turk & Pentland 1991)."
"$likeness" train demo/known -o demo/untrained.safetensors --net small --epochs 0 --seed 1 2>/dev/null
"$likeness" train demo/known -o demo/eigenfaces.safetensors --baseline eigenfaces --seed 1 2>/dev/null

heading "3. How well does it know the 100 people it has never seen?"
# Pairs as LFW has them: 10 folds of people of their own, each of 300 pairs of one person and 300 of two.
awk 'BEGIN {
    state = 1
    print "fold\tsame\ta\tb"
    for (fold = 0; fold < 10; fold++)
        for (i = 0; i < 600; i++) {
            a = below(10); b = i < 300 ? a : (a + 1 + below(9)) % 10
            p = below(12); q = i < 300 ? (p + 1 + below(11)) % 12 : below(12)
            print fold "\t" (i < 300) "\t" name(fold * 10 + a, p) "\t" name(fold * 10 + b, q)
        }
}
function below(n) { state = (state * 16807) % 2147483647; return int(state / 2147483647 * n) } # Park & Miller 1988
function name(person, photo) { return sprintf("person_%04d/photo_%02d.jpg", 201 + person, photo + 1) }' >demo/pairs.tsv
figure() { sed -n "s/.*\"$2\": *\([0-9.e-]*\).*/\1/p" "demo/$1.json"; }
printf '%-22s %22s %18s %12s\n' "" "same or different?" "who of the 100?" ""
printf '%-22s %22s %18s %12s\n' "" "(guessing: 50 %)" "(guessing: 1 %)" "top 5"
for model in untrained eigenfaces faces; do
    "$likeness" eval demo/$model.safetensors --pairs demo/pairs.tsv --root demo/others --identify demo/others \
        --seed 1 --name $model --json >demo/$model.json 2>/dev/null
    awk -v name=$model -v a="$(figure $model accuracy)" -v s="$(figure $model accuracy_se)" \
        -v r="$(figure $model rank1)" -v f="$(figure $model rank5)" 'BEGIN {
        if (name == "faces") name = "trained network"; if (name == "untrained") name = "untrained network"
        printf "%-22s %13.1f +- %.1f %% %16.1f %% %10.1f %%\n", name, 100 * a, 100 * s, 100 * r, 100 * f }'
done

heading "4. Whom do these photos show?"
say "Half the photos of each of the 100 go into a gallery; some of the others are asked about, and one of a stranger."
for person in demo/others/person_*; do
    name=${person##*/}
    mkdir -p "demo/gallery/$name" "demo/probes/$name"
    for photo in 01 02 03 04 05 06; do ln -f "$person/photo_$photo.jpg" "demo/gallery/$name/"; done
    for photo in 07 08 09 10 11 12; do ln -f "$person/photo_$photo.jpg" "demo/probes/$name/"; done
done
shown enroll demo/wanted.gallery --model demo/faces.safetensors demo/gallery
say ""
say ""
# The model's threshold is for one pair of photos. A stranger is compared with 600, and the best of 600 chances counts: so
# strangers are asked about too, and the threshold is what 9 in 10 of their photos stay under.
"$likeness" synth demo/strangers --people 100 --photos 2 --seed 1 --first 401 2>/dev/null
"$likeness" identify demo/wanted.gallery demo/strangers/*/*.jpg -k 1 --threshold -1 --json >demo/strangers.jsonl
threshold=$(sed 's/.*"cosine":\([-0-9.e]*\).*/\1/' demo/strangers.jsonl | sort -g | awk '{ v[NR] = $1 } END { printf "%.3f", v[int(NR * 0.9)] }')
say "Of 200 photos of 100 other strangers, 9 in 10 are less alike than $threshold to anyone here: that is the threshold."
say ""
probes=(demo/probes/person_0207/photo_08.jpg demo/probes/person_0242/photo_10.jpg demo/stranger/person_0301/photo_02.jpg)
shown identify demo/wanted.gallery "${probes[@]}" -k 5 --threshold "$threshold" || [ $? -eq 1 ] # 1: somebody is unknown
say ""
# All 600 of the other photos, one line each.
"$likeness" identify demo/wanted.gallery demo/probes/*/*.jpg -k 1 --threshold "$threshold" --json >demo/all.jsonl || [ $? -eq 1 ]
sed -E 's#.*"photo":"demo/probes/([^/]*)/.*"person":("?[^",]*"?),"known":([a-z]*).*#\1 \2 \3#; s/"//g' demo/all.jsonl |
    awk '{ if ($3 == "false") unknown++; else if ($1 == $2) right++; else wrong++ } END {
        printf "Of all %d other photos of the 100: %d named rightly, %d wrongly, %d called unknown.\n", NR, right, wrong, unknown }'

heading "5. A report to look at"
more=(demo/probes/person_02[1-9]5/photo_09.jpg demo/stranger/person_0301/photo_0[134].jpg)
"$likeness" identify demo/wanted.gallery "${probes[@]}" "${more[@]}" -k 5 --threshold "$threshold" --json >demo/identify.jsonl || [ $? -eq 1 ]
# Who it really is, so that the page can say which answers were right; a stranger is nobody in the gallery.
sed -i -E -e 's#^\{"photo": ?"demo/stranger/#{"truth": null, "photo": "demo/stranger/#' \
    -e 's#^\{"photo": ?"demo/probes/([^/]*)/#{"truth": "\1", "photo": "demo/probes/\1/#' demo/identify.jsonl
shown report -o demo/report.html --title "likeness: the demo" --train demo/train.csv --eval demo/untrained.json \
    --eval demo/eigenfaces.json --eval demo/faces.json --identify demo/identify.jsonl
say "Open demo/report.html in a browser: training curves, ROC, and probes with their suspects."
say ""
say "Done in $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s. With your own photos: see README.md."
