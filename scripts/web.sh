#!/usr/bin/env bash
# The pages of web/: `install` brings their packages, `build` builds them. Both do nothing when
# nothing changed since.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }

install_packages() {
    command -v npm >/dev/null ||
        die "npm is missing" "install Node.js 20 or later, for example from your distribution or nodejs.org"
    # A copy of the lock file tells for which one the packages were installed.
    local installed=web/node_modules/.installed-lock.json
    cmp -s web/package-lock.json "$installed" && return
    say "installing the packages of web/"
    (cd web && npm ci --no-audit --no-fund </dev/null)
    mkdir -p web/node_modules
    cp web/package-lock.json "$installed"
}

# Whether a source is newer than the last build here. The stamp lies outside of dist, because the
# server embeds what is in there.
stamp=web/node_modules/.built
is_stale() {
    [ -e "$stamp" ] && [ -d web/dist ] || return 0
    [ -n "$(find web \( -name node_modules -o -path web/dist -o -name test-results \) -prune \
        -o -type f -newer "$stamp" -print -quit)" ]
}

build_pages() {
    install_packages
    is_stale || return 0
    local begun
    begun=$(mktemp)
    (cd web && npm run build </dev/null)
    # The time before the build: a source that changed meanwhile is built again.
    touch -r "$begun" "$stamp"
    rm -f "$begun"
}

if [ ! -e web/package.json ]; then
    say "there is no web/package.json: no pages to build"
    exit 0
fi
case "${1-}" in
    install) install_packages ;;
    build) build_pages ;;
    *) die "unknown command '${1-}'" "scripts/web.sh install|build" ;;
esac
