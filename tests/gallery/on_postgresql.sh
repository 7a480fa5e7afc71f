#!/bin/bash
# on_postgresql.sh PROGRAM...: run tests one after the other with a PostgreSQL server of their own. They get
#   LIKENESS_TEST_PG          the address of a database whose owner they are, over a socket in a new folder
#   LIKENESS_TEST_PG_TLS      parameters of an address by which it is reached with TLS
#   LIKENESS_TEST_PG_CERTIFICATE  its certificate, which signs itself, for "localhost"
#   LIKENESS_TEST_PG_CONTROL  a command: stop (as a crash does) and start
# The user "locked" needs a password; all others none.
# The server is gone afterwards. Exit 77: PostgreSQL is not installed.
set -euo pipefail
bin=$(for d in /usr/lib/postgresql/*/bin; do [ ! -x "$d/initdb" ] || echo "$d"; done | sort -V | tail -1)
[ -n "$bin" ] || { echo "skipped: the server of PostgreSQL is not installed (postgresql-15)"; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/lk-pg-XXXXXX")
chmod 755 "$work"
as_owner=()
if [ "$(id -u)" -eq 0 ]; then # the server refuses root
    chown nobody "$work"
    as_owner=(setpriv --reuid=nobody --clear-groups --)
fi
cat >"$work/control" <<END
#!/bin/bash
# Nothing waits for a disk: what a killed process loses shows all the same.
cd "$work"
case \$1 in
stop) exec ${as_owner[*]} "$bin/pg_ctl" -D data -m immediate -w stop >/dev/null ;;
start) exec ${as_owner[*]} "$bin/pg_ctl" -D data -l "$work/log" -w -t 60 start >/dev/null ;;
esac
END
chmod 755 "$work/control"
finish() {
    [ ! -e "$work/data/postmaster.pid" ] || "$work/control" stop || true
    rm -rf "$work"
}
trap finish EXIT

(
    cd "$work"
    "${as_owner[@]}" "$bin/initdb" -D data -U owner -A trust -E UTF8 --locale=C -N --no-instructions
    "${as_owner[@]}" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
        -addext "subjectAltName=DNS:localhost" -keyout data/server.key -out server.crt
    "${as_owner[@]}" chmod 600 data/server.key
) >"$work/making.log" 2>&1 || { cat "$work/making.log"; exit 1; }
cat >"$work/data/pg_hba.conf" <<END
local all locked scram-sha-256
local all all trust
hostssl all all 127.0.0.1/32 trust
END
port=0
for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 20000))
    cat >"$work/data/postgresql.auto.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$work'
ssl = on
ssl_cert_file = '$work/server.crt'
fsync = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 40
END
    if "$work/control" start; then break; fi
    port=0
done
[ $port -ne 0 ] || { cat "$work/log"; exit 1; }

export LIKENESS_TEST_PG="postgresql://owner@/postgres?host=$work&port=$port"
export LIKENESS_TEST_PG_TLS="host=localhost&hostaddr=127.0.0.1&port=$port" LIKENESS_TEST_PG_CERTIFICATE=$work/server.crt
export LIKENESS_TEST_PG_CONTROL=$work/control
unset PGPASSWORD PGPASSFILE PGSERVICE PGSSLMODE PGOPTIONS PGHOST PGPORT PGUSER PGDATABASE
code=0
for program in "$@"; do
    echo "== ${program##*/} on PostgreSQL"
    "$program" || code=1
done
[ $code -eq 0 ] || tail -30 "$work/log"
exit $code
