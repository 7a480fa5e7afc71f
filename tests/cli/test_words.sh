# likeness words: train, near, fill, analogy, eval, map, export; and text it cannot use.
. "$(dirname "$0")/lib.sh"

# Kinds of words that fill the same gaps: "the dog eats the bone", "the man drives the car".
awk 'BEGIN {
    split("dog cat fox", animal); split("bone fish hen", food); split("man woman child", person); split("car cart bus", thing)
    state = 7
    for (i = 0; i < 3000; i++)
        if (below(2)) printf "The %s eats the %s. ", animal[1 + below(3)], food[1 + below(3)]
        else printf "The %s drives the %s. ", person[1 + below(3)], thing[1 + below(3)]
}
function below(n) { state = (state * 16807) % 2147483647; return int(state / 2147483647 * n) }' >text.txt
small="--dim 16 --negatives 8 --subsample 0 --epochs 8 --threads 1"

run 0 words train text.txt -o w.safetensors $small --buckets 100
err_has 'w.safetensors: written'
err_has 'words/s'
missing w.safetensors.corpus
missing w.safetensors.checkpoint
gzip -c text.txt >text.gz
run 0 words train text.gz -o packed.safetensors $small --buckets 100
command='cat text.txt | likeness words train -'
"$LIKENESS" words train - -o piped.safetensors $small --buckets 100 <text.txt >out 2>err || fail 'standard input'
# The same text by three ways: the same vectors.
for model in w packed piped; do
    run 0 words export $model.safetensors -o $model.txt
done
cmp -s w.txt packed.txt || fail '.gz gives other vectors'
cmp -s w.txt piped.txt || fail 'standard input gives other vectors'

run 0 words near w.safetensors dog -k 2 --tsv
sed 1d out | cut -f3 | sort | tr '\n' ' ' >closest
[ "$(cat closest)" = 'cat fox ' ] || fail 'near dog is not cat and fox'
run 0 words near w.txt dog -k 2 --json
out_has '"of":"dog"'
out_has '"word":"cat"'
run 0 words near w.safetensors doggish -k 1
err_has 'put together'
run 3 words near w.txt doggish
err_has 'is not among the 15 words'
run 0 words fill w.safetensors 'The ___ drives the bus' -k 3 --tsv
sed 1d out | cut -f3 | sort | tr '\n' ' ' >fits
[ "$(cat fits)" = 'child man woman ' ] || fail 'the gap'
run 2 words fill w.safetensors 'no gap'
err_has 'write it as ___'
run 2 words fill w.txt 'a ___ gap'
err_has 'word2vec'
run 0 words analogy w.safetensors dog bone man -k 1
out_lacks '^\(dog\|bone\|man\) ' # a word that was asked with is no answer
printf 'dog\tcat\t9\ndog\tbone\t2\nman\twoman\t8\nman\tcar\t1\ndog\tgnu\t4\n' >pairs.tsv
run 0 words eval w.txt --pairs pairs.tsv --json
out_has '"pairs":5,"covered":4,"built":0'
run 0 words eval w.safetensors --pairs pairs.tsv
out_has 'pairs.tsv'
run 2 words eval w.safetensors
err_has 'no pairs are given'
run 0 words map w.safetensors -o map.html --words 10 --skip 0
[ "$(grep -c '</text>\|</title></circle>' map.html)" -eq 10 ] || fail 'ten words on the map'

# What it cannot use.
: >empty.txt
run 3 words train empty.txt -o x.safetensors
err_has 'empty.txt: there is no word in it'
echo alone >one.txt
run 3 words train one.txt -o x.safetensors --min-count 1
err_has 'too little text'
head -c 3000 /dev/zero >zero.bin
run 3 words train zero.bin -o x.safetensors
err_has 'is no text'
head -c 200 text.gz >cut.gz
run 3 words train cut.gz -o x.safetensors
err_has 'cut short'
run 3 words train missing.txt -o x.safetensors
err_has 'missing.txt: cannot'
printf 'caf\351 au lait. %.0s' 1 2 3 4 5 6 >latin.txt
run 0 words train latin.txt -o x.safetensors $small
err_has '6 bytes are no UTF-8'
run 0 words train text.txt -o x.safetensors $small --vocabulary 6 --min-count 1
err_has 'over 6 different words'
run 4 words train text.txt -o /no/such/folder/x
run 2 words train text.txt
run 2 words train text.txt -o x --dim 0
run 2 words train text.txt -o x --loss hinge
run 2 words frobnicate
run 3 words near text.txt dog
err_has 'word2vec'
run 3 words train text.txt -o none.safetensors --resume
done_testing
