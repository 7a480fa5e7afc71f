#!/bin/bash
# demo_words.sh: words that fill the same gap, learned in under two minutes from a dictionary and the Bible. What it
# makes lies in demo/words/.
#   PAIRS="FILE..."   pairs that people judged (WordSim-353, SimLex-999): figures are shown too
set -euo pipefail
cd "$(dirname "$0")/.."
likeness=build/release/likeness
began=$SECONDS

heading() { printf '\n== %s ==\n' "$*"; }
shown() { # the command as one would type it, then do it
    printf '$ likeness'
    printf ' %q' "$@"
    printf '\n'
    "$likeness" "$@"
}

mkdir -p demo/words
model=demo/words/words.safetensors
heading "1. Plain text"
scripts/words_corpus.sh >demo/words/corpus.txt
printf '%s words of a dictionary and the Bible, no labels: demo/words/corpus.txt\n' "$(wc -w <demo/words/corpus.txt)"

heading "2. Learn from its gaps"
echo "A word is taken out and pulled to what is around the gap; 64 other words are pushed away."
training=$SECONDS
shown words train demo/words/corpus.txt -o $model --seed 1
echo "Trained in $((SECONDS - training)) s."

heading "3. Which words fill the gap?"
shown words fill $model "The ___ slept on the rug in the sun" -k 8
shown words fill $model "The king sat upon his ___ in the palace" -k 5
shown words fill $model "He drank a cup of ___" -k 5

heading "4. Words that fill the same gaps are close"
for word in dog king river seven; do shown words near $model $word -k 6; done
echo "Dog and cat before dog and rug?"
"$likeness" words near $model dog -k 100000 --tsv |
    awk -F '\t' '$3 == "cat" || $3 == "rug" { printf "dog and %s: cosine %s, the %sth closest of all words\n", $3, $4, $2 }'

heading "5. As people judge?"
# From the dictionary's own back: what everybody agrees on, most alike first.
printf '%s\n' 'king	queen	9' 'man	woman	9' 'river	stream	9' 'dog	cat	7' 'horse	ox	6' 'bread	wine	5' 'gold	silver	8' \
    'father	mother	8' 'sea	land	4' 'dog	rug	1' 'king	cabbage	1' 'river	anger	1' 'bread	law	1' 'gold	walk	1' >demo/words/pairs.tsv
pairs=(--pairs demo/words/pairs.tsv)
for file in ${PAIRS:-}; do pairs+=(--pairs "$file"); done
shown words eval $model "${pairs[@]}"
[ -n "${PAIRS:-}" ] || echo "Fourteen pairs show how; for figures get WordSim-353 or SimLex-999: PAIRS=\"FILE...\" make demo-words"

heading "6. A map to look at"
shown words map $model -o demo/words/map.html --words 800
echo "Open demo/words/map.html in a browser."
echo
echo "Done in $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s. With your own text: likeness words train TEXT -o MODEL"
