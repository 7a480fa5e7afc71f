# eval --damage: each model on photos as they are and on worse ones, beside each other.
. "$(dirname "$0")/lib.sh"
tiny_world
{
    printf 'fold\tsame\ta\tb\n'
    for fold in 0 1; do
        for p in 1 2 3 4 5 6; do
            printf '%d\t1\tperson_0%d/photo_01.jpg\tperson_0%d/photo_0%d.jpg\n' $fold $p $p $((fold + 2))
            printf '%d\t0\tperson_0%d/photo_02.jpg\tperson_0%d/photo_04.jpg\n' $fold $p $(((p + fold) % 6 + 1))
        done
    done
} >pairs.tsv
measure() { run "$1" eval model.safetensors --pairs pairs.tsv --root people --bootstrap 0 --map 0 --threads 1 --json "${@:2}"; }
figures() { /usr/bin/python3 -c 'import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps([row["name"], row["damage"], row["pairs"], [m["cosine"] for m in row["mistakes"]["same"]]]))'; }

measure 0
figures <out >clean
measure 0 --damage dark=6 --damage pixels=4 --name tiny
err_has '^likeness: tiny, dark=6$'
figures <out >all
[ "$(wc -l <all)" -eq 3 ] || fail 'not one object for each damage and one without'
sed -n 1p all | sed 's/"tiny"/"model"/' | cmp -s - clean || fail 'the damage of others changes photos as they are'
sed -n 2p all | grep -q '"tiny, dark=6", "dark=6", 24' || fail 'the second is not in the dark'
sed -n 3p all | grep -q '"tiny, pixels=4", "pixels=4", 24' || fail 'the third has too many pixels'
[ "$(sed 's/.*, \[/[/' all | sort -u | wc -l)" -eq 3 ] || fail 'damage changes nothing'

# A photo beside itself: alike, until one of the two is damaged.
printf 'fold\tsame\ta\tb\n0\t1\tperson_01/photo_01.jpg\tperson_01/photo_01.jpg\n0\t0\tperson_01/photo_01.jpg\tperson_02/photo_01.jpg\n' >pairs.tsv
measure 0 --damage pixels=4
figures <out >both
measure 0 --damage pixels=4 --damage-second
figures <out >second
/usr/bin/python3 - >out 2>err <<'END' || fail 'not only the second photo is damaged'
import json

both, second = ([json.loads(line)[3][0] for line in open(name)] for name in ("both", "second"))
print(both, second)
assert min(both) > 0.999 and second[0] > 0.999 and second[1] < 0.999
END
run 0 eval model.safetensors --pairs pairs.tsv --root people --bootstrap 0 --damage jpeg --damage-second
out_has 'model, jpeg'

measure 2 --damage blur
err_has 'shrink=PIXELS, .* was expected'
measure 2 --damage-second
err_has 'belongs to --damage'
measure 2 --damage grey --damage-second --identify people
measure 2 $(for i in $(seq 20); do echo --damage dark=0.$i; done)
err_has 'over 20 models'
measure 3 --damage glasses
err_has 'no face is found to put glasses on'
done_testing
