//! The reference page of the metrics.

use std::fmt::Write as _;

use super::table::TABLE;

/// The reference page of the metrics, as Markdown, written from their table.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in Prometheus' text format. Written from the table in\n\
         `crates/greenroom-server/src/meters/table.rs`; a test holds it against a running server.\n\n\
         No label has a value per room, user or address: `pattern` is the configured pattern that a\n\
         room's name matches, `**` where none does. A board for Grafana is\n\
         `deploy/grafana/greenroom.json`, twelve alert rules are `deploy/prometheus/alerts.yml`.\n\n\
         | metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n",
    );
    for metric in TABLE {
        let declared = metric.declared();
        let labels: Vec<_> = declared.labels.iter().map(|l| format!("`{l}`")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            declared.name,
            metric.kind(),
            declared.unit,
            labels.join(", "),
            declared.help_text()
        );
    }
    page
}
