# eval of several models: what is told of pairs, groups and people; and its page, complete in itself, which says what the
# JSON says.
. "$(dirname "$0")/lib.sh"
tiny_world
run 0 train people -o eigen.safetensors --baseline eigenfaces --crop 1 --threads 1
page=page.html
has() { grep -qF -e "$1" $page || fail "$page lacks: $1"; }
lacks() { ! grep -qF -e "$1" $page || fail "$page has: $1"; }
occurs() { n=$(grep -oF -e "$1" $page | wc -l); [ "$n" -eq "$2" ] || fail "$page has $n times, not $2: $1"; }

# Three folds of six people, strangers and friends alike.
pairs() {
    printf 'fold\tsame\ta\tb\n'
    for fold in 0 1 2; do
        for p in 1 2 3 4 5 6; do
            printf '%d\t1\tperson_0%d/photo_01.jpg\tperson_0%d/photo_0%d.jpg\n' $fold $p $p $((fold + 2))
            printf '%d\t0\tperson_0%d/photo_0%d.jpg\tperson_0%d/photo_04.jpg\n' $fold $p $((fold + 1)) $((p % 6 + 1))
        done
    done
}
pairs >pairs.tsv
printf 'person\tgroup\r\n' >groups.tsv
printf 'person_0%d\t<i>odd & few\n' 1 3 5 >>groups.tsv
printf 'person_0%d\teven\n' 2 4 >>groups.tsv
printf '\nnobody\teven\n' >>groups.tsv

measure() { run "$1" eval model.safetensors --pairs pairs.tsv --root people --bootstrap 50 --threads 1 --map 24 "${@:2}"; }

# ---- several models, all figures ----
run 0 eval model.safetensors eigen.safetensors --name '<b>tiny' --name eigen --pairs pairs.tsv --root people --identify people \
    --groups groups.tsv --bootstrap 50 --trained-people-ok --threads 1 --report $page --json
err_has '^likeness: eigen.safetensors: trained on 6 of the people .*measured all the same'
[ "$(wc -l <out)" -eq 2 ] || fail 'not one object a model'
cp out both.jsonl
lacks '://'
lacks '<script'
lacks '<b>tiny'
lacks '<i>odd'
has '&lt;b&gt;tiny'
has '&lt;i&gt;odd &amp; few'
has "default-src 'none'"
has 'eigen was trained on 6 of the people'
lacks 'could not be checked'
for id in summary verification comparison identification groups mistakes map facts; do
    occurs "<h2 id=\"$id\">" 1
    occurs "href=\"#$id\"" 1
done
for title in ROC DET 'Cosines of' Calibration CMC 'Photos enrolled' 'Open set,' 'False matches' 'Map of' 'Most alike strangers' \
    'Least alike photos of one person'; do has "$title"; done
has 'likeness eval model.safetensors eigen.safetensors --name'
has 'many are wrong labels'
has 'Too few pairs for low FARs'
has 'Too few to compare'
has '1 people are in no group. 1 people of the groups file are not among these photos.'

# Well formed, with nothing from elsewhere; and every number of the summary is that of the JSON.
cat >look.py <<'PY'
import html.parser, json, re, sys
VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.ids, self.links, self.rows, self.cell, self.charts = [], [], set(), set(), {}, None, 0
    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        for name, value in attributes:
            if name.startswith("on") or name in ("src", "href") and not value.startswith(("data:image/jpeg;base64,", "#")):
                self.wrong.append((tag, name, value[:40]))
        if "id" in a:
            if a["id"] in self.ids: self.wrong.append(("id twice", a["id"]))
            self.ids.add(a["id"])
        if a.get("href", "").startswith("#"): self.links.add(a["href"][1:])
        if tag == "svg":
            if a.get("role") == "img":
                self.charts += 1
                if len(a.get("aria-label", "")) < 20: self.wrong.append(("a chart without words", a))
            elif a.get("aria-hidden") != "true": self.wrong.append(("svg", a))
        if tag == "img" and not a.get("alt"): self.wrong.append(("img without alt", a))
        if tag == "tr": self.row = []
        if tag in ("td", "th"): self.cell = ""
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID: self.handle_endtag(tag)
    def handle_data(self, data):
        if self.cell is not None: self.cell += data
    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag: self.wrong.append(("closed", tag))
        if tag in ("td", "th"): self.row.append(" ".join(self.cell.split())); self.cell = None
        if tag == "tr": self.rows.setdefault(self.row[0], self.row[1:])
page = Page()
text = open(sys.argv[1], encoding="utf-8").read()
page.feed(text)
page.close()
if page.open: page.wrong.append(("left open", page.open))
if page.links - page.ids: page.wrong.append(("links to nowhere", page.links - page.ids))
if "nan" in re.sub(r"data:[^\"]*", "", text).lower().replace("finance", ""):
    page.wrong.append(("nan", re.findall(r".{20}nan.{20}", re.sub(r"data:[^\"]*", "", text), re.I)[:3]))
models = [json.loads(line) for line in open(sys.argv[2])]
def number(cell): return float(re.search(r"[0-9.]+", cell).group())
def same(row, of, scale=100, digits=2):
    cells = page.rows.get(row)
    for i, model in enumerate(models):
        value = of(model)
        if value is None: continue
        seen = None if not cells else number(cells[i].replace("few pairs", ""))
        if seen is None or abs(seen - scale * value) > 0.501 * 10 ** -digits:
            page.wrong.append((row, "page:", seen, "json:", value))
same("Accuracy \u00b1 standard error", lambda m: m["accuracy"])
same("AUC", lambda m: m["auc"], 1, 4)
same("EER", lambda m: m["eer"])
same("TAR at FAR 10 %", lambda m: m["tar_at_far"]["1e-1"])
same("Calibration, Cllr (bits)", lambda m: (m["calibration"] or {}).get("cllr"), 1, 4)
same("Rank-1", lambda m: m["rank1"])
same("Rank-5", lambda m: m["rank5"])
same("Pairs", lambda m: m["pairs"], 1, 0)
if page.charts < int(sys.argv[3]): page.wrong.append(("charts", page.charts))
for what in page.wrong: print(*what)
sys.exit(bool(page.wrong))
PY
look() {
    command -v python3 >/dev/null || { echo 'skipped: no python3 to read the page with'; return; }
    python3 look.py "$@" >out 2>err || fail "$1 is not as it should be"
}
look $page both.jsonl 14

# The same page later, from the JSON alone; its date may be another. One file, or several after one --eval.
run 0 report -o later.html --eval both.jsonl
date='s/, [0-9-]* [0-9:]* UTC//'
sed "$date" $page >now.txt
sed "$date" later.html | cmp -s - now.txt || fail 'report --eval writes another page'
head -1 both.jsonl >one.json
tail -1 both.jsonl >two.json
run 0 report -o later.html --eval one.json two.json
sed "$date" later.html | cmp -s - now.txt || fail 'report --eval of two files writes another page'
run 0 report -o later.html --eval both.jsonl --no-photos
page=later.html
lacks 'data:image'
lacks 'person_0'
page=page.html

# ---- no photos: neither they nor the names of people and files, on the page and in the JSON ----
measure 0 --identify people --no-photos --report $page --json
lacks 'data:image'
lacks 'person_0'
lacks 'photo_0'
lacks 'This page holds photos of people'
out_lacks 'person_0'
out_lacks 'photo_0'
out_has '"mistakes":{"different":\[{"cosine":[0-9.-]*,"a":null,"b":null}'
has 'person 1'
cp out bare.json
look $page bare.json 8
measure 0 --identify people --report $page --title 'A <title>' --tsv
has 'data:image/jpeg'
has 'This page holds photos of people'
has '<title>A &lt;title&gt;</title>'
out_has '^open_set_3_fnir_at_fpir_1e-1	'
out_has '^run_version	'

# ---- all pairs of a folder ----
run 0 eval model.safetensors --all-pairs people --bootstrap 50 --map 0 --json --report $page
out_has '"pairs_same":36,"pairs":276,' # 6 * 4 * 3 / 2 of 24 * 23 / 2
out_has '"accuracy_se":null'
out_has '"map":null'
cp out all.json
look $page all.json 4
lacks 'id="map"'
run 0 eval model.safetensors --all-pairs people --limit-people 2
out_has '^pairs  *28 (12 same, 16 different)'
out_has 'one fold'

# ---- who is who in a pairs file: photos that a pair calls the same are of one person, whatever their folder ----
mkdir flat
for p in 1 2 3 4 5 6; do for i in 1 2 3 4; do cp people/person_0$p/photo_0$i.jpg flat/$p-$i.jpg; done; done
pairs | sed -E 's#person_0([0-9])/photo_0#\1-#g' >flat.tsv
measure 0 --json
of_people=$(sed 's/.*"accuracy_interval":\([^]]*\]\).*/\1/' out)
run 0 eval model.safetensors --pairs flat.tsv --root flat --bootstrap 50 --threads 1 --json
of_flat=$(sed 's/.*"accuracy_interval":\([^]]*\]\).*/\1/' out)
[ "$of_people" = "$of_flat" ] || fail "a flat folder has other intervals: $of_flat, not $of_people"
measure 0 --bootstrap 0 --json
out_has '"accuracy_interval":null'

# ---- groups ----
groups() { printf '%b' "$2" >bad.tsv; measure "$1" --groups bad.tsv; }
measure 0 --groups groups.tsv
out_has '^group  *model  *people  *accuracy'
out_has '^<i>odd & few  *model  *3  '
measure 0 --groups groups.tsv --tsv
out_has '^groups_groups_even_people	2$'
groups 3 'name\tgroup\nperson_01\ta\n'
err_has '^likeness: bad.tsv, line 1: the header'
groups 3 'person\tgroup\nperson_01\ta\nperson_02\n'
err_has '^likeness: bad.tsv, line 3: two fields'
groups 3 'person\tgroup\nperson_01\ta\tb\n'
err_has '^likeness: bad.tsv, line 2: two fields'
groups 3 'person\tgroup\n\nperson_01\t\n'
err_has '^likeness: bad.tsv, line 3: the group is empty'
groups 3 'person\tgroup\n\ta\n'
err_has '^likeness: bad.tsv, line 2: the person is empty'
groups 3 'person\tgroup\nperson_01\ta\nperson_02\ta\nperson_01\tb\n'
err_has '^likeness: bad.tsv, line 4: person_01 is of group b here and of a in line 2'
groups 3 'person\tgroup\nsomebody\ta\n'
err_has '^likeness: bad.tsv: none of its people'
groups 3 'person\tgroup\n'
err_has '^likeness: bad.tsv: no person in it'
groups 3 ''
err_has '^likeness: bad.tsv: no person in it'
groups 3 'person\tgroup\nperson_01\ta\0b\n'
err_has '^likeness: bad.tsv, line 2: a zero byte'
measure 3 --groups no-such.tsv
err_has '^likeness: no-such.tsv: cannot open'
{ echo 'person	group'; for i in $(seq 101); do printf '%d\t%d\n' "$i" "$i"; done; } >bad.tsv
measure 3 --groups bad.tsv
err_has '101 groups, over 100'

# ---- people the model was trained on ----
out=eigen.safetensors
run 3 eval $out --identify people
out_empty
err_has "^likeness: $out: trained on 6 of the people to be measured on: person_01, .*person_06; .*--trained-people-ok"
run 3 eval $out --pairs pairs.tsv --root people
err_has 'trained on 6 of the people'
run 3 eval $out --all-pairs people
mkdir others
cp -r people/person_01 others/known
cp -r people/person_02 others/person_02
cp -r people/person_03 others/unknown
run 3 eval model.safetensors $out --identify others
err_has "trained on 1 of the people to be measured on: person_02;"
err_lacks 'model.safetensors'
run 0 eval $out --identify others --trained-people-ok --json
out_has '"trained_people":{"checked":true,"found":1,"partial":false,"names":\["person_02"\]}'
# A pairs file may name folders of folders; the last one is the person.
mkdir deep
cp -r people deep/set
pairs | sed 's#person_#set/person_#g' >deep.tsv
run 3 eval $out --pairs deep.tsv --root deep
err_has 'trained on 6 of the people to be measured on: person_01'
# A model that says nothing of it is measured, and this is said.
if command -v python3 >/dev/null; then
    python3 - $out silent.safetensors <<'PY'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size, = struct.unpack("<Q", data[:8])
header = json.loads(data[8:8 + size])
del header["__metadata__"]["trained_people"]
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[2], "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
PY
    run 0 eval silent.safetensors --identify people --json --report $page
    out_has '"trained_people":{"checked":false,"found":null}'
    has 'Whether silent was trained on people it is measured on could not be checked'
fi

# ---- what comes from outside stays text ----
mkdir odd
cp -r people/person_01 'odd/<script>alert(1)<script>'
cp -r people/person_02 "odd/\"><img src=x onerror='1'>&"
cp -r people/person_03 "$(printf 'odd/\001\342\200\256txt')"
printf 'fold\tsame\ta\tb\n' >odd.tsv
i=0
for person in odd/*; do
    name=${person#odd/}
    printf '%d\t1\t%s/photo_01.jpg\t%s/photo_02.jpg\n' $((i = 1 - i)) "$name" "$name" >>odd.tsv
    printf '%d\t0\t%s/photo_01.jpg\t%s/photo_03.jpg\n' $i "$name" "${before:-<script>alert(1)<script>}" >>odd.tsv
    before=$name
done
run 0 eval model.safetensors --name '</title><script>' --pairs odd.tsv --root odd --identify odd --bootstrap 20 --report $page --json
cp out odd.json
look $page odd.json 8
lacks '<script'
lacks '<img src=x'
LC_ALL=C grep -q "$(printf '[\001-\010\342]\200\256')" $page && fail 'a control character is on the page'

# ---- what cannot be measured or written ----
measure 4 --report no/such/page.html
err_has 'cannot write in no/such'
out_empty
[ ! -e /dev/full ] || { measure 4 --report /dev/full; err_has '/dev/full: cannot write'; }
run 3 eval model.safetensors no-such.safetensors --identify people
err_has '^likeness: no-such.safetensors: cannot open'
run 3 report -o page.html --eval /dev/null
err_has 'empty'
printf '{"name":"a"}\n\n{"name":\n' >broken.jsonl
run 3 report -o page.html --eval broken.jsonl
err_has '^likeness: broken.jsonl, line 4: '
# Any JSON is survived: parts of the wrong kind are as if not there.
cat >wrong.json <<'JSON'
{"name":7,"histogram":{"same":[1,"x"],"different":[1,2]},"roc":[[0,0],[1,1]],"roc_band":[[1],"x",[0.1,null,2]],"calibration":{"bins":[3,{}]},
"reject":{"points":[null,[1]]},"comparisons":[{"with":3},7],"open_set":[{"points":[[0]]},4,{"people":"x","points":[[0.1,0.2],[1,0.1]]}],
"enrolled":{"right":["x",1]},"groups":{"groups":[{"group":4},5]},"mistakes":{"same":[{"a":{"path":3},"b":{}},1],"different":7},
"map":{"points":[[1],["x",2,99],[0,0,-7,{}]],"people":[null]},"trained_people":[],"run":{"seconds":"x"},"about":[],"tar_at_far_few":1}
JSON
run 0 report -o wrong.html --eval wrong.json odd.json
done_testing
