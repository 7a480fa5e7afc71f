# Train-detector: labelled photos in, a model that finds faces out; a stop that loses nothing; labels that are wrong. The
# people do not exist, and their photos are all framed alike: one box and five points fit them all.
. "$(dirname "$0")/lib.sh"
people=$LK_SOURCE/models/people.safetensors
[ -r "$people" ] || exit 77
run 0 synth drawn --people 6 --photos 4 --seed 5 --model "$people"

{
    printf 'photo\tkind\tx\ty\twidth\theight\tx1\ty1\tx2\ty2\tx3\ty3\tx4\ty4\tx5\ty5\n'
    for photo in drawn/*/*.jpg; do
        printf '%s\tface\t18\t28\t60\t72\t35\t54\t61\t54\t48\t69\t38\t82\t58\t82\n' "$photo"
    done
} >labels.tsv

# A net so small that a step takes a moment.
net='input 3 64 64;conv 16 kernel 3 stride 2 pad 1;batchnorm;relu;conv 16 kernel 3 stride 2 pad 1;batchnorm;relu'
net="$net;conv 32 kernel 3 stride 2 pad 1;batchnorm;relu;conv 16 kernel 1 bias;output"
train() {
    code=$1
    shift
    run "$code" train-detector labels.tsv --net "$net" --side 64 --batch 4 --threads 1 --seed 3 --points-minutes 0 "$@"
}

train 0 -o a.safetensors --minutes 0.04 --holdout 0.3
out_empty
err_has 'face [0-9.]*  overlap [0-9.]*  box [0-9.]*  points [0-9.]*'
err_has 'recall'
err_has '^likeness: version .* peak memory'
exists a.safetensors
missing a.safetensors.checkpoint

# It is a detector, and no embedding.
run 0 detect --detector a.safetensors --confidence 0 --json drawn/person_0001/photo_01.jpg
out_has '"faces": *\[{"box"'
run 3 embed a.safetensors drawn/person_0001/photo_01.jpg --crop 1
out_empty
train 0 -o again.safetensors --init a.safetensors --minutes 0.01
run 2 train-detector labels.tsv -o m.safetensors --net small --minutes 0.01
err_has "not a detector's net"
missing m.safetensors

# A photo that cannot be read is told and left out.
printf 'gone.jpg\tnone\n' | cat labels.tsv - >more.tsv
printf 'no photo' >bad.jpg
printf 'bad.jpg\tnone\n' >>more.tsv
run 0 train-detector more.tsv -o b.safetensors --net "$net" --side 64 --batch 2 --minutes 0.01 --points-minutes 0 --threads 1
err_has 'gone.jpg'
err_has 'bad.jpg'

# Stopped by a signal: a checkpoint, exit code 4, and the command that goes on.
"$LIKENESS" train-detector labels.tsv --net "$net" --side 64 --batch 4 --threads 1 --seed 3 --points-minutes 0 \
    --minutes 0.12 -o long.safetensors >out 2>err </dev/null &
pid=$!
command='likeness train-detector, stopped by SIGTERM'
sleep 3
kill -TERM "$pid" # not INT, which a shell's background jobs ignore
wait "$pid"
code=$?
[ "$code" -eq 4 ] || fail "exit code $code, expected 4"
err_has 'stopped; to go on: likeness train-detector labels.tsv .*--resume'
exists long.safetensors.checkpoint
missing long.safetensors
train 2 -o long.safetensors --minutes 0.12 --resume --learning-rate 0.5
err_has '^likeness: '
missing long.safetensors
train 0 -o long.safetensors --minutes 0.12 --resume
exists long.safetensors
missing long.safetensors.checkpoint

# Labels that are wrong are told by their line, before anything is trained or written.
bad() { # LINE MESSAGE: of a file whose third line is LINE
    { head -2 labels.tsv; printf "$1\n"; } >wrong.tsv
    run 3 train-detector wrong.tsv -o w.safetensors --net "$net"
    err_has "wrong.tsv, line 3: $2"
    missing w.safetensors
}
bad 'a.jpg\tface\t1\t2\t3' 'expected photo'
bad 'a.jpg\tdog' 'expected photo'
bad 'a.jpg\tface\t1\t2\t-3\t4\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10' 'expected photo'
run 3 train-detector no.tsv -o w.safetensors
err_has 'no.tsv'
head -1 labels.tsv >empty.tsv
run 3 train-detector empty.tsv -o w.safetensors
err_has 'empty.tsv: no photo is labelled'
run 2 train-detector labels.tsv
run 2 train-detector labels.tsv -o w.safetensors --side 32
run 2 train-detector labels.tsv labels.tsv -o w.safetensors
missing w.safetensors
done_testing
