#!/usr/bin/env bash
# `greenroom` as the pages of the book call it: a server takes a free port instead of the one that the
# page names, and comes back when it is ready; everything else finds it there.
set -euo pipefail

is_server=no
for word in "$@"; do
    case "$word" in
        serve | dev) is_server=yes && break ;;
        -*) ;;
        *) break ;;
    esac
done

if [ "$is_server" = no ] || [[ " $* " == *" --help "* ]]; then
    arguments=()
    if [ -e "$BOOK_STATE/address" ]; then
        address=$(cat "$BOOK_STATE/address")
        export GREENROOM_URL=${GREENROOM_URL:-http://$address}
        for word in "$@"; do
            word=${word//localhost:8080/$address}
            arguments+=("${word//127.0.0.1:8080/$address}")
        done
    else
        arguments=("$@")
    fi
    exec "$BOOK_BINARY" "${arguments[@]}"
fi

arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --listen) shift ;;
        --lan) ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
if [ -e "$BOOK_STATE/pid" ]; then
    pid=$(cat "$BOOK_STATE/pid")
    kill -TERM "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do read -rt 0.05 <> <(:) || true; done
    rm -f "$BOOK_STATE/address"
fi
# Emptied before: what the last server said would pass for what this one says.
: >"$BOOK_STATE/said"
"$BOOK_BINARY" "${arguments[@]}" --listen 127.0.0.1:0 >/dev/null 2>>"$BOOK_STATE/said" </dev/null &
pid=$!
echo "$pid" >"$BOOK_STATE/pid"
disown
until grep -q '^ready in ' "$BOOK_STATE/said"; do
    if ! kill -0 "$pid" 2>/dev/null; then
        cat "$BOOK_STATE/said" >&2
        exit 1
    fi
    read -rt 0.05 <> <(:) || true
done
sed -n 's,^listening on https\?://,,p' "$BOOK_STATE/said" >"$BOOK_STATE/address"
