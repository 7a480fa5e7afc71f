#!/bin/bash
# words_corpus.sh: 5.6 million words of plain English on standard output: the Collaborative International Dictionary
# of English (Debian's dict-gcide) without its marks of sources and pronunciation, a paragraph a line; then the King
# James Bible (bible-kjv-text), a verse a line. Empty lines between.
set -euo pipefail
dictionary=/usr/share/dictd/gcide.dict.dz
[ -r $dictionary ] || { echo "words_corpus.sh: $dictionary is missing: scripts/packages.sh words" >&2; exit 3; }
# A .dz is a .gz. "[1913 Webster]" is on every third line, and would be what most words stand next to.
zcat <$dictionary | sed -e 's/\[[^]]*\(Webster\|PJC\|WordNet\)[^]]*\]//g' -e 's/\\[^\\]*\\//' |
    awk '/^[ \t]*$/ { if (line != "") print line "\n"; line = ""; next } { line = line " " $0 } END { print line "\n" }'
bible -f gen1:1-rev22:21 </dev/null 2>/dev/null | sed -e 's/^[^ ]* //' -e 's/$/\n/'
