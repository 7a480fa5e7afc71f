# Synth: people who do not exist. Uses the model that the project ships.
. "$(dirname "$0")/lib.sh"
model=$LK_SOURCE/models/people.safetensors
[ -r "$model" ] || exit 77

run 0 synth drawn --people 2 --photos 3 --seed 11 --model "$model"
out_empty
for p in 1 2; do for n in 1 2 3; do exists drawn/person_000$p/photo_0$n.jpg; done; done
# The same options: what is missing is drawn again, to the same bytes.
cp drawn/person_0002/photo_02.jpg kept.jpg
rm drawn/person_0002/photo_02.jpg
run 0 synth drawn --people 2 --photos 3 --seed 11 --model "$model"
cmp -s kept.jpg drawn/person_0002/photo_02.jpg || fail 'drawn again, the photo differs'
# Another folder's content is never touched.
run 3 synth drawn --people 2 --photos 3 --seed 12 --model "$model"
err_has 'not begun by this same command'
mkdir mine && echo precious >mine/file
run 3 synth mine --people 1 --model "$model"
[ "$(ls -A mine)" = file ] || fail 'a folder of mine was changed'
run 0 synth later --people 1 --photos 1 --first 2 --seed 11 --format png --model "$model"
exists later/person_0002/photo_01.png
run 3 synth new --model no-such.safetensors
missing new
done_testing
