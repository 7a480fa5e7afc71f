# Calibrate: what a model's cosines mean is written into it, and verify and identify say it.
. "$(dirname "$0")/lib.sh"
"$LIKENESS_DRAW" people people 60 4 || exit 1
tiny_net
run 0 train people -o model.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 7 --threads 1
run 0 embed model.safetensors people/person_01/photo_01.jpg
cp out vector
cp model.safetensors plain.safetensors
a=people/person_01/photo_01.jpg
b=people/person_02/photo_01.jpg

# Nobody was trained on in no steps at all, so all may be calibrated on; then no more.
run 0 calibrate model.safetensors people -o calibrated.safetensors --threads 1
out_has '^60 people, 240 photos: 360 pairs of one person, 28320 of two$'
out_has '^ *1e-02  *-*[01]\.[0-9]*  .*  yes$'
cmp -s model.safetensors plain.safetensors || fail '-o: the model itself was changed'
run 3 calibrate calibrated.safetensors people -o again.safetensors
err_has 'trained on 60 of the people .*--trained-people-ok'
missing again.safetensors
run 3 eval calibrated.safetensors --identify people
run 0 calibrate calibrated.safetensors people -o again.safetensors --trained-people-ok --threads 2
cmp -s calibrated.safetensors again.safetensors || fail 'calibrating again gave other bytes'

# The vectors stay, and so does a gallery; in place; as JSON; people left out; pairs.
run 0 embed calibrated.safetensors $a
out_is <vector
run 0 enroll g.gallery --model model.safetensors people --threads 1
run 0 calibrate model.safetensors people --json
out_has '^{"model":"model.safetensors","slope":[0-9.e-]*,"intercept":-*[0-9.e-]*,"doubt":0.0,"threshold_at_far":{"1e-2":[0-9.]*,"1e-3":'
out_has '"people":60,"photos":240,"pairs_same":360,"pairs_different":28320}$'
cmp -s model.safetensors calibrated.safetensors || fail 'in place: other bytes than with -o'
printf '# nobody\nperson_60\nperson_59\r\nAnn\n' >names
run 0 calibrate plain.safetensors people -o some.safetensors --exclude names
out_has '^58 people, 232 photos: '
err_has '^likeness: names: 1 of 3 people are not among these'
run 0 eval some.safetensors --identify people --trained-people-ok
err_has 'trained on 58 of the people'
{
    printf 'fold\tsame\ta\tb\n'
    for i in $(seq 10 29); do
        printf '0\t1\tperson_%d/photo_01.jpg\tperson_%d/photo_02.jpg\n' "$i" "$i"
        for k in $(seq 10 29); do [ "$i" = "$k" ] || printf '0\t0\tperson_%d/photo_03.jpg\tperson_%d/photo_04.jpg\n' "$i" "$k"; done
    done
} >pairs.tsv
run 0 calibrate plain.safetensors --pairs pairs.tsv --root people -o pairs.safetensors
out_has '^20 people, 80 photos: 20 pairs of one person, 380 of two$'
out_has '^too few pairs of two people for a FAR of 1e-3'
cp plain.safetensors few.safetensors
head -60 pairs.tsv >few.tsv
run 3 calibrate few.safetensors --pairs few.tsv --root people
err_has 'pairs of two people: at least 300 are needed'
cmp -s few.safetensors plain.safetensors || fail 'refused, and written all the same'
[ -z "$(find . -name '*.tmp*')" ] || fail 'a temporary file was left'

# verify: threshold by FAR, and what a given threshold means.
run 0 verify model.safetensors $a $a
mask out >masked && cp masked out
out_is <<END
verdict  cosine      l2  threshold    far  probability  quality
same     #  #     #  #         #     #
END
err_empty
run 0 verify model.safetensors $a $a --far 1e-2 --json
out_has '"same":true,.*"far":0.01,"extrapolated":false,"probability":0.[0-9]*,"vector_quality":\[0\.[0-9]*,0\.[0-9]*\]}$'
threshold=$(sed 's/.*"threshold":\([^,]*\),.*/\1/' out)
probability=$(sed 's/.*"probability":\([^,]*\),.*/\1/' out)
run 0 verify model.safetensors $a $a --threshold "$threshold" --json
out_has '"far":0.0[01][0-9e-]*,"extrapolated":false'
run 0 verify model.safetensors $a $a --far 1e-2 --prior 0.001 --json
lower=$(sed 's/.*"probability":\([^,]*\),.*/\1/' out)
awk -v p="$probability" -v q="$lower" 'BEGIN { exit !(q < p) }' || fail "a lower prior: $lower, not below $probability"
run 2 verify model.safetensors $a $b --far 0.2
err_has "'0.2' is not a number from 1e-09 to 0.1"
run 2 verify plain.safetensors $a $b --far 0.01
err_has 'plain.safetensors: the model is not calibrated, so --far cannot be kept'

# How far each vector can be trusted; and a floor for it.
run 0 embed model.safetensors $a $b --json
[ "$(grep -c '"vector_quality":[01]\.[0-9]*,"vector":' out)" -eq 2 ] || fail 'not a quality for each vector'
quality=$(sed -n '1s/.*"vector_quality":\([^,]*\),.*/\1/p' out | awk '{ print $1 - 0.01 }')
run 3 enroll poor.gallery --model model.safetensors --person A $a --min-quality 1
err_has "$a: the vector's quality is 0\.[0-9]*, below 1.000"
run 0 enroll poor.gallery --model model.safetensors --person A $a --min-quality "$quality"
run 2 enroll none.gallery --model plain.safetensors --person A $a --min-quality 0.1
err_has 'min-quality: the model is not calibrated'
missing none.gallery
run 0 eval model.safetensors --all-pairs people --trained-people-ok --map 0 --bootstrap 0 --json
out_has '"reject_vector":{"far":0.01,"points":\[\[0.0,'
run 0 eval plain.safetensors --all-pairs people --map 0 --bootstrap 0 --json
out_has '"reject_vector":null'

# An open set: what the calibrated threshold does.
run 0 eval model.safetensors --identify people --trained-people-ok --gallery-people 20 --gallery-people 50 --map 0
out_has '^FNIR at FPIR 1e-2, 20 enrolled'
out_has '^  at the model.s threshold, 50  *FNIR [0-9.]* %, FPIR [0-9.]* %'
run 3 eval model.safetensors --identify people --trained-people-ok --gallery-people 61
err_has '60 people; 61 were to be enrolled'

# identify: the threshold for the gallery's size; the gallery was made before the model was calibrated.
run 0 identify g.gallery $a -k 1 --fpir 0.5
err_has '^likeness: threshold [01]\.[0-9]*: by the calibration at most 50 % of strangers are taken for somebody of 240 photos'
out_has '^rank  person     photo  *cosine  *l2  probability$'
out_has '^known: person_01'
run 0 identify g.gallery $a -k 2 --fpir 0.5 --json
out_has '"threshold":[01]\.[0-9]*,"fpir":0.[45][0-9]*,"extrapolated":[a-z]*,"faces":'
out_has '"known":true,"probability":0.[0-9]*,"matches":\[{.*"probability":0.[0-9]*},{'
run 2 identify g.gallery $a --model plain.safetensors --fpir 0.01
err_has 'g.gallery: the model is not calibrated, so --fpir cannot be kept'
run 2 identify g.gallery $a --model plain.safetensors
err_has 'no threshold'

# A trained model brings its calibration along, from the people it was validated on, and says what it is.
run 0 train people -o trained.safetensors --net tiny.net --epochs 2 --holdout 0.5 --threads 1 --people 4 --photos 4
err_has 'calibrated on 30 people'
head -c 20000 trained.safetensors | grep -q '"calibration":"{' || fail 'no calibration in the trained model'

# Damaged metadata is an error, not a number.
if command -v python3 >/dev/null; then
    python3 - <<'END'
data = open("model.safetensors", "rb").read()
at = data.index(b"intercept") # of the same length, so that the header stays sound
open("damaged.safetensors", "wb").write(data[:at] + b"Intercept" + data[at + 9:])
END
    run 3 verify damaged.safetensors $a $b
    err_has "damaged.safetensors: metadata 'calibration' is damaged: "
fi

run 3 calibrate no-such.safetensors people
run 3 calibrate plain.safetensors no-such
run 2 calibrate plain.safetensors
err_has 'a model and a folder of people, or --pairs, are needed'
run 2 calibrate plain.safetensors people --pairs pairs.tsv
run 2 calibrate plain.safetensors --pairs pairs.tsv
err_has 'needs --root'
done_testing
