# Usage: help, version, and every way to call a verb wrongly. No file is needed.
. "$(dirname "$0")/lib.sh"

run 2
out_empty
err_has '^Usage: likeness VERB'
run 0 --help
out_has '^Usage: likeness VERB'
err_empty
run 0 help
run 0 --version
out_has '^likeness [0-9]*\.[0-9]*\.[0-9]*'
out_has '^compiler '
run 2 fly
err_is <<END
likeness: there is no verb 'fly'; likeness help lists them
END
run 2 help fly
err_has "no verb 'fly'"

for verb in train detect crop eval embed verify enroll identify gallery synth export nets; do
    run 0 "$verb" --help
    out_has "^Usage: likeness $verb"
    err_empty
    cp out help
    run 0 help "$verb"
    out_is <help
    run 2 "$verb" --no-such-option
    out_empty
    err_has "^likeness $verb: "
done
run 0 report --help

# wrong ARGUMENT... -- MESSAGE: exit code 2, nothing on stdout, and the message.
wrong() {
    message=$1
    shift
    run 2 "$@"
    out_empty
    err_has "$message"
}
wrong 'no folder of people' train
wrong 'no model to write' train people
wrong "^likeness train: --margin: 'x' is not a number from 0.001 to 2$" train people -o m --margin x
wrong "'nan' is not a number" train people -o m --margin nan
wrong "'inf' is not a number" train people -o m --margin inf
wrong "'0.3x' is not a number" train people -o m --margin 0.3x
wrong "'-1' is not a whole number from 2 to" train people -o m --people -1
wrong "'1' is not a whole number from 2 to" train people -o m --photos 1
wrong "'2.5' is not a whole number" train people -o m --photos 2.5
wrong "'99999999999999999999' is not a whole number" train people -o m --seed 99999999999999999999
wrong "'-1' is not a whole number" train people -o m --seed=-1
wrong "'' is not a whole number" train people -o m --seed=
wrong "'-2' is not a whole number" train people -o m --threads -2
wrong "'1.5' is not a number from 0 to 1" train people -o m --augment 1.5
wrong "'hard' is not one of random, semi-hard, batch-hard, distance-weighted" train people -o m --mining hard
wrong "'hinge' is not one of triplet, triplet-soft, " train people -o m --loss hinge
wrong 'margin: the loss supcon has none' train people -o m --margin 0.4 --loss supcon
wrong 'margin: the loss triplet-soft has none' train people -o m --loss triplet-soft --margin 0.4
wrong 'temperature: the loss triplet has none' train people -o m --temperature 0.1
wrong "'0.001' is not a number from 0.005 to 10" train people -o m --loss supcon --temperature 0.001
wrong 'mining: the loss n-pair takes all pairs' train people -o m --mining random --loss n-pair
wrong 'memory: the loss arcface compares with classes' train people -o m --memory 100 --loss arcface
wrong "'adam' is not one of adamw, sgd" train people -o m --optimizer adam
wrong "'pca' is not eigenfaces" train people -o m --baseline pca
wrong 'takes no --init' train people -o m --baseline eigenfaces --init x
wrong '^likeness train: --crop: ' train people -o m --crop 0
wrong "neither a net of likeness nets nor a file" train people -o m --net no-such-net
mkdir folder
wrong '^likeness train: folder: ' train folder@big -o m
wrong 'no photo is given' detect
wrong "'63' is not a whole number from 64 to 4096" detect a --size 63
wrong "'1.1' is not a number from 0 to 1" detect a --confidence 1.1
wrong 'no photo is given' crop -o d
wrong 'no folder to write into' crop a
wrong "'0.9' is not a number from 1 to 4" crop a -o d --room 0.9
wrong "'gif' is not one of jpg, png, webp" crop a -o d --format gif
wrong 'belongs to --detect' train people -o m --detector d
wrong 'takes no --crop' train people -o m --detect --crop 0.9
wrong 'one of --largest, --all and --face' enroll g a --person me --largest --all
wrong "'0' is not a whole number from 1 to" enroll g a --person me --face 0
wrong 'a model and at least one photo' embed m
wrong "'csv' is not one of text, json, npy" embed m a --format csv
wrong "^likeness embed: --precision: 'f16' is not one of f32, bf16$" embed m a --precision f16
wrong "'' is not one of f32, bf16" verify m a b --precision ''
wrong "'BF16' is not one of f32, bf16" eval m --identify d --precision BF16
wrong "'bf16x' is not one of f32, bf16" enroll g --model m d --precision bf16x
wrong "'1' is not one of f32, bf16" identify g a --precision 1
wrong "'f64' is not one of f32, bf16" train people -o m --precision f64
wrong 'a model and two photos' verify m a
wrong "'c' is one too many" verify m a b c
wrong "'2' is not a number from -1 to 1" verify m a b --threshold 2
wrong 'no model is given' eval
wrong 'nothing to measure' eval m
wrong 'needs --root' eval m --pairs p
wrong 'belongs to --pairs' eval m --identify d --root d
wrong 'is given twice' eval m --identify d --identify d
wrong 'one of them' eval m --pairs p --root d --all-pairs d
wrong 'groups belongs to' eval m --identify d --groups g
wrong 'title belongs to' eval m --identify d --title t
wrong 'give the page a file' eval m --identify d --report -
wrong 'more --name than models' eval m --identify d --name a --name b
wrong 'over 20 models' eval 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 --identify d
wrong 'a gallery and a folder' enroll g
wrong 'the name is empty' enroll g a --person ''
wrong 'a gallery and at least one photo' identify g
wrong "--k: '0' is not a whole number" identify g a -k 0
wrong 'a gallery and an action are needed' gallery
wrong 'a gallery and an action are needed' gallery g
wrong 'there is no such action: fly' gallery g fly
wrong 'say whom' gallery g show
wrong 'say whom' gallery g remove
wrong 'say which, by its id' gallery g remove-photo
wrong "'1x' is no id" gallery g remove-photo 1x
wrong 'the new name' gallery g rename a
wrong 'who else they are' gallery g merge-people a
wrong 'which other gallery' gallery g merge
wrong 'a new folder' gallery g export
wrong 'which folder' gallery g import
wrong "'x' is one too many" gallery g list x
wrong "'x' is one too many" gallery g show y x
wrong 'one folder to draw into' synth
wrong 'one folder to draw into' synth a b
wrong 'belongs to --fit' synth a -o m
wrong 'no model to write' synth --fit a
wrong "'0' is not a whole number" synth a --people 0
wrong "'gif' is not jpg or png" synth a --format gif
wrong 'no model is given' export
wrong 'no file to write' export m
wrong 'one model at a time' export m n -o x.onnx
wrong 'must end in .onnx' export m -o m
wrong 'must end in .onnx' export m -o m.txt
wrong 'the model itself' export "$LK_SOURCE/models/detect.safetensors" -o "$LK_SOURCE/models/detect.safetensors"
wrong "no net 'x'" nets --text x
wrong 'takes no names' nets x

# Live defaults.
run 0 verify --help
out_has 'all cores (default 0)'
run 0 identify --help
out_has '(default 5)'
for verb in detect crop embed verify eval enroll identify train; do
    run 0 "$verb" --help
    tr -s ' \n' ' ' <out >joined && mv joined out # argp breaks lines where it likes
    out_has '--precision=NAME f32, or bf16: [^(]* (default f32)'
done
run 0 train --help
out_lacks 'default nan'
tr -s ' \n' ' ' <out >joined && mv joined out
out_has '--loss=NAME [^(]*supcon[^(]*arcface (default triplet)'
out_has '--margin=D [^(]*(default: triplet 0.3, [^)]*arcface 0.5)'
out_has '--temperature=T [^(]*(default: n-pair 0.1, '
out_has '--mining=NAME [^(]*(default: triplet batch-hard, [^)]*margin distance-weighted)'

run 0 nets
head -1 out >first
run 0 nets --text "$(cat first)"
out_has '^input 3 '

# Results that cannot be written are an error, whatever the verb.
if [ -w /dev/full ]; then
    for arguments in --help --version 'train --help' nets; do
        command="likeness $arguments >/dev/full"
        # shellcheck disable=SC2086
        "$LIKENESS" $arguments >/dev/full 2>err
        code=$?
        [ "$code" -eq 4 ] || fail "exit code $code, expected 4"
        err_has '^likeness: standard output: cannot write'
    done
fi

# What comes from outside does not steer the terminal.
run 2 "$(printf 'a\033[31mb')"
err_has 'a\\x1b\[31mb'
run 2 train people -o m --margin "$(printf '\033[31m')"
err_has "'.x1b.31m' is not a number"
done_testing
