#!/bin/bash
# likeness gallery: the account of what was done, checks, copies, keys, and galleries that cannot be written.
. "$(dirname "$0")/lib.sh"
tiny_world
a=people/person_01/photo_01.jpg
key=$(printf '%064d' 7)

# Every change and every search is in the account, in order, before its answer is shown.
run 0 enroll g.gallery --model model.safetensors people --threads 1
run 0 identify g.gallery $a --threshold 0.999 -k 2
run 1 identify g.gallery $a --threshold 1 -k 1 --crop 0.5
run 0 gallery g.gallery rename person_02 'Zoë Second'
run 3 gallery g.gallery rename nobody x
run 2 gallery g.gallery rename person_01 person_03
err_has 'somebody is called "person_03" already'
run 0 gallery g.gallery remove person_03
run 0 gallery g.gallery audit --tsv
[ "$(wc -l <out)" -eq $((1 + 1 + 24 + 2 + 1 + 5)) ] || fail 'not a row for each act'
cut -f4 out | uniq -c | awk '{ print $1, $2 }' >acts
cat >wanted <<END
1 action
1 begin
24 enroll
2 identify
1 rename
4 remove-photo
1 remove
END
cmp -s acts wanted || { fail 'acts differ'; cat acts; }
probe=$(sha256sum $a | cut -d' ' -f1)
[ "$(grep -c "	identify	.*	$probe	" out)" -eq 2 ] || fail 'the probe is not the hash of the photo'
grep -q "	identify	.*\"known\":true,\"matches\":\[{\"photo\":1,\"person\":1,\"cosine\":1.000000}," out || fail 'what came back'
grep -q "	identify	.*\"known\":false" out || fail 'an unknown face is not told of'
grep '	enroll	2	' out | grep -q 'Zoë Second' || fail 'a person who is enrolled is not named'
out_lacks 'person_03' # forgotten
run 0 gallery g.gallery audit --json
[ "$(head -1 out | cut -c1-12)" = '{"number":1,' ] || fail 'JSON'
run 0 gallery g.gallery audit
out_has 'identify .*known: person 1 by photo 1, cosine 1.0000; 2 in all$'
run 0 gallery g.gallery audit --verify
out_has '^33 rows, every one as it was written; head [0-9a-f]\{64\}$'
head=$(sed 's/.* //' out)
run 0 gallery g.gallery info --json
out_has "\"encrypted\":false,\"audit_rows\":33,\"audit_head\":\"$head\""
run 0 gallery g.gallery remove 'Zoë Second'
run 0 gallery g.gallery audit --verify --head $head
run 1 gallery g.gallery audit --verify --head $key
err_has 'written down'
run 2 gallery g.gallery audit --verify --head 12
run 2 gallery g.gallery list --verify
run 2 gallery g.gallery show

# check and backup
run 0 gallery g.gallery check
out_has '^sound: 4 people, 16 photos, 38 rows of audit; head'
run 0 gallery g.gallery backup copy.gallery
run 2 gallery g.gallery backup copy.gallery
err_has 'exists already'
run 0 gallery copy.gallery check --json
out_has '"people":4,"photos":16,"audit_rows":39,.*"findings":\[\]'
size=$(stat -c %s copy.gallery)
damaged=0
for at in $(seq 4200 1500 $((size - 10))); do # a few bytes in each page
    cp copy.gallery bad.gallery
    printf 'damage' | dd of=bad.gallery bs=1 seek=$at conv=notrunc 2>dd || fail dd
    "$LIKENESS" gallery bad.gallery check >out 2>err
    code=$?
    command="likeness gallery bad.gallery check ($at)"
    case $code in
    0) ;;
    1 | 3) damaged=$((damaged + 1)) ;;
    *) fail "exit code $code" ;;
    esac
    rm -f bad.gallery*
done
[ $damaged -gt 2 ] || fail "only $damaged damaged pages were found"

# A key
run 2 enroll sealed.gallery --model model.safetensors people --encrypt
missing sealed.gallery
echo $key >key
chmod 600 key
run 0 enroll sealed.gallery --model model.safetensors people --encrypt --key-file key
err_lacks 'chmod'
run 3 gallery sealed.gallery list
err_has 'encrypted, and no key was given'
err_has 'LIKENESS_GALLERY_KEY'
run 3 identify sealed.gallery $a --threshold 0.999
printf '%064d' 8 >other
run 3 gallery sealed.gallery list --key-file other
err_has 'another key'
err_has 'chmod 600'
echo 12 >other
run 3 gallery sealed.gallery list --key-file other
err_has 'is no key'
run 4 gallery sealed.gallery list --key-file none
run 0 identify sealed.gallery $a --threshold 0.999 --key-file key
out_has '^known: person_01'
LIKENESS_GALLERY_KEY=$key run 0 gallery sealed.gallery check
LIKENESS_GALLERY_KEY=$key run 0 gallery g.gallery list
run 3 gallery g.gallery list --key-file key
err_has 'is not encrypted'
run 3 enroll g.gallery people --encrypt --key-file key
run 4 enroll nokey.gallery --model model.safetensors people --encrypt --key-file none
missing nokey.gallery

# Where nothing can be written, searching is allowed and said not to be recorded, or refused.
mkdir shut
cp copy.gallery shut/
chmod 444 shut/copy.gallery
chmod 555 shut
chmod 755 .
if [ "$(id -u)" -eq 0 ]; then # root writes anyway
    real=$LIKENESS
    printf '#!/bin/sh\nexec setpriv --reuid=65534 --clear-groups "%s" "$@"\n' "$real" >nobody
    chmod 755 nobody
    LIKENESS=$T/nobody
fi
run 0 identify shut/copy.gallery $a --threshold 0.999
err_has 'NOT recorded'
run 4 identify shut/copy.gallery $a --threshold 0.999 --audit required
out_empty
run 0 gallery shut/copy.gallery audit --verify
LIKENESS=${real:-$LIKENESS}
chmod 755 shut
run 2 identify g.gallery $a --audit sometimes
done_testing
