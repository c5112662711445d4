//! The fuzzer: `GREENROOM_FUZZ_TARGET` names the target, the arguments are libFuzzer's. Built and run
//! by `fuzz/run.sh`.
#![no_main]

use std::sync::OnceLock;

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn chosen() -> &'static Target {
    let name = std::env::var("GREENROOM_FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("GREENROOM_FUZZ_TARGET names no target: `{name}`"))
}

/// libFuzzer's own hook ends the process at every panic, also at those of the engine that the gate
/// catches. One that nobody catches ends it all the same, where it leaves the target.
fn report_only_ours() {
    let report = std::panic::take_hook();
    drop(report);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| place.file());
        if !place.is_some_and(|file| file.contains("yrs-")) {
            eprint(&panic.to_string());
        }
    }));
}

#[expect(
    clippy::print_stderr,
    reason = "what was found is this program's output"
)]
fn eprint(text: &str) {
    eprintln!("{text}");
}

fuzz_target!(init: report_only_ours(), |data: &[u8]| {
    let target = TARGET.get_or_init(chosen);
    (target.run)(data);
});
