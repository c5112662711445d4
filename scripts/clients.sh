#!/usr/bin/env bash
# Brings the packages that the tests of clients/ need. Does nothing when nothing changed since.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../clients"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }

command -v npm >/dev/null ||
    die "npm is missing" "install Node.js 20 or later, for example from your distribution or nodejs.org"
# A copy of the lock file tells for which one the packages were installed.
installed=node_modules/.installed-lock.json
cmp -s package-lock.json "$installed" && exit 0
say "installing the packages of clients/"
npm ci --no-audit --no-fund </dev/null
cp package-lock.json "$installed"
