//! Options that a test cannot watch at work from outside come to the place that is read.

use greenroom_server::TlsSource;

use super::{Purpose, ServerPlan, plan};
use crate::config::{Environment, Flags, resolve};

fn plan_of(variables: &[(&str, &str)]) -> ServerPlan {
    let environment = Environment::of(variables);
    let resolved = resolve(Purpose::Serve, &Flags::default(), &environment).unwrap();
    plan(&resolved).unwrap()
}

#[test]
fn an_order_of_a_certificate_holds_what_was_said() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let planned = plan_of(&[
        ("GREENROOM_DATA", directory),
        ("GREENROOM_ACME", "a.example, b.example"),
        ("GREENROOM_ACME_EMAIL", "ops@a.example"),
        ("GREENROOM_ACME_DIRECTORY", "https://ca.example/dir"),
    ]);
    let Some(TlsSource::Acme(order)) = planned.front.tls else {
        panic!("no order in {planned:?}")
    };
    assert_eq!(order.domains, ["a.example", "b.example"]);
    assert_eq!(order.email.as_deref(), Some("ops@a.example"));
    assert_eq!(order.directory.as_deref(), Some("https://ca.example/dir"));
    assert_eq!(order.folder, data.path().join("acme"));
}

#[test]
fn a_stop_takes_as_long_as_was_said() {
    let variables = [
        ("GREENROOM_DATA", ":memory:"),
        ("GREENROOM_DRAIN_MS", "1500"),
    ];
    assert_eq!(plan_of(&variables).drain_ms, 1_500);
    assert_eq!(plan_of(&variables[..1]).drain_ms, 25_000);
}
