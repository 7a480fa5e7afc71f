# Bad input: each gets a clear message and the right exit code, nothing is lost, and the run goes on where it can.
. "$(dirname "$0")/lib.sh"
tiny_world
good=people/person_01/photo_01.jpg

# ---- photos ----
: >empty.jpg
echo 'this is no photo' >text.jpg
head -c 400 $good >truncated.jpg
"$LIKENESS_DRAW" huge huge.jpg || fail 'cannot draw huge.jpg'
mkdir folder.jpg
for photo in empty.jpg text.jpg truncated.jpg huge.jpg no-such.jpg folder.jpg; do
    run 3 embed model.safetensors $photo $good
    err_has "^likeness: $photo: "
    out_has "^$good	" # the others go on
    run 3 verify model.safetensors $good $photo --threshold 0
    out_empty
    run 3 enroll bad.gallery --model model.safetensors --person me $photo
    err_has "^likeness: $photo: "
done
run 3 embed model.safetensors huge.jpg
err_has 'megapixel'
run 3 embed model.safetensors empty.jpg $good --format npy -o v.npy
[ "$(wc -c <v.npy)" -eq $((128 + 2 * 16 * 4)) ] || fail 'v.npy: a failed photo lost its row'

# A crop outside of the photo, and one photo of many that it does not fit.
run 3 embed model.safetensors $good --crop 5000,5000,10,10
err_has "^likeness: $good: "

# In folders the rest goes on, the bad ones are told and counted.
cp -r people mixed
cp empty.jpg text.jpg truncated.jpg mixed/person_02/
run 0 enroll mixed.gallery --model model.safetensors mixed
out_has '^enrolled 24 photos, skipped 3: 3 unreadable;'
err_has '3 photos could not be used'
run 0 eval model.safetensors --identify mixed
err_has '^likeness: mixed/person_02/text.jpg: '
run 0 train mixed -o t.safetensors --net tiny.net --epochs 1 --people 4 --photos 4 --threads 1
err_has 'could not be used'

# ---- folders ----
mkdir nobody
run 3 train nobody -o m.safetensors
err_has '^likeness: nobody: '
run 3 train no-such-folder -o m.safetensors
err_has '^likeness: no-such-folder: '
mkdir one && cp -r people/person_01 one/
run 3 train one -o m.safetensors --net tiny.net
err_has '^likeness: .*2 people'
mkdir single
for p in 01 02 03; do mkdir single/person_$p && cp people/person_$p/photo_01.jpg single/person_$p/; done
run 3 train single -o m.safetensors --net tiny.net
err_has '^likeness: '
run 3 eval model.safetensors --identify single
err_has '^likeness: '
run 3 enroll bad.gallery --model model.safetensors nobody
run 2 enroll bad.gallery --model model.safetensors $good
err_has 'say who it shows with --person'
missing m.safetensors
# Permissions do not bind root, so there the program runs as nobody.
nobody=
[ "$(id -u)" -ne 0 ] || nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
chmod 755 . && mkdir -m 777 open
if $nobody "$LIKENESS" --version >/dev/null 2>&1; then
    cat >as_nobody <<END
#!/bin/sh
exec $nobody "$LIKENESS" "\$@"
END
    chmod 755 as_nobody
    program=$LIKENESS
    LIKENESS=./as_nobody
    cp -r people shut
    chmod 000 one shut/person_02
    run 4 train one -o open/m.safetensors
    err_has '^likeness: one: .*ermission'
    run 0 enroll open/shut.gallery --model model.safetensors shut
    out_has '^enrolled 20 photos, skipped 1: 1 unreadable;'
    err_has '^likeness: shut/person_02: .*ermission'
    run 4 train people -o m.safetensors --net tiny.net
    err_has '^likeness: m.safetensors: cannot write in .: Permission denied'
    LIKENESS=$program
else
    echo 'skipped: permissions (the program cannot be run as nobody from where it is)'
fi

# ---- models and galleries ----
echo 'no model' >no-model.safetensors
for model in no-such.safetensors no-model.safetensors empty.jpg; do
    run 3 embed $model $good
    err_has "^likeness: $model: "
    run 3 eval $model --identify people
    run 3 enroll new.gallery --model $model people
    missing new.gallery
done
head -c 300 model.safetensors >cut.safetensors
run 3 embed cut.safetensors $good
run 0 enroll g.gallery --model model.safetensors people
run 0 gallery g.gallery list --tsv
cp out before
run 0 train people -o other.safetensors --net tiny.net --epochs 0 --seed 99 --threads 1
run 3 enroll g.gallery --model other.safetensors people
err_has 'other.safetensors'
run 3 identify g.gallery $good --model other.safetensors --threshold 0
err_has 'other.safetensors'
run 0 gallery g.gallery list --tsv
out_is <before
run 3 identify no-such.gallery $good
run 3 identify text.jpg $good
run 3 gallery text.jpg list
run 3 enroll new.gallery people
err_has 'give the model'
mv model.safetensors moved.safetensors
run 3 identify g.gallery $good --threshold 0
err_has 'give that model with --model'
run 0 identify g.gallery $good --threshold 0 --model moved.safetensors

# ---- pairs ----
printf 'fold\tsame\ta\tb\n1\t2\tx\ty\n' >pairs.tsv
run 3 eval moved.safetensors --pairs pairs.tsv --root people
err_has 'pairs.tsv'
run 3 eval moved.safetensors --pairs no-such.tsv --root people
printf 'fold\tsame\ta\tb\n1\t1\tx.jpg\ty.jpg\n' >pairs.tsv
run 3 eval moved.safetensors --pairs pairs.tsv --root people

# ---- disks ----
# ulimit -f counts 1024-byte blocks in bash; SIGXFSZ ignored makes the write fail as a full disk does.
full_disk() {
    expected=$1
    shift
    command="(disk full) likeness $*"
    (
        trap '' XFSZ
        ulimit -f 1
        exec "$LIKENESS" "$@"
    ) >out 2>err </dev/null
    code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code, expected $expected"
}
many=$(find people -name '*.jpg' | sort)
# shellcheck disable=SC2086
full_disk 4 embed moved.safetensors $many -o v.txt
err_has '^likeness: .*v.txt: cannot write'
missing v.txt
echo old >v.txt
# shellcheck disable=SC2086
full_disk 4 embed moved.safetensors $many -o v.txt
[ "$(cat v.txt)" = old ] || fail 'the old file was lost'
full_disk 4 train people -o full.safetensors --net tiny.net --epochs 0 --threads 1
missing full.safetensors
full_disk 4 enroll full.gallery --model moved.safetensors people
run 0 gallery g.gallery list --tsv
cp out before
full_disk 4 enroll g.gallery --model moved.safetensors mixed
run 0 gallery g.gallery list --tsv
out_is <before
[ -z "$(find . -name '*.tmp.*')" ] || fail 'a temporary file was left'
if [ -w /dev/full ]; then
    command='likeness embed >/dev/full'
    "$LIKENESS" embed moved.safetensors $good >/dev/full 2>err
    code=$?
    [ "$code" -eq 4 ] || fail "exit code $code, expected 4"
    run 4 embed moved.safetensors $good -o /dev/full
    [ -c /dev/full ] || fail '/dev/full was replaced'
fi

# ---- names that would steer a terminal ----
# A gallery takes no names with control characters, the others go on; what is shown of any name is escaped.
escape=$(printf '\033')
override=$(printf '\342\200\256') # U+202E
evil=$(printf 'evil\033[2J\tname')
probe=$(printf 'p\033[2J\n.jpg')
mkdir -p "names/$evil" "names/me$override"
cp $good "names/$evil/photo.jpg"
cp $good "names/me$override/back\\slash.jpg"
cp $good "names/me$override/a${escape}b.jpg"
: >"names/me$override/bad$escape.jpg"
cp $good "$probe"
run 0 enroll evil.gallery --model moved.safetensors names
out_has '^enrolled 1 photo, skipped 3: 1 unreadable, 2 with a name that cannot be kept;'
err_has '^likeness: names/evil.x1b.2J.x09name/photo.jpg: '
err_has '^likeness: names/me.xe2.x80.xae/bad?.jpg: is empty'
err_lacks "$escape"
run 0 gallery evil.gallery list
out_has '^me.xe2.x80.xae  '
run 0 identify evil.gallery "$probe" --threshold 0
out_has '^p.x1b.2J.x0a.jpg$'
out_has '/back.slash.jpg '
out_lacks "$escape"
run 0 identify evil.gallery "$probe" --threshold 0 --tsv
out_has '^p.x1b.2J.n.jpg	.*/back..slash.jpg	'
run 0 identify evil.gallery "$probe" --threshold 0 --json
out_has '^{"photo":"p.u001B.2J.n.jpg"'
out_has '"person":"me.u202E"'
run 3 embed moved.safetensors "names/no$escape.jpg"
err_lacks "$escape"
done_testing
