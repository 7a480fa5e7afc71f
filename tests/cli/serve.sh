# serve.sh: read by test_serve*.sh after lib.sh: a server, started and stopped.
models=$LK_SOURCE/models
export LK_SOURCE PYTHONDONTWRITEBYTECODE=1
server=

# start ARGUMENT...: the server on a free port, $PORT.
start() {
    command="likeness serve $*"
    "$LIKENESS" serve "$@" --listen 127.0.0.1:0 --detector "$models/detect.safetensors" >out 2>log &
    server=$!
    PORT=
    for _ in $(seq 600); do
        PORT=$(sed -nE 's|.*serving on https?://[^ ]*:([0-9]+)/.*|\1|p' log)
        [ -z "$PORT" ] || break
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    export PORT
    [ -n "$PORT" ] || { cat log; fail "the server did not start"; }
}

# stop [SIGNAL]: it must end well.
stop() {
    kill -"${1:-TERM}" $server
    wait $server 2>/dev/null
    code=$?
    [ "${1:-TERM}" = KILL ] || [ $code -eq 0 ] || { cat log; fail "the server ended with $code"; }
}
trap '[ -z "$server" ] || kill -KILL $server 2>/dev/null; rm -rf "$T"' EXIT
