# The man pages tell the truth: every verb has one, and it names every option that --help names, and no other.
. "$(dirname "$0")/lib.sh"
man=$LK_SOURCE/docs/man

run 0 --help
sed -n 's/^  \([a-z-]*\)  .*/\1/p' out | grep -v '^likeness$' >verbs
[ "$(wc -l <verbs)" -ge 9 ] || fail 'too few verbs in --help'
while read -r verb; do
    page=$man/likeness-$verb.1
    [ -r "$page" ] || { fail "no $page"; continue; }
    grep -q "likeness-$verb" "$man/likeness.1" || fail "likeness.1 does not name likeness-$verb"
    run 0 "$verb" --help
    if [ "$verb" = gallery ]; then # each action has its own, and comes after the gallery
        sed -n 's/^  \([a-z-]*\)  .*/\1/p' out | grep -v '^likeness$' >actions
        [ "$(wc -l <actions)" -ge 10 ] || fail 'too few actions in gallery --help'
        : >all
        while read -r action; do
            grep -q "^\.It Cm $action" "$page" || fail "$page does not tell of $action"
            run 0 gallery g "$action" --help
            cat out >>all
        done <actions
        cp all out
    else # a verb of several actions, each with options of its own
        for action in $(sed -n 's/^  \([a-z]*\)  .*/\1/p' out); do
            cp out all
            run 0 "$verb" "$action" --help
            cat all >>out
        done
    fi
    grep -oE '^ +(-[a-z?], |    )--[a-z-]+' out | grep -oE -e '--[a-z-]+' | grep -vE '^--(help|usage)$' | sort -u >said
    sed -n 's/^\.It.* Fl -\([a-z-]*\).*/--\1/p' "$page" | sort -u >written
    cmp -s said written || { fail "$page: options differ from --help"; diff written said; }
done <verbs
if command -v groff >/dev/null; then
    for page in "$man"/*.1; do
        warnings=$(groff -mdoc -Tutf8 -ww -z "$page" 2>&1)
        [ -z "$warnings" ] || { command="groff $page"; fail "$warnings"; }
    done
fi
done_testing
