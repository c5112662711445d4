#!/usr/bin/env bash
# Builds the servers and the generator, measures the whole table of docs/performance.md, and shows
# it. Without arguments it takes about 45 minutes and writes the table into that page. Arguments go
# to `load bench`: --quick, --only WORKLOAD, --server SERVER, --rounds N, --peer-rounds N.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }

load=benches/load/target/release/load

build() {
    command -v cargo >/dev/null || die "cargo is missing" "install Rust with rustup, see https://rustup.rs"
    [ "$(nproc --all)" -ge 2 ] ||
        die "a measurement takes two cores" "one is for the server and one for the generator"
    if [ -z "${GREENROOM_BIN:-}" ]; then
        cargo build --release --locked --package greenroom
        export GREENROOM_BIN=${CARGO_TARGET_DIR:-target}/release/greenroom
    fi
    local part
    for part in floor load; do
        env -u CARGO_TARGET_DIR cargo build --release --locked \
            --manifest-path "benches/$part/Cargo.toml" --target-dir "benches/$part/target"
    done
    # Without rounds for the servers of others they are not needed.
    [[ " $* " == *" --peer-rounds 0 "* ]] || benches/peers/setup.sh
}

measure() {
    # Both make a group of its own, so that an interrupt can end the servers too.
    local run=(benches/alone.sh)
    if [ "$(id -u)" != 0 ] || [ ! -w /proc/self/autogroup ]; then
        run=(setsid --wait)
        say "not root: whatever else the machine does is measured too"
    fi
    "${run[@]}" "$load" bench "$@" &
    local child=$!
    trap 'kill -- "-$child" 2>/dev/null || true; exit 130' INT TERM
    wait "$child"
    trap - INT TERM
}

build "$@"
measure "$@"
if [ $# -eq 0 ]; then
    "$load" report --write
    say "written into docs/performance.md"
else
    "$load" report
fi
