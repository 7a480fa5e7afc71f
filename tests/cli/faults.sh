# faults.sh: read by tests of likeness data: makes faults that are known in folders of people that have few, and says
# how many of them were found, and how many of what was found was made. Needs lib.sh.

# faults_make FROM TO: a copy of FROM/PERSON/PHOTO with faults; truth.tsv says which: kind, photo, how. Of the people,
# numbered from 0 in order of their names: 10n+9 are absent but for photos in folders of others; 20n+8 is put into the
# folder of 20n+7; the photos of 20n+6 are in two folders. All others get copies and wrong photos.
faults_make() {
    from=$1 to=$2
    rm -rf "$to" && mkdir -p "$to" && : >truth.tsv
    ls "$from" | awk '{ print NR - 1 "\t" $0 }' >people.tsv
    cut -f2 people.tsv >names
    while IFS='	' read -r number person; do
        case $((number % 20)) in
        9 | 19) continue ;;
        8) continue ;;
        7)
            mkdir "$to/$person"
            cp "$from/$person"/* "$to/$person/"
            second=$(sed -n "$((number + 2))p" names)
            [ -n "$second" ] || continue
            for photo in "$from/$second"/*; do cp "$photo" "$to/$person/second_${photo##*/}"; done
            faults_note two-people "$to/$person" ;;
        6)
            mkdir "$to/$person" "$to/${person}_again"
            ls "$from/$person" >photos
            awk 'NR % 2' photos | while read -r photo; do cp "$from/$person/$photo" "$to/$person/"; done
            awk 'NR % 2 == 0' photos | while read -r photo; do cp "$from/$person/$photo" "$to/${person}_again/"; done
            faults_note same-person "$to/$person" ;;
        *)
            mkdir "$to/$person"
            cp "$from/$person"/* "$to/$person/"
            faults_of_photos ;;
        esac
    done <people.tsv
}

faults_note() { printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>truth.tsv; }

# A fault or two in the folder of person `number`; which ones goes round with the number.
faults_of_photos() {
    n=$((number / 10 * 6 + number % 10))
    set -- "$to/$person"/*
    photo=$1 name=${1##*/}
    copy=${photo%/*}/copy_${name%.*}.jpg
    case $((n % 8)) in
    0) cp "$photo" "$copy"; faults_note duplicate "$copy" ;;
    1) faults_copy "re-encoded" 35 1 0 1 0 ;;
    2) faults_copy "half the size" 85 0.5 0 1 0 ;;
    3) faults_copy "cut by 5 %" 90 1 0.05 1 0 ;;
    4) faults_copy "lighter" 90 1 0 1.25 0 ;;
    5) faults_copy "mirrored" 90 1 0 1 1 ;;
    6) faults_copy "cut by 10 %, smaller, darker" 70 0.7 0.1 0.8 0 ;;
    7) head -c 700 "$photo" >"$copy"; faults_note unreadable "$copy" ;;
    esac
    case $((n % 4)) in
    0) mkdir -p waiting && mv "$2" "waiting/moved_$person.${2##*.}" ;; # to whoever comes two further on
    1) absent=$(sed -n "$((number / 10 * 10 + 10))p" names)
       stranger=$(ls "$from/$absent" 2>/dev/null | sed -n "$((1 + number % 10))p")
       [ -z "$stranger" ] || { cp "$from/$absent/$stranger" "$to/$person/absent_$stranger"
           faults_note wrong-label "$to/$person/absent_$stranger" "somebody without a folder"; } ;;
    2) for moved in waiting/*; do
           [ -e "$moved" ] || continue
           mv "$moved" "$to/$person/"
           faults_note wrong-label "$to/$person/${moved##*/}" "somebody with a folder"
       done ;;
    3) "$LIKENESS_DRAW" again "$3" "$to/$previous/across_$person.jpg" 60 0.8 0.03 1 0
       faults_note near-duplicate-across "$to/$previous/across_$person.jpg"
       faults_note also-wrong-label "$to/$previous/across_$person.jpg" ;;
    esac
    previous=$person
}

faults_copy() {
    how=$1
    shift
    "$LIKENESS_DRAW" again "$photo" "$copy" "$@"
    faults_note near-duplicate "$copy" "$how"
}

# faults_score KIND [OTHER_KIND...]: of found.tsv (likeness data check --tsv), counting OTHER_KINDs as KIND. Sets made,
# found, told, true: made faults, those found, findings, those of a made fault (or of one noted as also-KIND). Prints them, and the recall by `how`.
faults_score() {
    kind=${1%% *}
    awk -F'\t' -v kinds="$*" '
        BEGIN { n = split(kinds, k, " "); for (i = 1; i <= n; i++) wanted[k[i]] = 1; kind = k[1]; whole = kind ~ /people|person/ }
        FNR == NR && $1 == "also-" kind { also[$2] = 1 }
        FNR == NR { if (wanted[$1]) { made[$2] = 1; how[$2] = $3; total[$3]++; count++ } next }
        FNR == 1 || !wanted[$1] { next }
        {
            a = $2; b = $4
            if (whole) { sub(/\/[^\/]*$/, "", a); sub(/\/[^\/]*$/, "", b) }
            told++
            hit = 0
            if (a in made) { hit = 1; got[a] = 1 }
            if (a in also) hit = 1
            if (b in made && kind != "wrong-label") { hit = 1; got[b] = 1 } # there b is only like a
            right += hit
        }
        END {
            for (p in got) { found++; by[how[p]]++ }
            printf "%s %d made %d found %d told %d true", kind, count, found, told, right
            if (count) printf ", recall %.3f", found / count
            if (told) printf ", precision %.3f", right / told
            print ""
            for (h in total) if (h != "") printf "    %s: %d of %d\n", h, by[h], total[h]
        }' truth.tsv found.tsv >score
    cat score
    read -r _ made _ found _ told _ true _ <score
    true=${true%,}
}

# at_least WHAT NUMBER OF SHARE: NUMBER / OF must be SHARE or more.
faults_at_least() {
    awk -v a="$2" -v b="$3" -v s="$4" 'BEGIN { exit !(b > 0 && a >= s * b) }' || fail "$1: $2 of $3, expected $4 at least"
}
