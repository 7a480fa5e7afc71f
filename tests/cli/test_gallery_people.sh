# Galleries as a whole: list, show, rename, remove, export, import, merge, merge-people, dedupe, cluster; what they
# print, and that a mistake changes nothing.
. "$(dirname "$0")/lib.sh"
tiny_world
run 0 enroll a.gallery --model model.safetensors people --threads 1

# show, rename, remove-photo
run 0 gallery a.gallery show person_02 --tsv
[ "$(head -1 out)" = "id	photo	added	quality	crop	source" ] || fail 'show: the header differs'
cut -f1,2 out | sed 1d >shown
printf '%s\t%s\n' 5 people/person_02/photo_01.jpg 6 people/person_02/photo_02.jpg 7 people/person_02/photo_03.jpg \
    8 people/person_02/photo_04.jpg >wanted
cmp -s shown wanted || fail 'show: the photos differ'
run 0 gallery a.gallery show person_02 --json
out_has '^{"id":5,"person":"person_02","photo":"people/person_02/photo_01.jpg","added":"20'
run 3 gallery a.gallery show nobody
out_empty
err_has 'a.gallery: nobody is called "nobody"'
run 0 gallery a.gallery rename person_02 Ann --json
out_has '^{"from":"person_02","person":"Ann"}$'
run 3 gallery a.gallery rename person_02 Bob
err_has 'nobody is called "person_02"'
run 2 gallery a.gallery rename Ann person_01
err_has 'somebody is called "person_01" already'
run 0 gallery a.gallery remove-photo 8 --tsv
out_has '^removed	8$'
run 3 gallery a.gallery remove-photo 8
err_has 'there is no photo 8'

# export and import: the same bytes
run 0 gallery a.gallery export out1 --json
out_is <<END
{"folder":"out1","people":6,"photos":23}
END
run 2 gallery a.gallery export out1
err_has 'out1: is there already'
run 0 gallery b.gallery import out1
err_has 'b.gallery: imported 23 photos; the gallery is new'
run 0 gallery b.gallery export out2
diff -r out1 out2 >/dev/null || fail 'export, import, export: the bytes differ'
run 0 gallery a.gallery audit --json
out_has '"action":"export"'
sed -i '3s/"person":"person_01",//' out2/photos.jsonl
run 3 gallery c.gallery import out2
err_has 'out2/photos.jsonl:3: "person" is missing'
missing c.gallery
run 3 gallery b.gallery import nowhere
err_has 'nowhere/vectors.safetensors'
run 0 train people -o other.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 8 --threads 1
run 3 gallery c.gallery import out1 --model other.safetensors
err_has 'holds vectors of model'
missing c.gallery
run 0 enroll o.gallery --model other.safetensors people/person_01/photo_01.jpg --person x
run 3 gallery o.gallery import out1
err_has 'holds vectors of model'
run 3 gallery o.gallery merge a.gallery
err_has 'holds vectors of model'
python=/usr/bin/python3
if $python -c 'import numpy' 2>/dev/null; then
    $python - <<'END' || fail 'Python reads something else'
import json, numpy
raw = open("out1/vectors.safetensors", "rb").read()
size = int.from_bytes(raw[:8], "little")
head = json.loads(raw[8:8 + size])
def tensor(name, kind):
    t = head[name]
    a, b = t["data_offsets"]
    return numpy.frombuffer(raw[8 + size + a:8 + size + b], kind).reshape(t["shape"])
lines = [json.loads(x) for x in open("out1/photos.jsonl")]
v = tensor("vectors", "<f4")
assert v.shape == (23, 16) and len(lines) == 23
assert numpy.allclose((v * v).sum(1), 1, atol=1e-4)
assert list(tensor("ids", "<i8")) == list(range(1, 8)) + list(range(9, 25))
assert lines[4]["person"] == "Ann" and lines[4]["photo"] == "people/person_02/photo_01.jpg"
END
fi

# merge: people of the same name are the same, or not
run 0 gallery b.gallery rename person_06 Zed
run 0 gallery b.gallery merge a.gallery --json
out_is <<END
{"people":1,"photos":4,"joined":5,"renamed":0,"kept":19}
END
run 0 gallery b.gallery merge a.gallery --rename --json
out_has '"renamed":6,'
run 0 gallery b.gallery list --tsv
out_has '^Ann (2)	3	'

# dedupe: those who came twice are alike, photo by photo
run 0 gallery b.gallery dedupe --threshold 0.9999 --tsv
out_has '^[01]\.[0-9]*	[01]\.[0-9]*	Ann	3	Ann (2)	3	people/person_02/'
out_has 'person_06	4	person_06 (2)	4'
err_has 'not known, for the model is not calibrated'
cp out before
run 2 gallery b.gallery dedupe --merge
err_has 'say from which --threshold'
run 0 gallery b.gallery dedupe --threshold 0.9999 --report twice.html --tsv
cmp -s out before || fail 'dedupe: the second time another answer'
grep -q 'person_03 (2)' twice.html || fail 'the page lacks a person'
run 2 gallery b.gallery dedupe
err_has 'has no threshold: give --threshold'
run 0 gallery b.gallery merge-people person_01 'person_01 (2)' Zed --json
out_is <<END
{"person":"person_01","merged":2,"photos":8}
END
run 0 gallery b.gallery show person_01 --tsv
out_has '	people/person_01/photo_01.jpg (2)	'
run 3 gallery b.gallery merge-people person_01 'person_01 (2)'
run 2 gallery b.gallery merge-people Ann Ann
err_has 'cannot be merged with themselves'

# cluster
tiny_labels() { run 0 gallery cluster people --model model.safetensors --threshold "$1" --labels --tsv --threads 1; }
tiny_labels 1
out_has '^bcubed_precision	1.0000$'
tiny_labels -1
out_has '^groups	1$'
out_has '^bcubed_recall	1.0000$'
out_has '^bcubed_precision	0.1667$'
run 0 gallery cluster people --model model.safetensors --threshold -1 -o grouped --report sheet.html --json --threads 1
out_has '^{"group":"person_0001","faces":\[{"photo":"people/'
[ "$(ls grouped)" = person_0001 ] || fail 'not one group'
[ "$(ls grouped/person_0001 | wc -l)" -eq 24 ] || fail 'not all photos'
cmp -s people/person_03/photo_02.jpg grouped/person_0001/person_03_photo_02.jpg || fail 'a photo differs'
grep -q '<h3>person_0001' sheet.html || fail 'the page lacks the group'
run 3 gallery cluster people --model model.safetensors --threshold -1 -o grouped --threads 1
err_has 'grouped: the folder is not empty'
run 2 gallery cluster people --model model.safetensors --threads 1
err_has 'has no threshold: give --threshold'
run 0 gallery cluster people --model model.safetensors --threshold 0.99 --least 25 --tsv --threads 1
[ "$(sed 1d out | cut -f1 | sort -u)" = others ] || fail 'small groups are no people'

# --keep-crops, and another model: from crops, then from the photos; a photo that is gone is not lost silently
run 0 enroll k.gallery --model model.safetensors people --keep-crops --threads 1
run 0 enroll k.gallery --person Late people/person_01/photo_01.jpg --threads 1
run 0 gallery k.gallery show person_03 --json
out_has '"source":"/.*/people/person_03/photo_01.jpg",.*,"crop":[1-9]'
run 0 gallery k.gallery show Late --json
out_has '"source":"/.*/people/person_01/photo_01.jpg",.*,"crop":null'
run 0 gallery k.gallery export kept
exists kept/crops.safetensors
run 0 gallery k2.gallery import kept
run 0 gallery k2.gallery export kept2
diff -r kept kept2 >/dev/null || fail 'export, import, export with crops: the bytes differ'
run 0 gallery k2.gallery export bare --no-crops
missing bare/crops.safetensors
run 2 gallery k.gallery reenroll
err_has 'say which --model'
run 3 gallery k.gallery reenroll --model model.safetensors
err_has 'of this very model already'
mv people/person_01/photo_01.jpg away.jpg
run 3 gallery k.gallery reenroll --model other.safetensors --threads 1
err_has '1 missing: 1 unreadable'
err_has 'people/person_01/photo_01.jpg'
run 0 gallery k.gallery info --json
cp out unchanged
run 0 gallery k2.gallery info --json
[ "$(grep -o '"fingerprint":"[^"]*"' out)" = "$(grep -o '"fingerprint":"[^"]*"' unchanged)" ] || fail 'it was changed'
mv away.jpg people/person_01/photo_01.jpg
mv people away
run 3 gallery k.gallery reenroll --model other.safetensors --threads 1
err_has '25 photos, 0 embedded now, 1 missing'
mv away people
run 0 gallery k.gallery reenroll --model other.safetensors --threads 1
err_has '25 photos, 1 embedded now, 0 missing'
exists k.gallery.before
missing k.gallery.reenrolled
run 0 gallery k.gallery export new
cmp -s new/photos.jsonl kept/photos.jsonl || fail 'a name, a time or a source was lost'
cmp -s new/vectors.safetensors kept/vectors.safetensors && fail 'the vectors are the old ones'
# The part of a photo that enroll was told of: from the photos reenroll has to be told again.
run 0 enroll part.gallery --model model.safetensors people --crop 0.6 --threads 1
run 0 gallery part.gallery reenroll --model other.safetensors --crop 0.6 --threads 1
run 0 gallery part.gallery export part
run 0 enroll fresh.gallery --model other.safetensors people --crop 0.6 --threads 1
run 0 gallery fresh.gallery export fresh
cmp -s part/vectors.safetensors fresh/vectors.safetensors || fail 'reenroll --crop: not the vectors of enroll --crop'
# Killed at any moment: the same command goes on, and comes to the same end.
cp k.gallery.before killed.gallery
for seconds in 0.05 0.1 0.2 0.3 0.5; do
    (exec timeout -s KILL $seconds "$LIKENESS" gallery killed.gallery reenroll --model other.safetensors --threads 1 \
        >out 2>err </dev/null) 2>/dev/null || true
    [ -e killed.gallery.before ] && break
    run 0 gallery killed.gallery list --tsv
    [ "$(wc -l <out)" -eq 8 ] || fail 'somebody is missing after a kill'
done
[ -e killed.gallery.before ] || run 0 gallery killed.gallery reenroll --model other.safetensors --threads 1
run 0 gallery killed.gallery export after
cmp -s new/photos.jsonl after/photos.jsonl || {
    sort new/photos.jsonl >a && sort after/photos.jsonl >b && cmp -s a b
} || fail 'killed: a photo was lost'
[ "$(wc -c <new/vectors.safetensors)" -eq "$(wc -c <after/vectors.safetensors)" ] || fail 'killed: vectors differ'
# The vectors from crops are nearly those from the photos.
run 0 identify k.gallery people/person_05/photo_02.jpg -k 1 --threshold 0 --json --model other.safetensors
out_has '"photo":"people/person_05/photo_02.jpg","cosine":[01].*'
done_testing
