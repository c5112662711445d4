#!/usr/bin/env bash
# Cargo's RUSTC_WORKSPACE_WRAPPER for the fuzzer: instruments our own packages for libFuzzer, and only
# those, so that all others are what an ordinary release build has made. What cargo-fuzz sets too; no
# part of it needs a nightly toolchain.
set -euo pipefail
rustc=$1
shift
case " $* " in
    # Build scripts are linked without libFuzzer.
    *" --crate-name build_script_"*) exec "$rustc" "$@" ;;
esac
assertions=(-C debug-assertions=on)
case " $* " in
    # It embeds pages by a macro of a package that is built without.
    *" --crate-name greenroom_server "*) assertions=() ;;
esac
exec "$rustc" "$@" \
    -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares \
    -C llvm-args=-simplifycfg-branch-fold-threshold=0 \
    -C codegen-units=1 \
    -C overflow-checks=on \
    "${assertions[@]}"
