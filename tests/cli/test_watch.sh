# watch: films made here, of people who do not exist, with the shipped detector. What is asserted holds for any detector
# that finds a face of 60 pixels in most pictures: who was there and how often, not where to the pixel.
. "$(dirname "$0")/lib.sh"
: "$LIKENESS_FILM"
models=$LK_SOURCE/models
detector=$models/detect.safetensors

# ---- what needs no film ----
run 2 watch film.mp4
err_has 'source and --gallery are needed'
run 2 watch a b --gallery g
err_has 'one source'
run 2 watch film.mp4 --gallery g --fps 0
err_has 'fps'
run 3 watch film.mp4 --gallery nowhere.gallery
err_has 'nowhere.gallery'
[ -e "$detector" ] || { [ "$failures" -eq 0 ] && echo "skipped: no $detector" && exit 77; done_testing; }

# ---- the world: three people, of whom two are enrolled ----
run 0 synth people --people 3 --photos 8 --seed 3 --model "$models/people.safetensors"
run 0 enroll g.gallery --detector "$models/detect.safetensors" --model "$models/face-small.safetensors" --person Ada people/person_0001/photo_0[1-5].jpg
run 0 enroll g.gallery --detector "$detector" --person Bea people/person_0002/photo_0[1-5].jpg
watch() { # CODE SOURCE OPTION...
    local code=$1 source=$2
    shift 2
    run "$code" watch "$source" --gallery g.gallery --detector "$detector" "$@"
}
film() { # FILE, the script on standard input
    cat >script.txt
    "$LIKENESS_FILM" make script.txt "$1" || { echo "cannot make $1"; exit 1; }
}
answers() { grep -c "$1" out || true; }
is() { [ "$2" = "$3" ] || fail "$1: $2, expected $3"; }
ada=people/person_0001/photo_06.jpg bea=people/person_0002/photo_06.jpg cleo=people/person_0003/photo_06.jpg

# ---- Ada and Bea cross, Cleo stands there for a while, Ada comes back ----
film film.mp4 <<SCRIPT
size 480 320
fps 10
seconds 12
$ada 0 60 150 5 420 150 130
$bea 0 420 165 5 60 165 140
$cleo 5.5 380 150 10 360 160 130
$ada 8 60 150 11 120 160 130
SCRIPT
cp script.txt crossing.txt
watch 1 film.mp4 --json
is 'answers' "$(wc -l <out)" 4
is 'visits of Ada' "$(answers '"person":"Ada","known":true')" 2
is 'visits of Bea' "$(answers '"person":"Bea","known":true')" 1
is 'strangers' "$(answers '"person":null,"known":false')" 1
out_has '"source":"film.mp4"'
out_has '"from_time":null'
out_has '"thumbnail":null'
out_lacks '"final":false'
err_has '4 visits, 3 known, 1 unknown; 120 frames looked at$'
[ "$(find . -name '*.jpg' -newer script.txt | wc -l)" -eq 0 ] || fail 'a thumbnail nobody asked for'

watch 1 film.mp4 --tsv --thumbnails faces
is 'lines of TSV' "$(wc -l <out)" 5
is 'columns of TSV' "$(awk -F'\t' '{ print NF }' out | sort -u)" 12
cut -f 11 out | tail -n +2 >thumbnails
is 'thumbnails' "$(sort -u thumbnails | wc -l)" 4
while read -r path; do exists "$path"; done <thumbnails
is 'rights of their folder' "$(stat -c %a faces)" 700
# What is on them is who was said: a thumbnail is a photo like others.
path=$(awk -F'\t' '$2 == "Bea" { print $11 }' out)
run 0 identify g.gallery --detector "$detector" "$path" --threshold 0.2
out_has 'known: Bea'

watch 1 film.mp4 --live --fps 5
is 'answers so far' "$(answers 'so far')" 4
is 'answers at the end' "$(grep -vc 'so far' out)" 4
watch 1 film.mp4 --gap 6 --fps 5 --json # Ada was only out of sight
is 'answers' "$(wc -l <out)" 3

# ---- pictures that lie, and pictures that are broken ----
film lying.mp4 <<SCRIPT
size 300 400
fps 25
seconds 2
turned
$ada 0 100 100 2 140 260 140
SCRIPT
watch 0 lying.mp4 --json
is 'answers' "$(answers '"person":"Ada"')" 1
is 'answers' "$(wc -l <out)" 1
same() { sed -E 's/"(cosine|confidence|quality)":[^,]*,//g; s/"seconds":[^,]*,//' "$1"; } # all but what may round
same out >first.json
watch 0 lying.mp4 --json --threads 1
same out | cmp -s - first.json || fail 'other answers on one thread'
watch 0 lying.mp4 --min-face 200 # nobody is so near
out_empty

cp film.mp4 damaged.mp4
size=$(stat -c %s film.mp4)
for share in 3 4 5; do # of ten: there lie pictures
    yes damage | dd of=damaged.mp4 bs=1 seek=$((size * share / 10)) count=3000 conv=notrunc iflag=fullblock 2>/dev/null
done
watch 1 damaged.mp4 --json
err_has ' [1-9][0-9]* damaged'
out_has '"person":"Bea"'
"$LIKENESS_FILM" make crossing.txt film.avi
head -c $(($(stat -c %s film.avi) / 2)) film.avi >half.avi
watch 0 half.avi --json
out_has '"person":"Ada"'

# ---- what is no video ----
yes 'no video' | head -1000 >text.mp4
watch 3 text.mp4
err_has 'text.mp4: cannot open'
out_empty
watch 3 missing.mp4
err_has 'missing.mp4: .*No such file'
printf 'RIFF\044\0\0\0WAVEfmt \020\0\0\0\001\0\001\0@\037\0\0\200>\0\0\002\0\020\0data\0\020\0\0' >sound.wav
head -c 4096 /dev/zero >>sound.wav
watch 3 sound.wav
err_has 'sound.wav: there is no video in it'
printf '#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:1/a.ts\n' >list.m3u8 # a file may not lead to an address
watch 3 list.m3u8
watch 3 'concat:film.mp4|film.mp4' # nor be one
err_has 'No such file'
watch 3 /dev/video99
err_has '/dev/video99'

# ---- a camera at an address ----
watch 4 rtsp://me:secret@127.0.0.1:1/door
err_has 'rtsp://me:\*\*\*@127.0.0.1:1/door: cannot open: Connection refused'
err_lacks 'secret'

film door.mp4 <<SCRIPT
size 320 240
fps 25
seconds 4
$ada 0 100 110 4 200 120 130
SCRIPT
ASAN_OPTIONS=detect_leaks=0 "$LIKENESS_FILM" serve door.mp4 port 2 &
server=$!
while [ ! -s port ]; do sleep 0.1; done
watch 4 "rtsp://me:secret@127.0.0.1:$(cat port)/door" --live --json --reconnect 2
wait $server || fail 'the camera failed'
err_has 'it ended; trying again'
err_has 'there again after'
err_has 'given up after'
err_has '2 visits\|1 visit'
err_lacks 'secret'
out_lacks 'secret'
out_lacks '"person":"[^A]'
out_has '"final":false,"person":"Ada"'
out_has '"final":true,"person":"Ada"'
out_has '"from_time":"20[0-9-]*T[0-9:.]*Z"'

# Ctrl-C (here: a polite kill) ends it well, and whoever is in the picture is told.
kill_after() { # PATTERN SOURCE OPTION...: kill when stdout has it; the exit code is in $code
    local pattern=$1 source=$2
    shift 2
    command="likeness watch $source $* and a kill"
    "$LIKENESS" watch "$source" --gallery g.gallery --detector "$detector" "$@" >out 2>err </dev/null &
    local watcher=$!
    for _ in $(seq 300); do
        ! grep -q "$pattern" out || break
        sleep 0.1
    done
    kill -TERM $watcher
    wait $watcher
    code=$?
}
rm port
ASAN_OPTIONS=detect_leaks=0 "$LIKENESS_FILM" serve door.mp4 port 60 &
server=$!
while [ ! -s port ]; do sleep 0.1; done
kill_after 'Ada.*0$' "rtsp://127.0.0.1:$(cat port)/door" --live --tsv --thumbnails seen
is 'exit code' $code 0
kill $server 2>/dev/null
wait $server 2>/dev/null
is 'answers at the end' "$(answers '	Ada	1	.*1$')" 1
is 'thumbnails' "$(find seen -name 'track-20*Z-0001.jpg' | wc -l)" 1
# A file that was not watched to its end says so.
kill_after final film.mp4 --tsv --fps 1000 --threads 1
is 'exit code' $code 4
err_has 'stopped on request'
done_testing
