#!/usr/bin/env bash
# Lets libFuzzer try each target for FUZZ_SECONDS (10). Fails when one is found wanting: the input is
# kept below target/fuzz/found, and belongs into fuzz/corpus with the mend.
#
#   fuzz/run.sh [TARGET ..]      all, or those named
#   fuzz/run.sh --keep [..]      and adds what reached something new to fuzz/corpus
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${FUZZ_SECONDS:-10}
# An input of some KiB that takes so much of either has found a way to make the server do so.
input_s_max=5
process_mib_max=1024
allocation_mib_max=256

say() { printf '%s\n' "$*" >&2; }

keep=
if [ "${1-}" = --keep ]; then
    keep=1
    shift
fi
place=${CARGO_TARGET_DIR:-target}
mkdir -p "$place/fuzz/found"
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/wrapper.sh \
    cargo build --release --locked --package fuzz --features libfuzzer
fuzzer=$place/release/fuzz

# Name and longest input of each target, as the table in fuzz/src/lib.rs says.
targets=$(sed -nE 's/.*target_of\("([a-z0-9_]+)", ([0-9]+) << 10, .*/\1 \2/p' fuzz/src/lib.rs)
failed=0 passed=0
while read -r name kib; do
    [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
    # What is found is not worth keeping each time; only the fuzzer needs it meanwhile.
    work=$place/fuzz/corpus/$name
    mkdir -p "$work"
    log=$place/fuzz/$name.txt
    if GREENROOM_FUZZ_TARGET=$name "$fuzzer" "$work" "fuzz/corpus/$name" \
        -max_len=$((kib << 10)) -max_total_time="$seconds" -timeout=$input_s_max \
        -rss_limit_mb=$process_mib_max -malloc_limit_mb=$allocation_mib_max \
        -artifact_prefix="$place/fuzz/found/$name-" -print_final_stats=1 >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        say "passed  $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else
        failed=$((failed + 1))
        say "FAILED  $name: see $log and $place/fuzz/found"
    fi
    if [ -n "$keep" ]; then
        GREENROOM_FUZZ_TARGET=$name "$fuzzer" -merge=1 -max_len=512 "fuzz/corpus/$name" "$work" \
            >>"$log" 2>&1 </dev/null || say "the corpus of $name could not be added to; see $log"
    fi
done <<<"$targets"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
