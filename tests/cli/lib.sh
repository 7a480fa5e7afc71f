# lib.sh: read by every test_*.sh; $LIKENESS is the program, $LIKENESS_DRAW draw.c, $LK_SOURCE the sources. Each check
# tells what it saw and the test goes on; the test fails at its end if any check did.
set -u
: "$LIKENESS" "$LIKENESS_DRAW" "$LK_SOURCE"
LC_ALL=C
export LC_ALL
unset ARGP_HELP_FMT
T=$(mktemp -d "${TMPDIR:-/tmp}/likeness-cli.XXXXXX") || exit 1
trap 'chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 1
failures=0

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    echo "  command: ${command:-}"
    sed 's/^/  stdout: /' out 2>/dev/null | head -20
    sed 's/^/  stderr: /' err 2>/dev/null | head -20
}

# run CODE ARGUMENT...: the program must end with CODE.
run() {
    expected=$1
    shift
    command="likeness $*"
    "$LIKENESS" "$@" >out 2>err </dev/null
    code=$?
    [ "$code" -eq "$expected" ] || fail "exit code $code, expected $expected"
}

# The whole of stdout or stderr, read from our own standard input.
out_is() { cat >expected; cmp -s out expected || { fail "stdout differs from:"; cat expected; }; }
err_is() { cat >expected; cmp -s err expected || { fail "stderr differs from:"; cat expected; }; }
out_has() { grep -q -e "$1" out || fail "stdout lacks: $1"; }
err_has() { grep -q -e "$1" err || fail "stderr lacks: $1"; }
out_lacks() { ! grep -q -e "$1" out || fail "stdout has: $1"; }
err_lacks() { ! grep -q -e "$1" err || fail "stderr has: $1"; }
out_empty() { [ ! -s out ] || fail "stdout is not empty"; }
err_empty() { [ ! -s err ] || fail "stderr is not empty"; }
exists() { [ -e "$1" ] || fail "$1 does not exist"; }
missing() { [ ! -e "$1" ] || fail "$1 exists"; }
# Numbers with a point differ a little from processor to processor: #.
mask() { sed -E 's/-?[0-9]+\.[0-9]+(e-?[0-9]+)?/#/g' "$1"; }

# A net so small that training it takes a moment; face-sized nets are tested elsewhere.
tiny_net() {
    cat >tiny.net <<'NET'
input 3 16 16
conv 8 kernel 3 stride 2 pad 1
batchnorm
prelu
gdconv
batchnorm
linear 16
l2norm
NET
}

# people/ of 6 people with 4 photos each, and model.safetensors, untrained: it has no threshold.
tiny_world() {
    "$LIKENESS_DRAW" people people 6 4 || { echo "cannot draw"; exit 1; }
    tiny_net
    run 0 train people -o model.safetensors --net tiny.net --epochs 0 --holdout 0 --seed 7 --threads 1
    exists model.safetensors
}

done_testing() {
    [ "$failures" -eq 0 ] || { echo "$failures failed"; exit 1; }
    echo "passed"
    exit 0
}
