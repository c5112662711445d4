#!/usr/bin/env bash
# Builds the program without any library of the system, as the container image does, and starts it:
# it must serve, say so, and stop when it is told.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="$(uname -m)-unknown-linux-musl"
say() { printf '%s\n' "$*" >&2; }

cargo build --release --locked --package greenroom --target "$target"
folder=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
binary="$folder/$target/release/greenroom"

# A loader would be named in the program's headers.
if readelf --program-headers "$binary" | grep INTERP >/dev/null; then
    say "error: $binary needs a dynamic loader"
    exit 1
fi

. scripts/server.sh
# Without a variable, a home or a library to lean on.
start_server env -i "$binary" dev --data "$scratch/data" --listen 127.0.0.1:0

[ "$(env -i "$binary" health "$url")" = ready ]
env -i "$binary" backup "$scratch/backup" --server "$url" >/dev/null
kill -TERM "$server"
wait "$server"
server=
say "static, $(du -k "$binary" | cut -f1) KiB: it serves, is copied and stops"
