#!/usr/bin/env bash
# Installs what the tests need: the wasm32 target, cargo-nextest, mdBook, the packages of web/ and
# clients/, a Chromium for the browser tests, and valgrind where it can. Quick when all is there; asks
# nothing.
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

may_apt() {
    has apt-get || return 1
    [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }
}

apt_install() {
    say "installing $1"
    as_root apt-get update -q </dev/null
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "$1" </dev/null
}

setup_chromium() {
    # The browser tests look at the same two places.
    [ -x "${CHROMIUM_BIN:-/usr/bin/chromium}" ] && return 0
    local hint="install a Chromium and set CHROMIUM_BIN to it; on Debian: sudo apt-get install chromium"
    has apt-get || die "no Chromium for the browser tests" "$hint"
    may_apt || die "no Chromium for the browser tests, and no right to install one" "$hint"
    apt_install chromium
}

# Counts instructions; without it that step is skipped.
setup_valgrind() {
    has valgrind && return 0
    may_apt && [ "$(uname -sm)" = "Linux x86_64" ] || return 0
    apt_install valgrind || say "no valgrind: the step \`turn\` will be skipped"
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
setup_valgrind
setup_web
scripts/clients.sh
scripts/book.sh install
