#!/usr/bin/env bash
# Holds the server against the Autobahn test suite: RFC 6455 (sections 1 to 7, 9, 10) without
# compression, RFC 7692 (12, 13) with it. Fails when a case fails, is not implemented, or did not run.
#
#   conformance/autobahn/run.sh [SECTION ..]     all of them (half an hour), or those named: 1 9 12.2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

here=conformance/autobahn
place=${CARGO_TARGET_DIR:-target}/conformance
mkdir -p "$place"
place=$(cd "$place" && pwd)
# The suite writes what it found when a run of it ends; 12 and 13 take long, so they go by parts.
plain="1 2 3 4 5 6 7 9 10"
compressed="12.1 12.2 12.3 12.4 12.5 13.1 13.2 13.3 13.4 13.5 13.6 13.7"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; say "hint: $2"; exit 1; }

# The suite runs on Python 2.7 only, which few systems have. The first that works, where they lie.
find_python() {
    local candidate
    for candidate in "${PYTHON27-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7*/bin/python2.7; do
        [ -n "$candidate" ] && "$candidate" -c 'import ssl, zlib' >/dev/null 2>&1 || continue
        printf '%s\n' "$candidate"
        return
    done
    return 1
}

# A virtualenv with the suite; made once. Python 2.7 left pip and virtualenv long ago, so that the
# last virtualenv that knows it makes ours, from a Python of today.
install_suite() {
    cmp -s "$here/requirements.txt" "$place/installed.txt" && return
    command -v python3 >/dev/null || die "python3 is missing" "install Python 3.7 or later"
    say "installing the Autobahn test suite"
    rm -rf "$place/maker" "$place/suite"
    python3 -m venv "$place/maker"
    "$place/maker/bin/pip" install --quiet 'virtualenv==20.21.1'
    "$place/maker/bin/virtualenv" --quiet --python "$1" "$place/suite"
    "$place/suite/bin/pip" install --quiet --no-deps --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$place/installed.txt"
}

server=
stop_server() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    server=
}
trap stop_server EXIT

# Starts a server with the given options; sets `address`.
start_server() {
    local log=$place/server.txt
    : >"$log"
    "$binary" "$@" >"$log" 2>&1 &
    server=$!
    local tries=0
    until grep -q '^127' "$log"; do
        kill -0 "$server" 2>/dev/null || die "the server did not start" "see $log"
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || die "the server did not start within 30 s" "see $log"
        sleep 0.1
    done
    address=$(head -1 "$log")
}

# Runs the given sections, each by itself, against the server at `address`.
run_sections() {
    local section
    for section in "$@"; do
        say "section $section"
        cat >"$place/spec.json" <<JSON
{
  "outdir": "$reports/$section",
  "servers": [{"agent": "greenroom", "url": "ws://$address/ws/room/echo"}],
  "cases": ["$section.*"],
  "exclude-cases": [],
  "exclude-agent-cases": {}
}
JSON
        timeout --kill-after=10 3600 "$place/suite/bin/wstest" --mode fuzzingclient \
            --spec "$place/spec.json" >"$place/wstest.txt" 2>&1 </dev/null ||
            say "section $section broke off; see $place/wstest.txt"
    done
}

if ! python27=$(find_python); then
    say "SKIPPED conformance: the Autobahn test suite needs Python 2.7, and there is none"
    say "hint: install it (pyenv install 2.7.18, or your distribution) or set PYTHON27 to it"
    exit 0
fi
install_suite "$python27"
cargo build --release --locked --package greenroom-server --example echo_server
binary=${CARGO_TARGET_DIR:-target}/release/examples/echo_server
reports=$place/reports
rm -rf "$reports"

wanted=("$@")
# The sections that were asked for, of those that a run is for: `12` is all of `12.1` to `12.5`.
chosen() {
    local section want
    for section in "$@"; do
        [ ${#wanted[@]} -gt 0 ] || printf '%s\n' "$section"
        for want in "${wanted[@]}"; do
            case $section in "$want" | "$want".*) printf '%s\n' "$section" ;; esac
        done
    done
}
mapfile -t sections < <(chosen $plain)
if [ ${#sections[@]} -gt 0 ]; then
    start_server
    run_sections "${sections[@]}"
    stop_server
fi
mapfile -t sections < <(chosen $compressed)
if [ ${#sections[@]} -gt 0 ]; then
    start_server --compression
    run_sections "${sections[@]}"
    stop_server
fi
"$place/suite/bin/python" "$here/report.py" "$reports" "${wanted[@]}"
