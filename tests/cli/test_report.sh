# report: one page, complete in itself, from what train, eval and identify write; names from outside stay text.
. "$(dirname "$0")/lib.sh"
"$LIKENESS_DRAW" people people 2 2 || fail 'cannot draw people'

has() { grep -qF -e "$1" page.html || fail "the page lacks: $1"; }
lacks() { ! grep -qF -e "$1" page.html || fail "the page has: $1"; }
occurs() { n=$(grep -oF -e "$1" page.html | wc -l); [ "$n" -eq "$2" ] || fail "the page has $n times, not $2: $1"; }

# Columns in any order and unknown ones too; empty cells; a resumed run doing steps again; a line just being written.
printf 'step,seconds,photos,new,loss,validation_accuracy\r\n' >train.csv
printf '10,1,640,x,0.31,\n20,2,1280,,0.2,\n' | sed 's/,x,/,,/' >>train.csv
printf '15,3,960,7,0.25,0.5\n30,4,1920,7,0.125,0.75\n40,5,25' >>train.csv
cat >first.json <<'JSON'
{"name":"first","accuracy":0.9,"accuracy_se":0.01,"auc":0.95,"eer":0.1,"tar_at_far":{"1e-1":0.9,"1e-2":0.5,"1e-3":null},
 "rank1":null,"pairs":200,"threshold":0.4,"roc":[[0,0],[0,0.4],[0.01,0.5],[1,1]]}
JSON
echo '{"name":"<b>second","accuracy":0.8,"eer":0.05,"rank1":0.75,"people":4,"cmc":[0.75,0.9,1,1]}' >second.json
cat >identify.jsonl <<'JSON'
{"photo":"person_01/photo_01.jpg","threshold":0.5,"truth":"Ann","faces":[{"box":null,"person":"Ann","known":true,"probability":null,"matches":[{"person":"Ann","photo":"person_01/photo_02.jpg","cosine":0.875,"l2":0.5},{"person":"<script>Bob&\"'","photo":"person_02/photo_01.jpg","cosine":0.25,"l2":1.225}]}]}

{"photo":"gone<i>.jpg","threshold":0.5,"truth":null,"faces":[{"box":null,"person":null,"known":false,"probability":null,"matches":[{"person":"Ann","photo":"person_01/photo_02.jpg","cosine":0.125,"l2":1.32}]}]}
{"photo":"person_02/photo_02.jpg","faces":[]}
JSON

run 0 report -o page.html --title 'A <title> & "more"' --train train.csv --eval first.json --eval second.json --identify identify.jsonl --root people
err_has '^likeness: 1 of 6 photos could not be read'
out_empty
# Nothing from elsewhere: no address, no script, and the browser is told to load nothing.
lacks '://'
lacks '<script'
lacks 'src="/'
has "default-src 'none'"
occurs '<img ' 5
occurs 'data:image/jpeg;base64,' 5
has 'A &lt;title&gt; &amp; &quot;more&quot;'
# training: the step done again counts once, the unfinished line not at all
has '0:04'
has '0.1250'
has '75.0 %'
occurs '>Validation accuracy</h3>' 1
lacks '>Learning rate</h3>'
# figures
has '90.00 % <span class="se">'
has 'too few pairs'
has '&lt;b&gt;second'
has '<td>5.00 %</td>'
lacks 'class="best"'
has 'These models were not compared by a test'
has '>ROC</h3>'
has '>CMC</h3>'
# suspects
has '&lt;script&gt;Bob&amp;&quot;&#39;'
has 'right</span>'
has 'rightly unknown</span>'
has 'best cosine 0.125 is under the threshold 0.500'
has 'photo not found'
has 'gone&lt;i&gt;.jpg'
has 'No face found'
occurs '>below threshold<' 2
has '2 of 2'
has 'A suspect is a lead, not an identification.'
# Well formed: what is opened is closed.
for tag in section figure svg article ol li table tr td div; do
    open=$(grep -oE "<$tag[ >]" page.html | wc -l) closed=$(grep -oF "</$tag>" page.html | wc -l)
    [ "$open" -eq "$closed" ] || fail "$open <$tag> but $closed </$tag>"
done

# The same to standard output; each part alone; fewer probes than there are.
run 0 report -o - --identify identify.jsonl --root people --probes 1
mv out page.html
has 'The first 1 of 3 probes are shown.'
occurs '<article' 1
lacks '>Training<'
run 0 report -o page.html --identify identify.jsonl
err_has '6 of 6 photos could not be read and are empty frames; --root'
occurs '<img ' 0
head -1 train.csv >nothing.csv
run 0 report -o page.html --train nothing.csv --train train.csv
printf 'step,seconds,loss\n1,1,0.5\n2,2,0.4\n3,3,04,4,0.375\n5,5,half\n6,6,0.25\n' >killed.csv
run 0 report -o page.html --train killed.csv
err_has '^likeness: killed.csv, line 4: left out'
err_has '^likeness: killed.csv, line 5: left out'
has '0.2500'
run 0 report -o page.html --eval second.json
lacks '>ROC</h3>'

# What is bold: who is better than all others by the paired test, and by nothing else.
# model NAME ACCURACY [WITH DIFFERENCE LOW HIGH P]...
model() {
    printf '{"name":"%s","about":{"fingerprint":"%s"},"accuracy":%s,"eer":0.1,"comparisons":[' "$1" "$1" "$2"
    shift 2
    comma=
    while [ $# -gt 0 ]; do
        printf '%s{"with":"%s","with_fingerprint":"%s","accuracy":%s,"accuracy_interval":[%s,%s],"p":%s}' "$comma" "$1" "$1" "$2" "$3" "$4" "$5"
        comma=,
        shift 5
    done
    echo ']}'
}
{ model a 0.8; model b 0.9 a 0.1 0.05 0.15 0.002; } >two.jsonl
run 0 report -o page.html --eval two.jsonl
occurs 'class="best"' 1
has '<td class="best">90.00 %'
has 'b is better'
has '+10.00<span class="range">+5.00 to +15.00</span>'
{ model a 0.8; model b 0.9 a 0.1 -0.01 0.15 0.07; } >two.jsonl
run 0 report -o page.html --eval two.jsonl
occurs 'class="best"' 0
has 'cannot be told apart'
# Better than one of two others is not best; and of three comparisons the smallest p counts thrice (Holm).
{ model a 0.8; model b 0.9 a 0.1 0.05 0.15 0.002; model c 0.89 a 0.09 0.04 0.14 0.002 b -0.01 -0.02 0.01 0.3; } >three.jsonl
run 0 report -o page.html --eval three.jsonl
occurs 'class="best"' 0
has 'b is better'
has 'c is better'
{ model a 0.8; model b 0.9 a 0.1 0.01 0.15 0.03; model c 0.8 a 0 -0.1 0.1 0.9 b -0.1 -0.15 -0.01 0.02; } >three.jsonl
run 0 report -o page.html --eval three.jsonl
occurs 'class="best"' 0
has '<td>0.060</td>'
lacks 'b is better'

# Wrong input: said with its place, and no page, or the old one.
echo old >page.html
run 2 report -o page.html
run 2 report --eval first.json
run 2 report -o page.html train.csv
run 3 report -o page.html --train no-such.csv
err_has '^likeness: no-such.csv: '
run 3 report -o page.html --train first.json
err_has 'first.json: not a log of likeness train'
printf '{"name":\n"x",,}' >bad.json
run 3 report -o page.html --eval bad.json
err_has '^likeness: bad.json, line 2: '
echo '[]' >list.json
run 3 report -o page.html --eval list.json
err_has 'object is expected'
printf '{"photo":"a"}\n{"faces":[]}\n' >bad.jsonl
run 3 report -o page.html --identify bad.jsonl
err_has '^likeness: bad.jsonl, line 2: '
[ "$(cat page.html)" = old ] || fail 'the old page is gone'
[ ! -e /dev/full ] || { run 4 report -o /dev/full --eval first.json; err_has '/dev/full: cannot write'; }

# Any JSON is survived: parts of the wrong kind are as if not there.
echo '{"name":7,"model":[],"accuracy":"x","tar_at_far":3,"roc":[1,[2],[0.1,null],{}],"cmc":"y"}' >odd.json
echo '{"photo":"","truth":4,"threshold":"x","faces":[3,{"known":true},{"matches":[null,{"cosine":"a"}]},{"known":true,"person":"P","matches":7}]}' >odd.jsonl
run 0 report -o page.html --eval odd.json --identify odd.jsonl
has 'unnamed model'
done_testing
