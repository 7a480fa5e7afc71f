# Several processes train one net (mpirun): the same run as by one, up to rounding; one that fails or dies ends all, with
# its cause told and the checkpoint intact; a stop loses nothing.
. "$(dirname "$0")/lib.sh"
# Open MPI unloads its parts before leaks are looked for, so that no suppression can name them.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"

# Started by a launcher of which this build knows nothing, each process would train alone and write the same file.
"$LIKENESS_DRAW" people people 12 4 || exit 1
for rank in 0 1; do
    command="likeness train, told to be rank $rank of 2 by a launcher of another MPI"
    PMI_RANK=$rank PMI_SIZE=2 "$LIKENESS" train people -o m.safetensors --epochs 0 >out 2>err </dev/null
    code=$?
    [ "$code" -eq 2 ] || fail "exit code $code, expected 2"
    if [ $rank -eq 0 ]; then err_has 'started as 2 ranks'; else err_empty; fi
done
missing m.safetensors

command -v mpirun >/dev/null || { echo 'no mpirun here: skipped'; [ $failures -eq 0 ] && exit 77 || exit 1; }
# mpirun in a container: as root, on fewer cores than ranks, without a network.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl=self,vader OMPI_MCA_oob_tcp_if_include=lo PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
# Open MPI keeps sockets in TMPDIR, whose path must be short.
export TMPDIR=/tmp
cat >plain.net <<'NET'
input 3 16 16
conv 8 kernel 3 stride 2 pad 1 bias
prelu
conv 16 kernel 3 stride 2 pad 1 bias
prelu
linear 16
l2norm
NET
tiny_net

# ranks N CODE ARGUMENT...: as run, but N of them.
ranks() {
    local count=$1
    expected=$2
    shift 2
    command="mpirun -n $count likeness $*"
    timeout 60 mpirun -n "$count" "$LIKENESS" "$@" >out 2>err </dev/null
    code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code, expected $expected"
}

probe() { run 0 embed "$1" people/person_0[1-4]/photo_01.jpg; sed 's/^[^\t]*\t//' out | tr ' \t' '\n\n'; }
# close A B TOLERANCE: two files of numbers
close() {
    paste "$1" "$2" | awk -v most="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { print "largest difference:", worst; exit NR == 0 || worst > most }' >difference ||
        fail "$1 and $2 differ: $(cat difference)"
}
# Of all steps, in however many lines: a line's is the mean since the one before.
loss() { awk -F, 'NR > 1 { sum += $6 * ($1 - step); step = $1 } END { print sum / step }' "$1"; }

command='mpirun -n 2 likeness train, an untrained net'
mpirun -n 2 "$LIKENESS" train people --net plain.net -o m.safetensors --epochs 0 >out 2>err </dev/null
code=$?
if grep -q 'has no MPI' err; then
    [ "$code" -eq 2 ] || fail "exit code $code, expected 2"
    [ "$(grep -c 'has no MPI' err)" -eq 1 ] || fail 'not told once'
    echo 'this build has no MPI: skipped'
    [ $failures -eq 0 ] && exit 77 || exit 1
fi
[ "$code" -eq 0 ] || fail "exit code $code, expected 0"
exists m.safetensors

# 12 people in batches of 8 x 4: 2 ranks with 4 people each make the same steps as one with 8.
for kind in 'plain random' 'tiny batch-hard'; do
    read -r net mining <<<"$kind"
    same="people --net $net.net --photos 4 --mining $mining --semi-hard-share 0.3 --epochs 4 --holdout 0.2 --seed 3
        --optimizer sgd --learning-rate 0.05 --threads 1"
    # shellcheck disable=SC2086
    {
        run 0 train $same --people 8 -o one.safetensors --log one.csv
        ranks 2 0 train $same --people 4 -o two.safetensors --log two.csv
    }
    err_has '2 ranks, here 1 thread each; a batch is up to 8 people x 4 photos'
    [ "$(grep -c 'peak memory' err)" -eq 1 ] || fail 'not rank 0 alone tells the end'
    missing two.safetensors.checkpoint
    [ "$(tail -1 one.csv | cut -d, -f1-2)" = "$(tail -1 two.csv | cut -d, -f1-2)" ] || fail 'steps or photos differ'
    loss one.csv >a
    loss two.csv >b
    close a b 1e-4
    probe one.safetensors >a
    probe two.safetensors >b
    close a b 1e-4
done

# A run that goes on, with its checkpoint: sets $pid and returns when there is one.
begin() {
    command="mpirun -n 2 likeness train $*"
    mpirun -n 2 "$LIKENESS" train people --net plain.net --people 4 --photos 4 --seed 3 --checkpoint-minutes 0.01 \
        --minutes 5 -o long.safetensors "$@" >out 2>err </dev/null &
    pid=$!
    for ((i = 0; i < 400; i++)); do # it trains, however loaded the machine is
        [ -e long.safetensors.checkpoint ] && grep -q epoch err && return
        sleep 0.1
    done
    fail 'no checkpoint'
}
# The process of a rank: here, and told so by its launcher.
process_of() {
    local p
    for p in /proc/[0-9]*; do
        [ "$p/cwd" -ef . ] && tr '\0' '\n' 2>/dev/null <"$p/environ" |
            grep -q "^\(OMPI_COMM_WORLD_RANK\|PMI_RANK\)=$1$" && echo "${p#/proc/}"
    done
}
end() { wait "$pid"; code=$?; [ "$code" -ne 0 ] || fail 'exit code 0'; }

# Rank 1 dies: all end, the user is told how to go on, and that works.
begin
rank=$(process_of 1)
[ -n "$rank" ] || fail 'rank 1 was not found'
kill -9 $rank
end
err_has 'other ranks do not answer.*checkpoint is intact; to go on: mpirun -n 2 likeness train .*--resume'
missing long.safetensors
cp long.safetensors.checkpoint kept
ranks 2 0 train people --net plain.net --people 4 --photos 4 --seed 3 --minutes 0.02 -o m.safetensors
ranks 2 2 train people --net plain.net --people 4 --photos 4 --seed 3 --minutes 5 --precision bf16 -o long.safetensors \
    --resume
err_has 'precision bf16'
cmp -s kept long.safetensors.checkpoint || fail 'the checkpoint was touched'

# Resumed, and stopped as Ctrl-C does: a newer checkpoint.
begin --resume
kill -TERM "$pid"
end
err_has 'stopped; to go on: mpirun -n 2 likeness train .*--resume'
err_lacks 'rank 1'
cmp -s kept long.safetensors.checkpoint && fail 'no checkpoint was written at the stop'

# Rank 0 dies.
cp long.safetensors.checkpoint kept
begin --resume --checkpoint-minutes 60
kill -9 "$(process_of 0)"
end
cmp -s kept long.safetensors.checkpoint || fail 'the checkpoint was touched'
# One process goes on with what two began: the same batch, another cut.
run 2 train people --net plain.net --people 4 --photos 4 --seed 3 --minutes 5 -o long.safetensors --resume
err_has 'batch 4x4'

# What is wrong for all is told once, by rank 0; what is wrong for one, by that one. The exit codes are the usual ones.
ranks 2 2 train people --net plain.net --people banana -o m2.safetensors
[ "$(grep -c banana err)" -eq 1 ] || fail 'not told once'
ranks 2 3 train nowhere --net plain.net -o m2.safetensors
[ "$(grep -c 'nowhere: cannot open' err)" -eq 1 ] || fail 'not told once'
ranks 2 4 train people --net plain.net -o no/such/m2.safetensors
[ "$(grep -c 'cannot write in' err)" -eq 1 ] || fail 'not told once'
ranks 2 2 train people --baseline eigenfaces -o m2.safetensors
err_has 'without mpirun'
cp -r people fewer
rm fewer/person_05/photo_01.jpg
for folder in fewer nowhere; do
    command="mpirun: rank 1 sees $folder"
    timeout 60 mpirun -n 1 "$LIKENESS" train people --net plain.net -o m2.safetensors : \
        -n 1 "$LIKENESS" train $folder --net plain.net -o m2.safetensors >out 2>err </dev/null
    code=$?
    [ "$code" -eq 3 ] || fail "exit code $code, expected 3"
    err_has '^likeness: rank 1: '
done
missing m2.safetensors

# A photo that one rank cannot read is told by that rank, and training goes on.
for i in 1 2 3 4 5 6; do echo no >"fewer/person_0$i/photo_02.jpg"; done
ranks 2 0 train fewer --net plain.net --people 4 --epochs 5 --holdout 0 -o m2.safetensors --report m2.html
err_has '^likeness: rank 1: fewer/person'
exists m2.safetensors
# The page is rank 0's, and says so.
for text in '>finished<' 'Of rank 0&#39;s anchors\|Of rank 0.s anchors' '<th scope="row">Ranks</th><td>2</td>' \
    'mpirun -n 2 likeness train fewer'; do
    grep -q -e "$text" m2.html || fail "the page lacks: $text"
done

# One rank is no different from none; other verbs know nothing of ranks.
ranks 1 0 train people --net plain.net --epochs 1 -o m3.safetensors --threads 1
err_lacks 'ranks'
ranks 2 0 nets
done_testing
