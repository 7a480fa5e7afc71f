#!/bin/bash
# on_pglite.sh PROGRAM...: as on_postgresql.sh, with PostgreSQL 18 and pgvector as PGlite has them (one session for all
# connections). $LIKENESS_PGLITE: a folder where this was done:
#   npm install --legacy-peer-deps @electric-sql/pglite@0.5.14 @electric-sql/pglite-pgvector@0.0.15 \
#       @electric-sql/pglite-socket@0.2.17
# Exit 77: it is not set.
set -euo pipefail
[ -n "${LIKENESS_PGLITE:-}" ] || { echo "skipped: LIKENESS_PGLITE is not set"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/lk-pglite-XXXXXX")
# In its folder: that is where it looks for extensions.
(cd "$LIKENESS_PGLITE" && exec node node_modules/.bin/pglite-server -u "$work/.s.PGSQL.5432" -m 8 \
    --extensions=@electric-sql/pglite-pgvector:vector) >"$work/log" 2>&1 &
server=$!
finish() {
    kill -9 $server 2>/dev/null || true
    wait $server 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
for _ in $(seq 600); do # it takes some 12 s
    [ ! -S "$work/.s.PGSQL.5432" ] || break
    kill -0 $server 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 0.2
done
export LIKENESS_TEST_PG="postgresql://postgres@/postgres?host=$work&sslmode=disable"
code=0
for program in "$@"; do
    echo "== ${program##*/} on PGlite"
    "$program" || code=1
done
[ $code -eq 0 ] || tail -20 "$work/log"
exit $code
