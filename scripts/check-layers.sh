#!/bin/bash
# check-layers.sh [ROOT]: who may include whom (ARCHITECTURE.md). First shows on made-up files that it can say no.
set -euo pipefail
root=${1:-$(dirname "$0")/..}

check() { # DIR holding src/ and include/
    (cd "$1" && find src include -name '*.[ch]' | sort | xargs -r awk '
        BEGIN {
            may["base"] = ""
            may["image"] = may["nn"] = may["contrast"] = may["gallery"] = "base"
            may["face"] = "base image nn contrast"
            may["words"] = "base nn contrast"
            may["eval"] = "base gallery contrast"
            may["serve"] = ""
            may["cli"] = "serve"
        }
        function bad(why) { printf "%s:%d: %s\n", FILENAME, FNR, why; wrong = 1 }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split(FILENAME, path, "/")
            room = path[1] == "include" ? "likeness" : path[2]
            name = $0
            sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
            if (name ~ /\.\./) bad("\"" name "\" climbs out of its folder")
            if (name !~ /\//) name = room "/" name
            split(name, part, "/"); other = part[1]
            if (room != "likeness" && !(room in may)) bad("folder src/" room " is not in the table")
            else if (other != room && other != "likeness" && index(" " may[room] " ", " " other " ") == 0)
                bad(room " may not include " name)
        }
        END { exit wrong }')
}

probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
expect() { # yes|no FILE INCLUDE
    rm -rf "$probe/src" "$probe/include"
    mkdir -p "$probe/src" "$probe/include" "$(dirname "$probe/$2")"
    printf '#include "%s"\n' "$3" >"$probe/$2"
    local said=no
    ! check "$probe" >/dev/null || said=yes
    [ $said = "$1" ] || { echo "self-test: $2 including $3 should be '$1'"; exit 1; }
}
expect yes src/face/x.c nn/net.h
expect yes src/face/x.c own.h
expect yes src/cli/x.c likeness/train.h
expect no src/contrast/x.c nn/net.h
expect no src/gallery/x.c face/face.h
expect no src/nn/x.c image/image.h
expect no src/cli/x.c base/base.h
expect yes src/cli/x.c serve/serve.h
expect no src/serve/x.c gallery/gallery.h
expect no src/serve/x.c cli/cli.h
expect no src/cellar/x.c base/base.h
expect no src/eval/x.c ../nn/net.h
expect no include/likeness/x.h base/base.h

check "$root"
