use super::endpoint;

/// What comes of these variables: where to, nothing, or what is wrong with them.
fn check(variables: &[(&str, &str)], expected: &str) {
    let found = endpoint(|name| {
        let found = variables.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let found = match found {
        Ok(found) => found.unwrap_or_else(|| "nowhere".to_owned()),
        Err(failure) => failure.message,
    };
    assert_eq!(found, expected, "{variables:?}");
}

#[test]
fn traces_go_where_the_variables_say_and_else_nowhere() {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    let here = (ENDPOINT, "http://a:1");
    check(&[], "nowhere");
    check(&[(ENDPOINT, "")], "nowhere");
    check(&[here], "http://a:1");
    check(&[here, (OF_TRACES, "http://b:1")], "http://b:1");
    check(&[here, ("OTEL_SDK_DISABLED", "true")], "nowhere");
    check(&[here, (EXPORTER, "none")], "nowhere");
    check(&[(EXPORTER, "otlp")], "http://localhost:4318");
    check(
        &[here, (EXPORTER, "zipkin")],
        "OTEL_TRACES_EXPORTER asks for `zipkin`",
    );
    check(
        &[here, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        "OTEL_EXPORTER_OTLP_PROTOCOL asks for `grpc`",
    );
}
