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

# Stopped by a signal: a checkpoint, exit code 4, and the command that goes on.
"$LIKENESS" train people --net tiny.net --threads 1 --seed 3 --people 4 --photos 4 --minutes 5 -o long.safetensors \
    >out 2>err </dev/null &
pid=$!
command='likeness train, stopped by SIGTERM'
sleep 2
kill -TERM "$pid"
wait "$pid"
code=$?
[ "$code" -eq 4 ] || fail "exit code $code, expected 4"
err_has 'stopped; to go on: likeness train people .*--resume'
exists long.safetensors.checkpoint
missing long.safetensors
train 2 -o long.safetensors --minutes 5 --resume --margin 0.7
err_has '^likeness: '

# Stopped and resumed, the run ends with the same bits as one never stopped.
train 0 -o whole.safetensors --epochs 500
command='likeness train, stopped and resumed'
"$LIKENESS" train people --net tiny.net --threads 1 --seed 3 --people 4 --photos 4 --epochs 500 -o part.safetensors \
    >out 2>err </dev/null &
pid=$!
sleep 1.3
kill -TERM "$pid" # not INT, which a shell's background jobs ignore
wait "$pid"
if [ -e part.safetensors.checkpoint ]; then
    train 0 -o part.safetensors --epochs 500 --resume
else
    echo 'the run ended before it could be stopped'
fi
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
