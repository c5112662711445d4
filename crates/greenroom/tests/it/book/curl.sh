#!/usr/bin/env bash
# `curl` as the pages of the book call it: finds the server of the page, and fails when it is refused.
# One that waits for what comes (`-N`) has seen enough after two seconds.
set -euo pipefail
address=$(cat "$BOOK_STATE/address")
arguments=(--fail-with-body --max-time 30)
waits=no
for word in "$@"; do
    [ "$word" = -N ] && waits=yes
    word=${word//localhost:8080/$address}
    arguments+=("${word//127.0.0.1:8080/$address}")
done
export PATH=$BOOK_PATH
if [ "$waits" = no ]; then
    exec curl "${arguments[@]}"
fi
ended=0
curl "${arguments[@]}" --max-time 2 || ended=$?
# 28: the time is over.
[ "$ended" = 0 ] || [ "$ended" = 28 ]
