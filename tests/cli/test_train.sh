# Train: a model out of folders, its progress, its files, and a stop that loses nothing.
. "$(dirname "$0")/lib.sh"
"$LIKENESS_DRAW" people people 8 4 || exit 1
tiny_net

train() { code=$1; shift; run "$code" train people --net tiny.net --threads 1 --seed 3 --people 4 --photos 4 "$@"; }

# An untrained net: the same seed gives the same bytes, another seed another model.
train 0 -o a.safetensors --epochs 0 --holdout 0
out_empty
err_has '^likeness: a.safetensors: [0-9]* parameters, photos 16 x 16, vectors of 16, threshold none'
err_has '^likeness: version .* peak memory'
train 0 -o b.safetensors --epochs 0 --holdout 0
run 0 embed a.safetensors people/person_01/photo_01.jpg
cp out first
run 0 embed b.safetensors people/person_01/photo_01.jpg
out_is <first
run 0 train people --net tiny.net --epochs 0 --seed 4 -o c.safetensors
run 0 embed c.safetensors people/person_01/photo_01.jpg
! cmp -s out first || fail 'another seed gave the same vector'

# Trained: it has a threshold, left a log and no checkpoint, and is better than by chance.
train 0 -o trained.safetensors --epochs 8 --holdout 0.25 --log log.csv
err_has 'threshold -*[01]\.'
exists log.csv
missing trained.safetensors.checkpoint
[ "$(wc -l <log.csv)" -ge 2 ] || fail 'the log holds no progress'
head -1 log.csv | grep -q 'loss' || fail 'the log has no header'
train 0 -o fine.safetensors --init trained.safetensors --epochs 1
run 0 train people --baseline eigenfaces -o pca.safetensors --threads 1
run 0 embed pca.safetensors people/person_01/photo_01.jpg

# Whom it was trained on: everybody's id, as sha256sum computes it.
ids() { for person; do printf %s "$person" | sha256sum | cut -c 1-12; done | sort | tr -d '\n'; }
people_of() { head -c 100000 "$1" | grep -ao '"trained_people":"[0-9a-f]*"' | cut -d '"' -f 4; }
ids $(ls people) >expected
for model in trained fine pca; do
    command="trained_people of $model.safetensors"
    people_of $model.safetensors | tr -d '\n' | cmp -s - expected || fail "$(people_of $model.safetensors) instead of $(cat expected)"
done
if command -v python3 >/dev/null; then
    printf 'person_03\r\n# person_04\n' >names
    train 0 -o some.safetensors --epochs 1 --exclude names
    cp trained.safetensors again.safetensors
    command='trained_people.py'
    python3 "$LK_SOURCE/scripts/trained_people.py" again.safetensors people --exclude names >out 2>err || fail 'it failed'
    out_has '7 people'
    [ "$(people_of again.safetensors)" = "$(people_of some.safetensors)" ] || fail 'train and trained_people.py differ'
    run 0 embed trained.safetensors people/person_01/photo_01.jpg
    cp out first
    run 0 embed again.safetensors people/person_01/photo_01.jpg
    out_is <first
    tail -c 1000 again.safetensors | cmp -s - <(tail -c 1000 trained.safetensors) || fail 'the arrays changed'
fi

# The page about a run: its figures are those of the last line of the log, its curves have a point for each step told.
page=run.html
has() { grep -qF -e "$1" $page || fail "$page lacks: $1"; }
lacks() { ! grep -qF -e "$1" $page || fail "$page has: $1"; }
tile() { sed -n "s|^<div><dt>$1</dt><dd>\([0-9.]*\).*|\1|p" $page; }
near() { awk -v a="$1" -v b="$2" -v most="$3" 'BEGIN { d = a - b; exit !(a != "" && d <= most && d >= -most) }' || fail "$4: page $1, log $2"; }
check_page() { # LOG
    [ "$(tile Step)" = "$(tail -1 "$1" | cut -d , -f 1)" ] || fail "step $(tile Step) is not that of $1"
    near "$(tile Epoch)" "$(tail -1 "$1" | cut -d , -f 4)" 0.0056 epoch
    near "$(tile Loss)" "$(tail -1 "$1" | cut -d , -f 6)" 0.00006 loss
    near "$(tile 'Active triplets')" "$(tail -1 "$1" | awk -F , '{ print 100 * $7 }')" 0.056 'active triplets'
    told=$(awk -F , 'NR > 1 && !seen[$1]++' "$1" | wc -l)
    drawn=$(grep -A 99 '>Loss</h3>' $page | grep -m 1 -o '<path class="line s0" d="[^"]*"' | grep -o '[ML]' | wc -l)
    [ "$told" -gt 110 ] || [ "$drawn" -eq "$told" ] || fail "$told steps told in $1, $drawn points in the curve"
    lacks '://'
    lacks '<script'
    lacks 'src="/'
    has "default-src 'none'"
    for tag in section figure svg ol ul li dl table tr td div p pre; do
        open=$(grep -oE "<$tag[ >]" $page | wc -l) closed=$(grep -oF "</$tag>" $page | wc -l)
        [ "$open" -eq "$closed" ] || fail "$open <$tag> but $closed </$tag>"
    done
}
mkdir 'odd'
cp -r people/* odd
mv odd/person_02 'odd/<i>x&y'
cp odd/person_03/photo_01.jpg odd/person_05/wrong.jpg
echo junk >odd/person_06/bad.jpg
run 0 train odd --net tiny.net --threads 1 --people 4 --epochs 20 --holdout 0.25 -o odd.safetensors --report run.html --log odd.csv
check_page odd.csv
has '>finished<'
lacks 'http-equiv="refresh"'
has '&lt;i&gt;x&amp;y'
lacks '<i>x'
has '<th scope="row">Photos that could not be read</th><td>1</td>'
has 'odd/person_06/bad.jpg: '
has 'likeness train odd --net tiny.net --threads 1 --people 4 --epochs 20'
has '>Distances now</h3>'
has '>ROC</h3>'
near "$(tile 'Validation accuracy')" "$(tail -1 odd.csv | awk -F , '{ print 100 * $11 }')" 0.0056 'validation accuracy'
near "$(tile 'Validation accuracy')" "$(sed -n 's|.*<th scope="row">Accuracy</th><td>\([0-9.]*\) %.*|\1|p' $page)" 0.0001 'accuracy, in the tile and in the table'
[ "$(grep -o '<img ' $page | wc -l)" -ge 9 ] || fail 'hardly any hard triplets'
[ $(($(grep -o '<img ' $page | wc -l) % 3)) -eq 0 ] || fail 'triplets without three photos'
# Whatever is wrong with it is said before training.
train 2 -o m.safetensors --epochs 1 --report -
err_has 'needs a file'
run 2 train people --baseline eigenfaces -o m.safetensors --report run.html
err_has 'takes no --report'
train 4 -o m.safetensors --epochs 1 --report no/such/run.html
err_has '^likeness: no/such/run.html: cannot write'
missing m.safetensors

# Stopped by a signal: a checkpoint, exit code 4, and the command that goes on. The page is there while it runs.
"$LIKENESS" train people --net tiny.net --threads 1 --seed 3 --people 4 --photos 4 --minutes 5 -o long.safetensors \
    --report long.html --log long.csv >out 2>err </dev/null &
pid=$!
command='likeness train, stopped by SIGTERM'
page=long.html
for i in $(seq 200); do [ ! -e long.html ] || break; sleep 0.1; done
has '>running<'
has '<meta http-equiv="refresh" content="60">'
[ "$(ls long.html*)" = long.html ] || fail "left beside the page: $(ls long.html*)"
kill -TERM "$pid"
wait "$pid"
code=$?
[ "$code" -eq 4 ] || fail "exit code $code, expected 4"
err_has 'stopped; to go on: likeness train people .*--resume'
exists long.safetensors.checkpoint
missing long.safetensors
has '>stopped<'
lacks 'http-equiv="refresh"'
check_page long.csv
train 2 -o long.safetensors --minutes 5 --resume --margin 0.7
err_has '^likeness: '
train 3 -o long.safetensors --minutes 5 --resume --report long.html --log people/person_01/photo_01.jpg
err_has 'not a log of likeness train'

# Stopped and resumed, the run ends with the same bits as one never stopped, with a page and without.
train 0 -o whole.safetensors --epochs 500
command='likeness train, stopped and resumed'
"$LIKENESS" train people --net tiny.net --threads 1 --seed 3 --people 4 --photos 4 --epochs 500 -o part.safetensors \
    --report part.html --log part.csv >out 2>err </dev/null &
pid=$!
for i in $(seq 200); do [ "$(cat part.csv 2>/dev/null | wc -l)" -lt 2 ] || break; sleep 0.1; done # a line of progress
kill -TERM "$pid" # not INT, which a shell's background jobs ignore
wait "$pid"
page=part.html
if [ -e part.safetensors.checkpoint ]; then
    before=$(wc -l <part.csv)
    train 0 -o part.safetensors --epochs 500 --resume --report part.html --log part.csv
    [ "$(wc -l <part.csv)" -gt "$before" ] || fail 'the log did not go on'
    lacks 'They begin where the run was resumed'
else
    echo 'the run ended before it could be stopped'
fi
check_page part.csv
missing part.safetensors.checkpoint
run 0 embed whole.safetensors people/person_01/photo_01.jpg
cp out first
run 0 embed part.safetensors people/person_01/photo_01.jpg
out_is <first

# A net of one's own with a mistake is told by its line.
printf 'input 3 16 16\nconv banana\n' >bad.net
run 3 train people --net bad.net -o m.safetensors --epochs 0
err_has 'line 2'
head -c 100000 /dev/zero >bad.net
run 3 train people --net bad.net -o m.safetensors --epochs 0
err_has 'not the text of a net'
run 4 train people -o no/such/folder/m.safetensors --epochs 0
err_has '^likeness: no/such/folder/m.safetensors: cannot write'
missing m.safetensors
done_testing
