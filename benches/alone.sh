#!/usr/bin/env bash
# Runs a command nearly undisturbed on a machine that does other work: in a session of its own, whose
# processes the scheduler prefers to all others. Needs root. Without it the scheduler's delays, not
# the servers, decide how much is batched. `benches/bench.sh` does it by itself.
#   benches/alone.sh benches/load/target/release/load compare --workload steady --a greenroom-memory --b floor
set -euo pipefail
export BENCH_ALONE=1
# shellcheck disable=SC2016 # the inner shell expands it
exec setsid --wait bash -c 'echo -20 >/proc/self/autogroup; exec "$@"' alone "$@"
