//! For each option, limit and exit code a test that reaches it. One without, or with one that is gone
//! or does not name it, fails here.

use std::fs;
use std::path::Path;

use greenroom_server::Limits;

use super::super::limits::variable_of;
use super::super::options::OPTIONS;
use super::options_of;
use crate::config::Flags;
use crate::exit_codes::ExitCode;
use crate::server_plan::Purpose;

const PLAN: &str = "crates/greenroom/src/server_plan/tests.rs";

/// A test that sets the option, and sees what it changes: its key, the file, the name.
const OPTION_TESTS: &[(&str, &str, &str)] = &[
    (
        "listen",
        "crates/greenroom/tests/it/options.rs",
        "the_port_is_the_one_that_was_said",
    ),
    (
        "data",
        "crates/greenroom/tests/it/config.rs",
        "data_is_checked_without_touching_it",
    ),
    (
        "lan",
        "crates/greenroom/tests/it/server.rs",
        "dev_on_every_address_warns",
    ),
    (
        "insecure",
        "crates/greenroom/tests/it/server.rs",
        "serve_with_a_key_or_insecure_listens_everywhere",
    ),
    (
        "secret_key",
        "crates/greenroom/tests/it/server.rs",
        "serve_with_a_key_or_insecure_listens_everywhere",
    ),
    (
        "origins",
        "crates/greenroom/tests/it/reload.rs",
        "a_reload_takes_what_it_can_and_says_what_it_cannot",
    ),
    (
        "rooms",
        "crates/greenroom/tests/it/server.rs",
        "no_log_line_holds_a_payload_or_a_token",
    ),
    (
        "hooks",
        "crates/greenroom/tests/it/hooks.rs",
        "a_hook_is_told_with_a_signature_where_its_address_is_allowed",
    ),
    (
        "webhooks.secret",
        "crates/greenroom/tests/it/hooks.rs",
        "a_hook_is_told_with_a_signature_where_its_address_is_allowed",
    ),
    (
        "webhooks.private",
        "crates/greenroom/tests/it/hooks.rs",
        "a_hook_is_told_with_a_signature_where_its_address_is_allowed",
    ),
    (
        "compression",
        "crates/greenroom/tests/it/options.rs",
        "who_asks_for_compression_gets_it_where_it_is_on",
    ),
    (
        "free_bytes_min",
        "crates/greenroom/tests/it/options.rs",
        "what_must_stay_free_is_the_smaller_of_both",
    ),
    (
        "free_percent_min",
        "crates/greenroom/tests/it/options.rs",
        "what_must_stay_free_is_the_smaller_of_both",
    ),
    (
        "tls.cert",
        "crates/greenroom/tests/it/health.rs",
        "https_is_asked_by_a_name_that_its_certificate_holds",
    ),
    (
        "tls.key",
        "crates/greenroom/tests/it/health.rs",
        "https_is_asked_by_a_name_that_its_certificate_holds",
    ),
    (
        "tls.acme",
        PLAN,
        "an_order_of_a_certificate_holds_what_was_said",
    ),
    (
        "tls.acme_email",
        PLAN,
        "an_order_of_a_certificate_holds_what_was_said",
    ),
    (
        "tls.acme_directory",
        PLAN,
        "an_order_of_a_certificate_holds_what_was_said",
    ),
    (
        "trusted_proxies",
        "crates/greenroom/tests/it/options.rs",
        "a_trusted_proxy_says_who_comes_and_others_do_not",
    ),
    (
        "proxy_protocol",
        "crates/greenroom/tests/it/options.rs",
        "a_proxy_header_is_read_where_it_is_expected",
    ),
    (
        "base_path",
        "crates/greenroom/tests/it/options.rs",
        "it_answers_below_its_base_path_too",
    ),
    (
        "connections_per_ip_max",
        "crates/greenroom/tests/it/options.rs",
        "a_trusted_proxy_says_who_comes_and_others_do_not",
    ),
    ("drain_ms", PLAN, "a_stop_takes_as_long_as_was_said"),
    (
        "log.form",
        "crates/greenroom/tests/it/options.rs",
        "the_log_is_as_it_was_ordered",
    ),
    (
        "log.filter",
        "crates/greenroom/tests/it/options.rs",
        "the_log_is_as_it_was_ordered",
    ),
];

/// The text of a test; `None` when there is none of that name.
fn body(file: &str, name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join(file)).ok()?;
    let (_, rest) = text.split_once(&format!("fn {name}("))?;
    Some(rest.split("\n}\n").next().unwrap_or_default().to_owned())
}

#[test]
fn every_option_is_set_by_a_test_that_sees_what_it_changes() {
    let mut flaws = Vec::new();
    for spec in OPTIONS {
        let Some((_, file, name)) = OPTION_TESTS.iter().find(|(key, ..)| *key == spec.key) else {
            flaws.push(format!("no test is known of {}", spec.key));
            continue;
        };
        let flag = spec.flag.map(|flag| format!("\"--{}", flag.name));
        let words = [
            flag.unwrap_or_else(|| format!("\"{}\"", spec.variable)),
            format!("\"{}\"", spec.variable),
            format!("\\n{} = ", spec.key),
        ];
        match body(file, name) {
            Some(body) if words.iter().any(|word| body.contains(word)) => {}
            Some(_) => flaws.push(format!("{file}: {name} does not set {}", spec.key)),
            None => flaws.push(format!("{file}: there is no test {name}")),
        }
    }
    for (key, ..) in OPTION_TESTS {
        if !OPTIONS.iter().any(|spec| spec.key == *key) {
            flaws.push(format!("there is no option {key}"));
        }
    }
    assert_eq!(flaws, Vec::<String>::new());
}

/// What a limit does is tested where it is met, see `reference_pages` of the server; that its name
/// sets it, and nothing else, here.
#[test]
fn every_limit_sets_itself_alone() {
    let usual = Limits::default();
    for field in Limits::FIELDS {
        let old = field.get(&usual);
        // Below its default where that can be: some must stay below others.
        let new = if old > field.min { old - 1 } else { old + 1 };
        let variable = variable_of(field);
        let given = [(&*variable, &*new.to_string())];
        let limits = options_of(Purpose::Serve, &Flags::default(), &given).limits;
        for other in Limits::FIELDS {
            let expected = if other == field {
                new
            } else {
                other.get(&usual)
            };
            assert_eq!(other.get(&limits.values), expected, "{variable}: {other:?}");
        }
    }
}

/// A whole command that ends with the code: file, name, how the test says it.
const fn test_of(code: ExitCode) -> (&'static str, &'static str, &'static str) {
    match code {
        ExitCode::Done => ("health.rs", "ready_is_done", ".check(0, "),
        ExitCode::Failed => ("dev.rs", "a_command_that_there_is_not_is_named", "Some(1)"),
        ExitCode::Usage => (
            "help.rs",
            "no_arguments_get_help_and_a_usage_code",
            ".check(2, ",
        ),
        ExitCode::NeedsYou => ("health.rs", "not_ready_needs_you", ".check(3, "),
        ExitCode::Interrupted => (
            "server.rs",
            "dev_starts_with_nothing_and_ends_on_a_signal",
            ".check(130, ",
        ),
        ExitCode::Passed(_) => (
            "dev.rs",
            "a_command_runs_with_a_server_and_its_exit_code_is_ours",
            "Some(7)",
        ),
    }
}

#[test]
fn every_exit_code_is_that_of_a_command_in_a_test() {
    for code in ExitCode::ALL.into_iter().chain([ExitCode::Passed(7)]) {
        let (file, name, word) = test_of(code);
        assert!(word.contains(&code.number().to_string()), "{code:?}");
        let body = body(&format!("crates/greenroom/tests/it/{file}"), name);
        assert!(
            body.is_some_and(|body| body.contains(word)),
            "{file}: {name} does not end with {code:?}"
        );
    }
}
