# Sourced by scripts that need a server: starts one, waits until it is ready, and ends it with them.

# Takes a program and its arguments, which make it listen on a free port. Sets `server` to its process
# and `url` to where it listens. `scratch` is a folder that is removed at the end.
start_server() {
    "$@" 2>"$scratch/said" &
    server=$!
    for _ in $(seq 200); do
        grep -q '^ready in ' "$scratch/said" && break
        kill -0 "$server" || { cat "$scratch/said" >&2; exit 1; }
        sleep 0.1
    done
    url=$(sed -n 's/^listening on //p' "$scratch/said")
}

end_server() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$scratch"
}

server=
scratch=$(mktemp -d)
trap end_server EXIT
