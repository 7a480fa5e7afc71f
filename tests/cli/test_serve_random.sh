# likeness serve under requests drawn at random, stopped and killed between: no answer of 500, no report of a sanitizer, and
# a gallery that is whole. $SERVE_ROUNDS rounds of $SERVE_SECONDS seconds: 40 and 15 are ten minutes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/serve.sh"
run 0 synth --people 3 --photos 2 --model "$models/people.safetensors" people
run 0 enroll g.gallery --model "$models/face-tiny.safetensors" --detector "$models/detect.safetensors" people
for round in $(seq "${SERVE_ROUNDS:-2}"); do
    start g.gallery --keep-crops --quiet --timeout 10
    SECONDS_OF_REQUESTS=${SERVE_SECONDS:-4} python3 "$LK_SOURCE/tests/serve/random_requests.py" >requests 2>&1 &
    requests=$!
    # In the middle of it every other time, by a signal that asks and one that does not.
    case $((round % 4)) in
    1) wait $requests || { cat requests; fail "random requests"; } ;;
    2 | 0)
        sleep "$(awk -v s="${SERVE_SECONDS:-4}" 'BEGIN { print s / 2 }')"
        ;;
    esac
    if [ $((round % 4)) -eq 0 ]; then stop KILL; else stop; fi
    wait $requests 2>/dev/null
    ! grep -E 'FAILED' requests || fail "random requests"
    ! grep -E 'Sanitizer|runtime error' log || fail "a report of a sanitizer"
    run 0 gallery info g.gallery
done
done_testing
