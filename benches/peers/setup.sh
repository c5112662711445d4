#!/usr/bin/env bash
# Installs the servers that Greenroom is measured against into this folder. Quick when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

y_sweet_version=0.9.1

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

setup_npm() {
    has npm || die "npm is missing" \
        "install Node.js 20 or later, for example from your distribution or nodejs.org"
    # A copy of the lock file tells for which one the packages were installed.
    local installed=node_modules/.installed-lock.json
    cmp -s package-lock.json "$installed" && return 0
    say "installing the packages of benches/peers"
    npm ci --no-audit --no-fund </dev/null
    cp package-lock.json "$installed"
}

setup_y_sweet() {
    # The program does not tell its version; cargo's list of what it installed does.
    grep -q "^\"y-sweet $y_sweet_version " y-sweet/.crates.toml 2>/dev/null && return 0
    has cargo || die "cargo is missing" "install Rust with rustup, see https://rustup.rs"
    say "building y-sweet $y_sweet_version, which takes some minutes"
    cargo install y-sweet --locked --version "$y_sweet_version" --root y-sweet </dev/null
}

setup_npm
setup_y_sweet
