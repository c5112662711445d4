#!/usr/bin/env bash
# Holds the REST interface of the binary GREENROOM_BIN against its own description: schemathesis makes
# requests out of /api/openapi.json, valid and not, and checks each answer. A failure names its seed.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
tools=target/rest
cases=${REST_CASES:-300}

if [ ! -x "$tools/bin/schemathesis" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet "schemathesis==$version"
fi

said=$(mktemp)
"$GREENROOM_BIN" dev --data :memory: --listen 127.0.0.1:0 2>"$said" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$said"' EXIT
for _ in $(seq 100); do
    grep -q '^ready in ' "$said" && break
    kill -0 "$server" || { cat "$said" >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$said")

# Left out: the tail, which does not end; and that a valid request is accepted, for whether a room or a
# place in a document is there is not in the description.
"$tools/bin/schemathesis" run "$url/api/openapi.json" --url "$url" \
    --exclude-path '/api/rooms/{room}/tail' \
    --exclude-checks positive_data_acceptance \
    --max-examples "$cases" --request-timeout 30 --continue-on-failure
kill -0 "$server"
