# Results: what embed, verify, eval, enroll, identify and gallery print, for people and for programs.
. "$(dirname "$0")/lib.sh"
tiny_world
a=people/person_01/photo_01.jpg
b=people/person_01/photo_02.jpg
c=people/person_02/photo_01.jpg

# embed
run 0 embed model.safetensors $a $b --threads 1
[ "$(wc -l <out)" -eq 2 ] || fail 'not one line a photo'
[ "$(head -1 out | cut -f1)" = $a ] || fail 'the line does not begin with its photo'
[ "$(head -1 out | cut -f2 | wc -w)" -eq 16 ] || fail 'not 16 numbers'
head -1 out | cut -f2 | tr ' ' '\n' | awk '{ s += $1 * $1 } END { exit !(s > 0.9999 && s < 1.0001) }' ||
    fail 'the norm is not 1'
run 0 embed model.safetensors $a --json
out_has "^{\"photo\":\"$a\",\"vector_quality\":null,\"vector\":\[-*[0-9]"
run 0 embed model.safetensors $a $b $c --format npy -o v.npy
out_empty
[ "$(wc -c <v.npy)" -eq $((128 + 3 * 16 * 4)) ] || fail 'v.npy has the wrong size'
head -c 6 v.npy | tail -c 5 | grep -q NUMPY || fail 'v.npy has no magic'
head -c 128 v.npy | grep -aq "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 16), }" || fail 'v.npy: header'
run 0 embed model.safetensors $a $b $c -o v.txt
[ "$(wc -l <v.txt)" -eq 3 ] || fail 'v.txt has not 3 lines'
[ -z "$(find . -name '*.tmp.*')" ] || fail 'a temporary file was left'
run 0 embed model.safetensors $c people/person_01 --threads 1 # a folder is its photos, by name
cut -f1 out >names
printf '%s\n' $c people/person_01/*.jpg | cmp -s - names || fail "the names are not those: $(cat names)"
grep -qxF "$(sed -n 1p v.txt)" out || fail 'in a folder a photo has another vector'
mkdir nothing
run 3 embed model.safetensors nothing
err_has 'there are no photos in this folder'

# verify: a photo with itself has cosine 1, and no photo reaches a threshold above its cosine.
run 0 verify model.safetensors $a $a --threshold 0.999
mask out >masked && cp masked out
out_is <<END
verdict  cosine      l2  threshold  far  probability  quality
same     #  #     #   NA           NA       NA
END
run 0 verify model.safetensors $a $a --threshold 0.999 --json
out_has "^{\"a\":\"$a\",\"b\":\"$a\",\"same\":true,\"cosine\":[01].*,\"l2\":.*,\"threshold\":0.999,\"far\":null,\"extrapolated\":false,\"probability\":null,\"vector_quality\":\[null,null\]}$"
run 1 verify model.safetensors $a $c --threshold 1 --tsv
out_has '^different	'
run 2 verify model.safetensors $a $c
err_has 'no threshold .* give --threshold'

# eval: pairs of two folds, of which one names a photo that is not there.
{
    printf 'fold\tsame\ta\tb\n'
    for p in 01 02 03 04 05 06; do
        printf '%d\t1\tperson_%s/photo_01.jpg\tperson_%s/photo_02.jpg\n' $((10#$p % 2)) $p $p
        printf '%d\t0\tperson_%s/photo_03.jpg\tperson_0%d/photo_04.jpg\n' $((10#$p % 2)) $p $((10#$p % 6 + 1))
    done
} >pairs.tsv
run 0 eval model.safetensors --pairs pairs.tsv --root people --identify people --gallery-photos 2 --seed 5 --json
keys='"name" "model" "accuracy" "accuracy_se" "auc" "eer" "threshold" "pairs" "tar_at_far" "rank1" "rank5"
    "people" "photos" "roc" "cmc"'
for key in $keys; do out_has "$key:"; done
out_has '"name":"model","model":"model.safetensors"'
out_has '"pairs":12,"tar_at_far":{"1e-1":null,"1e-2":null,"1e-3":null,"1e-4":null}'
out_has '"people":6,'
out_has '"photos":24,'
out_lacks 'nan'
# The same again, but for what is told of the run itself: time, speed, memory.
sed 's/,"run":{[^}]*}}$/}/' out >first
run 0 eval model.safetensors --pairs pairs.tsv --root people --identify people --gallery-photos 2 --seed 5 --json --threads 1
sed -i 's/,"run":{[^}]*}}$/}/' out
out_is <first
run 0 eval model.safetensors --pairs pairs.tsv --root people --tsv
out_has '^metric	value$'
out_has '^rank1	NA$'
out_has '^tar_at_far_1e-4	NA$'
out_has '^accuracy_interval_low	[01]'
out_has '^run_precision	f32$'
out_lacks '^roc'
run 0 eval model.safetensors --identify people --limit-people 3
out_has '^people  *3 (6 photos enrolled, 6 probes)'
out_has '^rank-1  *[0-9.]* %$'
out_lacks 'accuracy'
printf '1\t0\tperson_01/photo_01.jpg\tgone.jpg\n' >>pairs.tsv
run 0 eval model.safetensors --pairs pairs.tsv --root people
err_has '^likeness: people/gone.jpg: '
err_has '^likeness: pairs.tsv: 1 of 13 pairs left out'
out_has '^pairs  *12 (6 same, 6 different)'

# enroll, gallery, identify
run 0 enroll g.gallery --model model.safetensors people --threads 1
out_is <<END
enrolled 24 photos, skipped 0; the new gallery now holds 6 people in 24 photos
END
cp $a me.jpg
run 0 enroll g.gallery --person 'Zoë Ångström' me.jpg
out_has 'now holds 7 people in 25 photos'
run 0 enroll g.gallery --person 'Zoë Ångström' me.jpg
out_has 'now holds 7 people in 25 photos'
run 0 gallery g.gallery list --tsv
cut -f1,2 out >listed && cp listed out
out_is <<END
person	photos
Zoë Ångström	1
person_01	4
person_02	4
person_03	4
person_04	4
person_05	4
person_06	4
END
run 0 gallery g.gallery info --json
out_has '"people":7,"photos":25,"dim":16,"threshold":null,'
run 0 gallery g.gallery remove 'Zoë Ångström'
err_has 'removed Zoë Ångström and 1 photo'
run 3 gallery g.gallery remove nobody
run 2 identify g.gallery $a
err_has 'give --threshold'
run 0 identify g.gallery $a -k 2 --threshold 0.999
mask out >masked && cp masked out
out_has "^ *1  person_01  $a  *#  *#"
out_has '^known: person_01'
run 0 identify g.gallery $a $c -k 1 --threshold 0.999 --json
[ "$(wc -l <out)" -eq 2 ] || fail 'not one object a line'
out_has "^{\"photo\":\"$c\",\"threshold\":0.999,\"fpir\":null,\"extrapolated\":false,\"faces\":\[{\"box\":null,\"points\":null,\"confidence\":null,\"quality\":null,\"vector_quality\":null,\"person\":\"person_02\",\"known\":true,\
\"probability\":null,\"matches\":\[{\"person\":\"person_02\",\"photo\":\"$c\",\"cosine\":[01]"
run 0 identify g.gallery $a -k 3 --threshold 0.999 --tsv
[ "$(head -1 out)" = "probe	rank	person	photo	cosine	l2	probability	known	face	x	y	width	height" ] || fail 'the header differs'
[ "$(wc -l <out)" -eq 4 ] || fail 'not 3 matches'
run 1 identify g.gallery $a --threshold 1 --crop 0.3 -k 1
out_has '^unknown (best cosine '

# --precision: f32 is what no option gives; bf16 gives other vectors that point the same way.
run 0 embed model.safetensors $a $b $c --precision f32 -o f32.txt
cmp -s v.txt f32.txt || fail '--precision f32 is not the default'
refusal='^likeness: with --precision bf16: net: bf16 needs a processor with AVX512_BF16'
if "$LIKENESS" embed model.safetensors $a --precision bf16 2>&1 | grep -q "$refusal"; then
    echo 'no bf16 on this processor: only that it is refused is looked at'
else
    run 0 embed model.safetensors $a $b $c --precision bf16 -o bf16.txt
    paste f32.txt bf16.txt | awk -F '\t' '
        { n = split($2, x, " "); split($4, y, " "); dot = differ = 0
          for (i = 1; i <= n; i++) { dot += x[i] * y[i]; differ += x[i] != y[i] }
          good += $1 == $3 && n == 16 && differ > 0 && dot > 0.99 }
        END { exit good != 3 }' || fail 'bf16 gives the vectors of f32, or others altogether'
    # Every verb passes it on: its figures are those of bf16.
    run 0 verify model.safetensors $a $b --threshold -1 --json
    cp out f32.json
    run 0 verify model.safetensors $a $b --threshold -1 --json --precision bf16
    ! cmp -s out f32.json || fail 'verify computes bf16 as f32'
    run 0 eval model.safetensors --pairs pairs.tsv --root people --json
    cp out f32.json
    run 0 eval model.safetensors --pairs pairs.tsv --root people --json --precision bf16
    ! cmp -s out f32.json || fail 'eval computes bf16 as f32'
    run 0 identify g.gallery $a -k 1 --threshold 0.99 --json
    cp out f32.json
    run 0 identify g.gallery $a -k 1 --threshold 0.99 --json --precision bf16
    out_has '"person":"person_01","known":true'
    ! cmp -s out f32.json || fail 'identify computes bf16 as f32'
    run 0 enroll half.gallery --model model.safetensors people --precision bf16
    run 0 identify half.gallery $a -k 1 --threshold 0.99 --json
    out_has '"person":"person_01","known":true'
    ! cmp -s out f32.json || fail 'enroll computes bf16 as f32'
fi
# A processor without bf16 (the environment makes oneDNN take this one for such) says so, and nothing is made.
export ONEDNN_MAX_CPU_ISA=AVX2
for arguments in "embed model.safetensors $a -o refused" "verify model.safetensors $a $b --threshold 0" \
    'eval model.safetensors --identify people' "identify g.gallery $a --threshold 0" \
    'enroll refused --model model.safetensors people'; do
    # shellcheck disable=SC2086
    run 2 $arguments --precision bf16
    out_empty
    err_has "$refusal"
    missing refused
done
unset ONEDNN_MAX_CPU_ISA
done_testing
