#!/bin/bash
# on_postgresql.sh PROGRAM...: run tests one after the other with a PostgreSQL server of their own: LIKENESS_TEST_PG is
# the address of a database there, which they make their galleries in. The server listens on a socket in a new folder
# and is gone afterwards. Exit 77: PostgreSQL is not installed.
set -euo pipefail
bin=$(for d in /usr/lib/postgresql/*/bin; do [ -x "$d/initdb" ] && echo "$d"; done | sort -V | tail -1)
[ -n "$bin" ] || { echo "skipped: PostgreSQL's server is not installed (postgresql-15)"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/lk-pg-XXXXXX")
as_owner=()
if [ "$(id -u)" -eq 0 ]; then # the server refuses root
    chown nobody "$work"
    as_owner=(setpriv --reuid=nobody --clear-groups --)
fi
stop() {
    [ ! -e "$work/data/postmaster.pid" ] ||
        "${as_owner[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT
chmod 755 "$work"
cd "$work"
"${as_owner[@]}" "$bin/initdb" -D data -U owner -A trust -E UTF8 --locale=C -N --no-instructions >initdb.log 2>&1 ||
    { cat initdb.log; exit 1; }
# Nothing of it outlives the test, so nothing is synced; kill -9 of clients and of the server loses nothing all the same.
cat >>data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$work'
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 40
autovacuum_naptime = 1s
END
"${as_owner[@]}" "$bin/pg_ctl" -D data -l "$work/log" -w -t 60 start >/dev/null || { cat "$work/log"; exit 1; }
export LIKENESS_TEST_PG="postgresql://owner@/postgres?host=$work" LIKENESS_TEST_PG_BIN=$bin LIKENESS_TEST_PG_DATA=$work/data
code=0
cd - >/dev/null
for program in "$@"; do
    echo "== ${program##*/} on PostgreSQL"
    "$program" || code=1
done
[ $code -eq 0 ] || tail -20 "$work/log"
exit $code
