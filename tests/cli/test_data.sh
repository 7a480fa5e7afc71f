# data: what is wrong with folders of people is found, shown, moved out of the way and put back; nothing is ever lost.
. "$(dirname "$0")/lib.sh"
model=$LK_SOURCE/models/people.safetensors
[ -r "$model" ] || exit 77
"$LIKENESS" synth clean --people 5 --photos 4 --seed 3 --model "$model" 2>/dev/null || exit 1
rm clean/.likeness-synth
again() { "$LIKENESS_DRAW" again "$@" || fail "cannot draw $2"; }
rows() { cut -f"$1" out | tail -n +2; }
same_tree() { diff -r --no-dereference "$1" "$2" >difference || { fail "$1 and $2 differ"; head -5 difference; }; }

# ---- nothing is wrong ----
run 0 data check clean --no-model
out_is <<'END'
20 photos of 5 people: nothing was found
END
err_has 'labels, faces and people were not looked at: no model'
run 0 data check clean --no-model --tsv
[ "$(wc -l <out)" -eq 1 ] || fail 'more than a header'
run 0 data check clean --no-model --json
out_empty

# ---- faults ----
cp -r clean bad
one=bad/person_0001 two=bad/person_0002 three=bad/person_0003
cp $one/photo_01.jpg $one/same.jpg
again $one/photo_02.jpg "$one/small	er.jpg" 60 0.6 0.04 1.1 0
again $two/photo_01.jpg $two/turned.jpg 80 1 0 1 1
again $two/photo_03.jpg $three/theirs.jpg 40 0.9 0 1 0
cp $two/photo_04.jpg $three/theirs-too.jpg
head -c 900 $three/photo_01.jpg >$three/cut.jpg
: >$three/empty.png
echo text >$three/text.webp
mkdir "bad/<b>&lonely" && cp clean/person_0004/photo_01.jpg "bad/<b>&lonely/me.jpg" && rm bad/person_0004/photo_01.jpg
ln -s nowhere.jpg bad/person_0005/link.jpg
cp -r bad pristine
run 1 data check bad --no-model --tsv
head -1 out | grep -qx 'kind	photo	person	other_photo	other_person	cosine	likeness	score	fix	reason	advice' || fail 'header'
rows 1-5,9 | sort >found
cmp -s found - <<'END' || { fail 'findings differ'; cat found; }
duplicate	bad/person_0001/same.jpg	person_0001	bad/person_0001/photo_01.jpg	person_0001	photo
duplicate-across	bad/person_0003/theirs-too.jpg	person_0003	bad/person_0002/photo_04.jpg	person_0002	both
few-photos	bad/<b>&lonely/me.jpg	<b>&lonely			
near-duplicate	bad/person_0001/small\ter.jpg	person_0001	bad/person_0001/photo_02.jpg	person_0001	photo
near-duplicate	bad/person_0002/turned.jpg	person_0002	bad/person_0002/photo_01.jpg	person_0002	photo
near-duplicate-across	bad/person_0003/theirs.jpg	person_0003	bad/person_0002/photo_03.jpg	person_0002	both
unreadable	bad/person_0003/cut.jpg	person_0003			photo
unreadable	bad/person_0003/empty.png	person_0003			photo
unreadable	bad/person_0003/text.webp	person_0003			photo
unreadable	bad/person_0005/link.jpg				
END
same_tree bad pristine
run 1 data check bad --no-model --json
[ "$(wc -l <out)" -eq 10 ] || fail 'one object a line'
out_has '"kind":"near-duplicate","photo":"bad/person_0002/turned.jpg","person":"person_0002","other_photo":"bad/person_0002/photo_01.jpg"'
out_has '"reason":"mirrored, likeness '
run 1 data check bad --no-model --worst 1 --photos 0
out_has '^near-duplicate  *2  *2  The same picture'
out_has '^  and 1 more'
out_lacks 'few-photos'
run 1 data check bad --no-model
out_has 'small\\x09er.jpg'
run 1 data check bad --no-model --likeness 1 --tsv
rows 1 | grep -q '^near' && fail 'likeness 1 asked for'

# ---- the page ----
run 1 data check bad --no-model --report page.html --pictures 1
for tag in section article dl div span p; do
    open=$(grep -oE "<$tag[ >]" page.html | wc -l) closed=$(grep -oF "</$tag>" page.html | wc -l)
    [ "$open" -eq "$closed" ] || fail "$open <$tag> but $closed </$tag>"
done
for has in 'The worst 1 of 2 are shown' '&lt;b&gt;&amp;lonely' 'id="near-duplicate"' "default-src 'none'" 'data:image/jpeg;base64,'; do
    grep -qF -e "$has" page.html || fail "the page lacks: $has"
done
for lacks in '://' '<script' '<b>' 'src="/'; do
    ! grep -qF -e "$lacks" page.html || fail "the page has: $lacks"
done
[ ! -e /dev/full ] || { run 4 data check bad --no-model --report /dev/full; err_has '/dev/full: cannot write'; }

# ---- moved and put back ----
run 1 data check bad --no-model --fix moved
err_has '^likeness: 10 photos were moved to moved; to put them back: likeness data undo moved'
missing $one/same.jpg
missing $two/turned.jpg
exists $two/photo_01.jpg
exists "moved/person_0001/small	er.jpg"
exists moved/person_0003/theirs.jpg
exists moved/person_0002/photo_03.jpg
[ -L bad/person_0005/link.jpg ] || fail "a link to nowhere was moved"
[ "$(wc -l <moved/journal.tsv)" -eq 11 ] || fail 'lines of the journal'
head -1 moved/journal.tsv | grep -qx 'from	to	why' || fail 'header of the journal'
grep -qF "$(pwd -P)/$one/small\\ter.jpg	person_0001/small\\ter.jpg	near-duplicate: likeness 0." moved/journal.tsv || fail 'journal'
run 1 data check bad --no-model --fix moved # again: nothing is left to move
err_has '^likeness: 0 photos were moved'
out_has '^few-photos'
out_lacks '^near-duplicate'
run 0 data undo moved
out_is <<'END'
put back 10 of 10
END
same_tree bad pristine
missing moved

# The same photos of two folders, from elsewhere, by a link; and names that are taken.
cp -r bad other
ln -s bad linked
run 1 data check linked/ other --no-model --fix moved --photos 0 --tsv
exists moved/bad/person_0001/same.jpg
run 0 data undo moved
same_tree bad pristine
same_tree other pristine
rm linked
mkdir -p moved/person_0001 && echo mine >moved/person_0001/same.jpg
run 3 data check bad --no-model --fix moved
err_has 'moved: the folder is not empty'
printf 'likeness data moved 1\n' >moved/.likeness-moved
run 1 data check bad --no-model --fix moved
[ "$(cat moved/person_0001/same.jpg)" = mine ] || fail 'a file of mine was replaced'
exists moved/person_0001/same-2.jpg
run 0 data undo moved
same_tree bad pristine
[ "$(cat moved/person_0001/same.jpg)" = mine ] || fail 'a file of mine is gone'
rm -r moved

# Somebody put another file there in the meantime: both stay.
run 1 data check bad --no-model --fix moved
echo new >$one/same.jpg
run 1 data undo moved
err_has 'there is another file by now; the moved one stays'
out_has '^put back 9 of 10'
exists moved/person_0001/same.jpg
mv $one/same.jpg new.jpg
run 0 data undo moved
same_tree bad pristine

# Onto another file system, where there is one; mode and time come along.
if [ -d /dev/shm ] && [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d .)" ]; then
    away=$(mktemp -d /dev/shm/likeness-cli.XXXXXX)
    trap 'chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T" "$away"' EXIT
    chmod 640 $one/same.jpg && touch -d '2001-02-03 04:05:06' $one/same.jpg
    stat -c '%a %Y' $one/same.jpg >before
    ln -s photo_04.jpg bad/person_0005/linked.jpg && ln -s photo_04.jpg pristine/person_0005/linked.jpg
    run 1 data check bad --no-model --fix "$away/moved"
    err_has '^likeness: 11 photos were moved'
    stat -c '%a %Y' "$away/moved/person_0001/same.jpg" | cmp -s - before || fail 'mode or time'
    [ -L "$away/moved/person_0005/linked.jpg" ] || fail 'a link became a file'
    exists bad/person_0005/photo_04.jpg
    cp "$away/moved/person_0001/same.jpg" $one/same.jpg # as if killed between the copy and the unlink
    run 1 data check bad --no-model --fix "$away/moved"
    missing $one/same.jpg
    [ "$(wc -l <"$away/moved/journal.tsv")" -eq 12 ] || fail 'a move that was begun got another line'
    cp "$away/moved/person_0001/same.jpg" $one/same.jpg
    run 0 data undo "$away/moved"
    same_tree bad pristine
    missing "$away/moved"
    rm bad/person_0005/linked.jpg pristine/person_0005/linked.jpg
else
    echo 'skipped: no second file system'
fi

# A link never loses what it leads to: a folder under two names, and a test set made of links into the training set.
mkdir links && cp -r clean/person_0001 links/ && ln -s person_0001 links/second
mkdir test && mkdir test/someone && ln -s ../../links/person_0001/photo_01.jpg test/someone/me.jpg
cp -a links links.before && cp -a test test.before
run 1 data check links --against test --no-model --fix moved
err_has '^likeness: 0 photos were moved'
out_has 'one file under two names'
same_tree links links.before
same_tree test test.before
run 0 data undo moved
rm -r links links.before test test.before

# ---- interrupted ----
# A line without a move, and half a line: what was not moved is moved by the next run, and all of it comes back.
run 1 data check bad --no-model --fix moved
run 0 data undo moved
mkdir moved && printf 'likeness data moved 1\n' >moved/.likeness-moved
printf 'from\tto\twhy\n%s\tperson_0001/same.jpg\tduplicate: x\n%s\tperson_00' "$(pwd -P)/$one/same.jpg" "$(pwd -P)/$one" >moved/journal.tsv
run 1 data check bad --no-model --fix moved
err_has '^likeness: 10 photos were moved'
run 0 data undo moved
same_tree bad pristine
# Killed at any moment: each photo is in one of the two places, or in both.
cp -r clean many
for i in 1 2 3; do for p in many/person_000?; do for n in 1 2 3 4; do cp "$p/photo_0$n.jpg" "$p/copy_$n$i.jpg"; done; done; done
(cd many && find . -name '*.jpg' -exec cksum {} + | sort) >all
cp -r many kept
for delay in 0.05 0.1 0.15 0.2 0.3 0.4; do
    command="killed after $delay s"
    timeout -s KILL $delay "$LIKENESS" data check many --no-model --fix moved >/dev/null 2>&1
    { (cd many && find . -name '*.jpg' -exec cksum {} +); [ ! -d moved ] || (cd moved && find . -name '*.jpg' -exec cksum {} +); } | sort -u >now
    cmp -s now all || fail 'photos are not what they were'
done
# On a fast machine nothing is left to be done.
"$LIKENESS" data check many --no-model --fix moved >out 2>err
[ $? -le 1 ] || fail 'it does not go on'
run 0 data check many --no-model
[ "$(find moved -name '*.jpg' | wc -l)" -eq 60 ] || fail "not all copies were moved"
for delay in 0.01 0.02 0.05; do timeout -s KILL $delay "$LIKENESS" data undo moved >/dev/null 2>&1; done
[ ! -d moved ] || run 0 data undo moved
same_tree many kept

# A journal does not reach out of its folder, nor do two runs share one.
mkdir moved && printf 'likeness data moved 1\n' >moved/.likeness-moved
echo secret >outside.jpg
printf 'from\tto\twhy\n%s\t../outside.jpg\tx\n' "$(pwd -P)/stolen.jpg" >moved/journal.tsv
run 0 data undo moved
exists outside.jpg
missing stolen.jpg
run 1 data check bad --no-model --fix moved
if command -v flock >/dev/null; then
    flock moved/journal.tsv sh -c '"$0" data undo moved 2>err; echo $? >locked' "$LIKENESS" >out
    [ "$(cat locked)" -eq 4 ] || fail 'two at once'
    err_has 'in use by another process'
fi
run 0 data undo moved
mkdir moved && echo 'no journal' >moved/journal.tsv
run 3 data undo moved
err_has 'is no journal'
rm -r moved
run 3 data undo moved

# ---- against a second folder ----
mkdir test && cp -r clean/person_0002 test/ && mkdir test/someone
again clean/person_0004/photo_02.jpg test/someone/x.jpg 50 0.8 0.02 1 0
cp -r test test.before
run 1 data check clean --against test --no-model --tsv
rows 1-5,9 | sort >found
cmp -s found - <<'END' || { fail 'leaks differ'; cat found; }
leak-name	clean/person_0002/photo_01.jpg	person_0002	test/person_0002/photo_01.jpg	person_0002	
leak-photo	clean/person_0002/photo_01.jpg	person_0002	test/person_0002/photo_01.jpg	person_0002	photo
leak-photo	clean/person_0002/photo_02.jpg	person_0002	test/person_0002/photo_02.jpg	person_0002	photo
leak-photo	clean/person_0002/photo_03.jpg	person_0002	test/person_0002/photo_03.jpg	person_0002	photo
leak-photo	clean/person_0002/photo_04.jpg	person_0002	test/person_0002/photo_04.jpg	person_0002	photo
leak-photo	clean/person_0004/photo_02.jpg	person_0004	test/someone/x.jpg	someone	photo
END
cp -r clean clean.before
run 1 data check clean --against test --no-model --fix moved
same_tree test test.before
missing clean/person_0002/photo_01.jpg
run 0 data undo moved
same_tree clean clean.before

# ---- usage and bad input ----
run 2 data
run 2 data look bad
run 2 data check
run 2 data undo
run 2 data undo a b
run 2 data undo moved --no-model
run 2 data check bad --fix-labels
run 2 data check bad --fix-labels --fix moved --no-model
run 2 data check bad --model x --no-model
run 2 data check bad --likeness 2
run 2 data check bad --no-model --fix bad/moved
err_has 'lies in bad'
run 2 data check bad --no-model --fix bad
run 2 data check clean --against bad --no-model --fix bad/moved/deep
missing bad/moved
run 3 data check no-such
run 3 data check bad --against no-such --no-model
run 3 data check bad --model no-such.safetensors
mkdir hollow
run 3 data check hollow --no-model
# Without the shipped model what needs none is done.
if [ ! -e /usr/local/share/likeness ]; then
    run 1 data check bad --tsv
    err_has 'there is no such model, so labels, faces and people are not checked'
fi

# ---- a model of one's own; too few people to judge labels ----
tiny_net
"$LIKENESS_DRAW" people drawn 4 3
run 0 train drawn -o model.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 7 --threads 1
run 1 data check drawn --model model.safetensors --tsv
err_has 'labels and people were not judged'
done_testing
