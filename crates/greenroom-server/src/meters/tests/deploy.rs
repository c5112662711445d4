//! The board and the alert rules under `deploy/`, held against the table: what they ask for exists.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::table::TABLE;
use super::repository;

/// Labels that Prometheus adds, or that a histogram has.
const ADDED: [&str; 3] = ["instance", "job", "le"];

/// What a query takes from the metrics: their names, and labels.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

/// Reads so much of the query language as the files use: words are functions when `(` follows,
/// labels within `{..}` and behind `by` or `on`, metrics otherwise.
fn asked(query: &str) -> Asked {
    let mut asked = Asked::default();
    let mut rest = query;
    let mut in_braces = false;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let end = rest[1..].find('"').expect("a string ends");
            rest = &rest[end + 2..];
        } else if first.is_ascii_alphabetic() || first == '_' {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            if in_braces {
                asked.labels.insert(word.to_owned());
            } else if ["by", "on"].contains(&word) {
                let list = behind.trim_start().strip_prefix('(').expect("a list");
                let (list, after) = list.split_once(')').expect("a list ends");
                asked
                    .labels
                    .extend(list.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !behind.starts_with('(') && !behind.starts_with(" by") {
                asked.metrics.insert(word.to_owned());
            }
        } else if first == '[' {
            let end = rest.find(']').expect("a range ends");
            rest = &rest[end + 1..];
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        } else {
            in_braces = (in_braces || first == '{') && first != '}';
            rest = &rest[first.len_utf8()..];
        }
    }
    asked
}

/// What is wrong with a query, if anything.
fn flaws(query: &str) -> Vec<String> {
    let declared: BTreeMap<_, _> = TABLE.iter().map(|m| (m.declared().name, m)).collect();
    let Asked { metrics, labels } = asked(query);
    let mut flaws = Vec::new();
    let mut known: BTreeSet<&str> = ADDED.into();
    for name in &metrics {
        let stem = name.strip_suffix("_bucket").unwrap_or(name);
        match declared.get(stem) {
            Some(metric) if (stem != name) == (metric.kind() == "histogram") => {
                known.extend(metric.declared().labels);
            }
            Some(_) => flaws.push(format!("{name} is asked for as it is not")),
            None => flaws.push(format!("{name} is not declared")),
        }
    }
    if metrics.is_empty() {
        flaws.push("it asks for no metric".to_owned());
    }
    for label in labels
        .iter()
        .filter(|label| !known.contains(label.as_str()))
    {
        flaws.push(format!("{label} is no label of {metrics:?}"));
    }
    flaws
}

#[test]
fn a_query_is_taken_apart() {
    let found = asked(
        "histogram_quantile(0.99, sum by (pattern, le) \
         (rate(greenroom_ack_seconds_bucket{kind=~\"$x\"}[5m]))) > 1",
    );
    let set = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
    let expected = Asked {
        metrics: set(&["greenroom_ack_seconds_bucket"]),
        labels: set(&["pattern", "le", "kind"]),
    };
    assert_eq!(found, expected);
    assert_eq!(flaws("sum by (room) (greenroom_ready)").len(), 1);
    assert_eq!(flaws("greenroom_gone").len(), 1);
    assert_eq!(flaws("greenroom_ack_seconds").len(), 1);
}

#[test]
fn the_alert_rules_ask_for_what_there_is() {
    let path = repository().join("deploy/prometheus/alerts.yml");
    let rules = std::fs::read_to_string(path).unwrap();
    let values = |key: &str| {
        let lines = rules.lines().filter_map(|line| {
            let line = line.trim_start().trim_start_matches("- ");
            line.strip_prefix(key).map(str::trim)
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let names = values("alert:");
    assert_eq!(names.len(), 12);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 12);
    let queries = values("expr:");
    assert_eq!(queries.len(), names.len(), "each rule is one line");
    for key in ["summary:", "description:", "labels: { severity:"] {
        assert_eq!(values(key).len(), names.len(), "{key}");
    }
    for (name, query) in names.iter().zip(&queries) {
        assert_eq!(flaws(query), Vec::<String>::new(), "{name}");
    }
    // What a summary fills in must be left over by its query.
    for rule in rules.split("- alert: ").skip(1) {
        for piece in rule.split("$labels.").skip(1) {
            let label = piece.split(' ').next().unwrap();
            let known = label == "instance" || asked_labels(rule).contains(label);
            assert!(known, "{label} is not kept in {rule}");
        }
    }
}

fn asked_labels(rule: &str) -> BTreeSet<String> {
    let query = rule
        .lines()
        .find_map(|line| line.trim().strip_prefix("expr:"));
    asked(query.unwrap()).labels
}

#[test]
fn the_board_asks_for_what_there_is() {
    let path = repository().join("deploy/grafana/greenroom.json");
    let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            assert_eq!(flaws(query), Vec::<String>::new(), "{}", panel["title"]);
            let names = asked(query).metrics.into_iter();
            shown.extend(names.map(|name| name.trim_end_matches("_bucket").to_owned()));
        }
    }
    // What has no place on it is left out on purpose.
    let left_out = [
        "greenroom_build_info",
        "process_start_time_seconds",
        "process_threads",
        "process_virtual_memory_bytes",
    ];
    let declared = TABLE.iter().map(|metric| metric.declared().name);
    let missing: Vec<_> = declared
        .filter(|name| !shown.contains(*name) && !left_out.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
