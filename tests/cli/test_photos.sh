# Photos as they come: detect, crop, and the verbs that embed, on photos composed here of people who do not exist, with
# the detector that the project ships. Faces are large and plain, so that any detector worth shipping finds them; how
# good it is, is measured elsewhere.
. "$(dirname "$0")/lib.sh"
detector=${LIKENESS_DETECTOR:-$LK_SOURCE/models/detect.safetensors}
for need in "$detector" "$LK_SOURCE/models/people.safetensors"; do
    [ -r "$need" ] || { echo "skipped: no $need"; exit 77; }
done
mkdir models && cp "$detector" models/detect.safetensors # where every verb looks first
draw() { command="draw $*"; "$LIKENESS_DRAW" "$@" || fail 'cannot draw'; }
# field NAME: all values of a number of the JSON in out, one a line.
field() { grep -o "\"$1\":-*[0-9.]*" out | cut -d: -f2; }
faces() { # N: so many faces in the JSON in out
    n=$(grep -o '"box":\[' out | wc -l)
    [ "$n" -eq "$1" ] || fail "$n faces, expected $1"
}

run 0 synth people --people 6 --photos 4 --seed 3 --model "$LK_SOURCE/models/people.safetensors"
for p in 1 2 3 4; do cp people/person_000$p/photo_01.jpg p$p.jpg; done
draw scene group.png 640 480 p1.jpg 40 60 200 p2.jpg 280 120 150 p3.jpg 470 200 120
draw scene wall.png 320 240
draw scene border.jpg 400 300 p1.jpg -30 -40 220
draw scene small.png 640 480 p4.jpg 300 200 80
draw lying group.png lying.jpg
draw grey group.png grey.png
draw scene dark.png 1600 1200 p1.jpg 200 200 400 p2.jpg 900 300 400
head -c 900 p1.jpg >damaged.jpg

# ---- detect ----
run 0 detect group.png --json --threads 1
faces 3
out_has '^{"photo":"group.png","width":640,"height":480,"faces":\[{"box":\[[0-9.]*,[0-9.]*,[0-9.]*,[0-9.]*\],"points":\[\[[0-9.]*,'
[ "$(field confidence | awk '$1 > 0 && $1 <= 1' | wc -l)" -eq 3 ] || fail 'confidence is not 0 to 1'
[ "$(field quality | awk '$1 >= 0 && $1 <= 1' | wc -l)" -eq 3 ] || fail 'quality is not 0 to 1'
cp out upright.json
run 0 detect group.png --tsv
[ "$(head -1 out | cut -f1-8)" = 'photo	face	x	y	width	height	confidence	quality' ] || fail 'the header differs'
# Widest first, and each in the photo it belongs to, with the eyes over the mouth and left of right.
awk -F '\t' 'NR > 1 { split($9, l, ","); split($10, r, ","); split($12, m, ",")
    left = NR == 2 ? 40 : NR == 3 ? 280 : 470; width = NR == 2 ? 200 : NR == 3 ? 150 : 120
    good += $2 == NR - 1 && $3 > left && $3 + $5 < left + width && l[1] < r[1] && l[2] < m[2] && l[1] > $3 && r[1] < $3 + $5 }
    END { exit good != 3 }' out || fail 'boxes and points are not where the faces are'
run 0 detect group.png
[ "$(wc -l <out)" -eq 4 ] || fail 'not one line a face'
# EXIF: the same places. Grey, at the border, large, and a crop that is nothing but a face: found.
run 0 detect lying.jpg --json
out_has '"width":640,"height":480,'
faces 3
paste <(grep -o '"box":\[[^]]*' upright.json | tr -c '0-9.\n-' ' ') <(grep -o '"box":\[[^]]*' out | tr -c '0-9.\n-' ' ') |
    awk '{ for (i = 1; i <= 4; i++) if (($i - $(i + 4)) ^ 2 > 36) bad = 1 } END { exit bad || NR != 3 }' ||
    fail 'a photo that lies on its side has its faces elsewhere'
run 0 detect grey.png --json
faces 3
for photo in border.jpg small.png p1.jpg; do
    run 0 detect $photo --json
    faces 1
done
run 0 detect dark.png --json
faces 2
# None, damaged, missing: the others go on.
run 1 detect wall.png group.png --json --threads 2
[ "$(wc -l <out)" -eq 2 ] || fail 'not one line a photo'
out_has '^{"photo":"wall.png","width":320,"height":240,"faces":\[\]}$'
err_has '^likeness: wall.png: no face found'
run 3 detect damaged.jpg no-such.jpg group.png --json
faces 3
err_has '^likeness: damaged.jpg: '
err_has '^likeness: no-such.jpg: '
run 3 detect group.png --detector "$LK_SOURCE/models/face-small.safetensors"
err_has 'detector'
run 3 detect group.png --detector no-such.safetensors
# --min-face, --confidence, --size.
width=$(grep -o '"box":\[[^]]*' upright.json | head -1 | cut -d, -f3)
run 0 detect group.png --json --min-face "${width%.*}"
faces 1
run 1 detect group.png --confidence 1
run 0 detect dark.png --json --size 320
faces 2
# A folder, on any number of threads, gives the same lines in the same order.
run 0 detect people --json --threads 1
[ "$(wc -l <out)" -eq 24 ] || fail 'not one line a photo'
cp out first
run 0 detect people --json --threads 4
out_is <first
# --draw: a picture, or a folder of them.
run 0 detect group.png --draw drawn.png
! cmp -s group.png drawn.png || fail 'nothing was drawn'
run 0 detect people/person_0001 --draw drawn
exists drawn/photo_04.jpg
run 2 detect group.png --draw drawn.gif
err_has 'must end in'

# ---- crop ----
cp -r people mixed
cp wall.png mixed/person_0002/wall.png
cp damaged.jpg mixed/person_0002/
cp group.png mixed/person_0003/
run 0 crop mixed -o faces --threads 2
out_has '^wrote 25 faces of 25 photos; skipped 2: 1 unreadable, 1 without a face$'
err_has '2 photos could not be used'
for p in 1 2 3 4 5 6; do exists faces/person_000$p/photo_01.jpg; done
exists faces/person_0003/group.jpg
missing faces/person_0002/wall.jpg
grep -q '^likeness crop 1: template five-points size 112 room 1.25 .*detector [0-9a-f]\{64\} ' faces/.likeness-aligned ||
    fail 'the mark differs'
# An aligned face with its room is 140 wide, and the face is in the middle of it.
run 0 detect faces/person_0001/photo_01.jpg --json
out_has '"width":140,"height":140,"faces":\[{'
# The same command goes on: what is there stays, what is missing is made, to the same bytes.
cp -rp faces before
rm faces/person_0004/photo_02.jpg
sleep 0.05
touch stamp
run 0 crop mixed -o faces --threads 1
out_has '^wrote 1 face of 1 photo, 24 were there already; skipped 2: '
diff -r faces before >/dev/null || fail 'the faces differ'
find faces -name '*.jpg' -newer stamp | grep -v person_0004/photo_02 | grep -q . && fail 'rewritten'
run 3 crop mixed -o faces --size 96
err_has 'not begun by this same command'
run 3 crop faces -o again
err_has 'aligned faces already'
missing again
# Every face of a photo; photos by name, of which one has no face; two of one name.
run 0 crop group.png -o all --all --format png --room 1 --size 64
for n in 1 2 3; do exists all/group-face$n.png; done
run 3 crop group.png wall.png -o named
exists named/group.jpg
mkdir twice && cp p1.jpg twice/me.jpg && cp group.png twice/me.png
run 0 crop twice -o two
exists two/me.jpg
exists two/me-2.jpg
run 0 detect all/group-face2.png --json
out_has '"width":64,"height":64,'
run 3 crop nothing -o none
# Stopped at any moment, nothing half done is left, and the same command ends where it would have.
command='likeness crop, stopped by SIGTERM'
mkdir many && for i in $(seq 1 30); do ln -s ../dark.png many/$i.png; done
"$LIKENESS" crop many -o stopped --threads 1 >out 2>err </dev/null &
pid=$!
for _ in $(seq 1 100); do
    [ -e stopped/1.jpg ] && break
    sleep 0.05
done
kill -TERM "$pid" 2>/dev/null
wait "$pid"
code=$?
[ "$code" -eq 4 ] || [ "$code" -eq 0 ] || fail "exit code $code, expected 4"
[ "$code" -eq 0 ] && echo 'crop ended before it could be stopped'
[ "$code" -eq 0 ] || err_has 'the same command goes on'
[ -z "$(find stopped -name '*.tmp.*')" ] || fail 'a temporary file was left'
run 0 crop many -o stopped
[ "$(find stopped -name '*.jpg' | wc -l)" -eq 30 ] || fail 'faces are missing'

# ---- train on aligned faces, and --detect ----
tiny_net
run 0 train faces -o aligned.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 7 --threads 1
head -c 4000 aligned.safetensors | grep -aq '"alignment":"five-points"' || fail 'the model says nothing of alignment'
head -c 4000 aligned.safetensors | grep -aq '"crop":"1"' || fail 'the model has a crop'
run 0 train people -o plain.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 7 --threads 1
head -c 4000 plain.safetensors | grep -aq '"alignment":"none"' || fail 'a plain model says it is aligned'
run 2 train faces people -o m.safetensors --net tiny.net --epochs 0
err_has 'faces holds aligned faces and people photos as they are'
run 2 train people --validate faces -o m.safetensors --net tiny.net --epochs 0
run 2 train faces --crop 0.9 -o m.safetensors --net tiny.net --epochs 0
err_has 'takes no crop'
run 2 train people@0.9 --detect -o m.safetensors
err_has 'take no crop'
missing m.safetensors
run 0 train mixed --detect -o found.safetensors --net tiny.net --epochs 2 --holdout 0 --people 4 --photos 4 --threads 1
out_empty
err_has 'wrote 25 faces of 25 photos; skipped 2'
diff -r faces found.safetensors.faces/mixed >/dev/null || fail '--detect crops otherwise than crop'
head -c 4000 found.safetensors | grep -aq '"alignment":"five-points"' || fail 'the model says nothing of alignment'
run 0 train mixed --detect -o found.safetensors --net tiny.net --epochs 1 --holdout 0 --people 4 --photos 4 --threads 1
err_has ' 25 were there already'

# ---- enroll ----
run 0 enroll g.gallery --model aligned.safetensors mixed --threads 2
out_is <<END
enrolled 24 photos, skipped 3: 1 unreadable, 1 without a face, 1 with several faces; the new gallery now holds 6 people in 24 photos
END
err_has '^likeness: mixed/person_0003/group.png: 3 faces: say which with --largest, --all or --face N'
err_has '^likeness: mixed/person_0002/wall.png: no face found'
err_has '3 photos could not be used'
run 3 enroll other.gallery --model aligned.safetensors --person me group.png
run 0 enroll largest.gallery --model aligned.safetensors --person me group.png --largest
out_has '^enrolled 1 photo, skipped 0; the new gallery now holds 1 person in 1 photo$'
run 0 enroll all.gallery --model aligned.safetensors --person us group.png --all
out_has '^enrolled 3 faces of 1 photo, skipped 0;'
run 0 enroll number.gallery --model aligned.safetensors --person two group.png --face 2
run 3 enroll number.gallery --model aligned.safetensors --person four group.png --face 4
err_has 'group.png: 3 faces, and so no face 4'
run 2 enroll number.gallery --person two group.png --face 2 --all
# A folder of aligned faces is taken whole: no detector is needed. So it is with --aligned and --crop.
run 0 enroll whole.gallery --model aligned.safetensors faces --detector no-such.safetensors
out_has '^enrolled 25 photos, skipped 0;'
run 0 enroll whole.gallery --model aligned.safetensors --person a p1.jpg --aligned --detector no-such.safetensors
run 3 enroll new.gallery --model aligned.safetensors people --detector no-such.safetensors
missing new.gallery
# A hundred photos of which two are damaged: 98 and a list.
mkdir -p hundred/me && for i in $(seq 101 200); do cp p1.jpg hundred/me/$i.jpg; done
cp damaged.jpg hundred/me/150.jpg && : >hundred/me/190.jpg
run 0 enroll hundred.gallery --model aligned.safetensors hundred
out_has '^enrolled 98 photos, skipped 2: 2 unreadable; '
err_has '^likeness:   hundred/me/190.jpg: '

# ---- identify ----
run 0 identify all.gallery group.png --threshold 0.99 -k 1 --json
faces 3
for n in 1 2 3; do out_has "\"person\":\"us\",\"known\":true,\"probability\":null,\"matches\":\[{\"person\":\"us\",\"photo\":\"group.png#$n\""; done
out_has '"faces":\[{"box":\[[0-9.]*,.*"points":\[\[.*"confidence":0.*"quality":0'
run 1 identify number.gallery group.png --threshold 0.999 -k 1 --tsv
[ "$(awk -F '\t' '$8 == 1 { print $9 }' out)" = 2 ] || fail 'it is not face 2 that was enrolled' 
run 0 identify all.gallery group.png --threshold 0.99 -k 1
out_has '^face 3 of 3: [0-9]* x [0-9]* pixels at [0-9]*, [0-9]*$'
run 1 identify all.gallery wall.png group.png --threshold 0.99 -k 1 --json
out_has '^{"photo":"wall.png","threshold":0.99,"fpir":null,"extrapolated":false,"faces":\[\]}$'
err_has '^likeness: wall.png: no face found'
run 1 identify all.gallery wall.png --threshold 0.99
out_has '^no face found$'
run 3 identify all.gallery damaged.jpg group.png --threshold 0.99 -k 1 --json
faces 3
run 0 identify all.gallery group.png --threshold -1 -k 1 --crop 0.9 --json --detector no-such.safetensors
out_has '"faces":\[{"box":null,"points":null,'

# ---- verify, embed, eval ----
run 0 verify aligned.safetensors group.png group.png --threshold 0.999
err_has '^likeness: group.png: 3 faces; the largest is compared'
run 3 verify aligned.safetensors group.png wall.png --threshold 0
err_has '^likeness: wall.png: no face found'
out_empty
run 0 embed aligned.safetensors group.png --all
[ "$(cut -f1 out | paste -sd ' ')" = 'group.png#1 group.png#2 group.png#3' ] || fail 'the rows are not named'
cp out all.txt
run 0 embed aligned.safetensors group.png
[ "$(cut -f1 out)" = group.png ] || fail 'not one row'
paste <(head -1 all.txt | cut -f2) <(cut -f2 out) | awk -F '\t' '
    { n = split($1, x, " "); split($2, y, " "); for (i = 1; i <= n; i++) if ((x[i] - y[i]) ^ 2 > 1e-8) bad = 1 }
    END { exit bad || n != 16 }' || fail 'not the largest face'
run 3 embed aligned.safetensors wall.png group.png --format npy -o v.npy
[ "$(wc -c <v.npy)" -eq $((128 + 2 * 16 * 4)) ] || fail 'a photo without a face lost its row'
run 2 embed aligned.safetensors group.png --format npy --all
# A model of photos as they are takes the whole, unless it is told to look.
run 0 embed plain.safetensors group.png
cp out whole.txt
run 0 embed plain.safetensors group.png --detect
! cmp -s out whole.txt || fail '--detect changes nothing'
run 0 embed plain.safetensors group.png --detect --all
[ "$(wc -l <out)" -eq 3 ] || fail 'not 3 faces'
mv mixed/person_0003/group.png .
run 0 eval aligned.safetensors --identify mixed --json
out_has '"photos":25,"no_face":1,'
err_has '^likeness: 1 of 25 photos: no face found, taken whole'
run 0 eval aligned.safetensors --identify faces --json --detector no-such.safetensors
out_has '"no_face":null,'
done_testing
