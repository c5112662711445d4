#!/usr/bin/env bash
# Installs what the tests need: the wasm32 target, cargo-nextest, mdBook, the packages of web/ and
# clients/, and a Chromium for the browser tests. Quick when all is there; asks nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Builds on the toolchain of rust-toolchain.toml; any version that is already there serves too.
nextest_version=0.9.151

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

setup_rust() {
    has cargo || die "cargo is missing" "install Rust with rustup, see https://rustup.rs"
    # Asked of rustc and not of rustup, because a toolchain may come from elsewhere.
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
        has rustup || die "the Rust target wasm32-unknown-unknown is missing" \
            "install it as you installed Rust"
        rustup target add wasm32-unknown-unknown </dev/null
    fi
    if ! cargo nextest --version >/dev/null 2>&1; then
        say "installing cargo-nextest $nextest_version"
        cargo install cargo-nextest --locked --version "$nextest_version" </dev/null
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

setup_chromium() {
    # The browser tests look at the same two places.
    [ -x "${CHROMIUM_BIN:-/usr/bin/chromium}" ] && return 0
    local hint="install a Chromium and set CHROMIUM_BIN to it; on Debian: sudo apt-get install chromium"
    has apt-get || die "no Chromium for the browser tests" "$hint"
    [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; } ||
        die "no Chromium for the browser tests, and no right to install one" "$hint"
    say "installing Chromium"
    as_root apt-get update -q </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends chromium </dev/null
}

setup_web() {
    [ -e web/package.json ] || return 0
    has node || die "Node.js is missing" "install Node.js 20 or later"
    local major
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || die "Node.js $major is too old" "install Node.js 20 or later"
    scripts/web.sh install
    setup_chromium
}

setup_rust
setup_web
scripts/clients.sh
scripts/book.sh install
