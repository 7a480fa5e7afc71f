# likeness serve: every route as docs/openapi.json describes it, hostile requests, tokens, TLS, and what a stop and a kill leave.
. "$(dirname "$0")/lib.sh"
. "$LK_SOURCE/tests/cli/serve.sh"
run 0 synth --people 4 --photos 3 --model "$models/people.safetensors" people
run 0 enroll g.gallery --model "$models/face-tiny.safetensors" --detector "$models/detect.safetensors" people

# Before anything listens: what is not safe is refused.
run 2 serve
run 2 serve token add g.gallery ann
run 2 serve token drop g.gallery ann
run 2 serve g.gallery --listen nowhere --detector "$models/detect.safetensors"
err_has "ADDRESS:PORT"
run 3 serve missing.gallery
run 2 serve g.gallery --listen 0.0.0.0:0 --detector "$models/detect.safetensors"
err_has "which others can reach, tokens are needed"
run 2 serve g.gallery --tls-cert x --detector "$models/detect.safetensors"
err_has "belong together"

# Every route, then what a log may say.
start g.gallery --keep-crops
python3 "$LK_SOURCE/tests/serve/api.py" || fail "api.py"
stop
grep -q 'POST /v1/people/{person}/photos 201' log || fail "the log lacks a request"
! grep -qiE 'person_0|zoe|Zo|climber|\.jpg' log || fail "a name is in the log"

# Hostile requests.
start g.gallery --timeout 2 --max-body 1 --max-per-address 40 --quiet
python3 "$LK_SOURCE/tests/serve/hostile.py" || fail "hostile.py"
stop
[ "$(wc -l <log)" -le 5 ] || fail "--quiet is not"

# Tokens: asked for everywhere once there is one, be it made while the server runs; roles; gone as soon as they are removed.
start g.gallery
ask() { curl -s -o body -w '%{http_code}' -m 20 "$@"; }
is() { [ "$1" = "$2" ] || fail "$3: $1, expected $2: $(head -c 300 body)"; }
is "$(ask "localhost:$PORT/v1/people")" 200 "no token is needed yet"
run 0 serve token add g.gallery reader --role read
reader=$(cat out)
run 0 serve token add g.gallery boss --role admin
boss=$(cat out)
run 2 serve token add g.gallery boss --role read
err_has "has a token already"
[ "$(stat -c %a g.gallery.tokens)" = 600 ] || fail "others may read the tokens"
! grep -qF -e "${boss#lk_}" g.gallery.tokens || fail "a token lies on the disk as it is"
run 0 serve token list g.gallery
out_has "^boss *admin"
is "$(ask "localhost:$PORT/health")" 200 "health needs no token"
is "$(ask "localhost:$PORT/v1/people")" 401 "no token"
is "$(ask "localhost:$PORT/v1/people" -H "Authorization: Bearer lk_wrong")" 401 "a wrong token"
is "$(ask "localhost:$PORT/v1/people" -H "Authorization: Bearer $reader")" 200 "a reader"
is "$(ask "localhost:$PORT/v1/audit" -H "Authorization: Bearer $reader")" 403 "a reader's audit"
is "$(ask -X DELETE "localhost:$PORT/v1/people/person_0004" -H "Authorization: Bearer $reader")" 403 "a reader deletes"
is "$(ask "localhost:$PORT/v1/audit" -H "Authorization: Bearer $boss")" 200 "the boss's audit"
run 0 serve token remove g.gallery reader
is "$(ask "localhost:$PORT/v1/people" -H "Authorization: Bearer $reader")" 401 "a token that was removed"
chmod 644 g.gallery.tokens
is "$(ask "localhost:$PORT/v1/people" -H "Authorization: Bearer $boss")" 401 "a file that others may read lets nobody in"
chmod 600 g.gallery.tokens
mv g.gallery.tokens away
is "$(ask "localhost:$PORT/v1/people")" 401 "a file that was taken away opens no door"
mv away g.gallery.tokens
stop
grep -q ' boss GET /v1/audit 200' log || fail "the log lacks who asked"
run 2 serve g.gallery --listen 0.0.0.0:0 --detector "$models/detect.safetensors"
err_has "TLS is needed"

# TLS, where openssl is there to make a certificate.
if command -v openssl >/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
    start g.gallery --tls-cert cert.pem --tls-key key.pem
    is "$(ask --cacert cert.pem "https://localhost:$PORT/v1/people" -H "Authorization: Bearer $boss")" 200 "TLS"
    is "$(ask "http://localhost:$PORT/v1/people")" 000 "plain HTTP where TLS is"
    stop
fi
rm g.gallery.tokens

# SIGTERM: what is in flight is answered. kill -9: what was acknowledged is there.
start g.gallery
for i in 1 2 3 4 5 6; do
    curl -s -o "flight$i" -w '%{http_code}\n' -m 60 -H 'X-Likeness: 1' --data-binary @people/person_0001/photo_01.jpg \
        "localhost:$PORT/v1/identify" >"code$i" &
    flights[i]=$!
done
sleep 0.3
stop
wait "${flights[@]}"
for i in 1 2 3 4 5 6; do
    case $(cat "code$i") in
    200) grep -q '"person_0001"' "flight$i" || fail "an answer in flight is not whole" ;;
    503 | 000) ;;
    *) fail "in flight: $(cat "code$i")" ;;
    esac
done
grep -q 200 code[1-6] || fail "nothing in flight was answered"
start g.gallery
i=0
while [ $((i += 1)) -le 40 ]; do
    curl -s -o answer -w '%{http_code}' -m 20 -H 'X-Likeness: 1' --data-binary @people/person_0002/photo_01.jpg \
        "localhost:$PORT/v1/people/killed/photos?photo=$i" >code || break
    [ "$(cat code)" = 201 ] || break
    echo "$i" >acknowledged
done &
enrolling=$!
sleep 2
stop KILL
wait $enrolling
last=$(cat acknowledged 2>/dev/null || echo 0)
[ "$last" -gt 0 ] || fail "nothing was acknowledged before the kill"
start g.gallery
curl -s -m 20 "localhost:$PORT/v1/people/killed" >body
for i in $(seq "$last"); do grep -q "\"photo\":\"$i\"" body || fail "photo $i was acknowledged and is gone"; done
stop
done_testing
