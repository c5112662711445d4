use super::rows::{COST, OTHER};
use super::*;
use crate::measurement::{Sheet, Spread};
use crate::results::Line;
use crate::session::Session;
use crate::workload;

fn run(workload: &str, server: &str, cpu_s: f64) -> Measurement {
    Measurement {
        at_s: 0,
        server: server.to_owned(),
        workload: workload::named(workload).unwrap(),
        connections: 10,
        connect_cpu_us: 50.0,
        connect_s: 1.0,
        updates: 1_000,
        deliveries: 1_000_000,
        missing: 0,
        load_s: 4.0,
        cpu_s,
        own_cpu_s: 1.0,
        latency: Spread {
            p50_ms: cpu_s,
            p99_ms: 2.0 * cpu_s,
            max_ms: 9.0,
        },
        worst_member_p99_ms: None,
        frames: 500_000,
        closed: 0,
        resident_before_kib: 1_024,
        resident_kib: 2_048,
        resident_max_kib: 4_096,
        commits: Some(50),
    }
}

fn results(lines: Vec<Line>) -> Results {
    let mut results = Results::default();
    for line in lines {
        // Through text, as it comes from a file.
        let text = serde_json::to_string(&line).unwrap();
        results.take(0, serde_json::from_str(&text).unwrap());
    }
    results
}

fn of_group(group: u32, measurement: Measurement) -> Line {
    Line::Run {
        group,
        measurement: Box::new(measurement),
    }
}

#[test]
fn ratios_are_taken_within_a_group() {
    let results = results(vec![
        of_group(0, run("steady", "greenroom-memory", 1.2)),
        of_group(0, run("steady", "floor", 1.0)),
        of_group(1, run("steady", "floor", 2.0)),
        of_group(1, run("steady", "greenroom-memory", 2.6)),
        of_group(2, run("steady", "greenroom-memory", 9.0)),
    ]);
    let samples = COST[0].figure.samples(&results, "greenroom-memory");
    assert_eq!(samples, [1.2, 1.3]);
    assert!(COST[0].figure.samples(&results, "y-sweet").is_empty());
}

#[test]
fn tables_tell_goals_and_what_must_be_known() {
    let mut lost = run("steady", "y-sweet", 2.0);
    (lost.missing, lost.closed) = (5_000, 1);
    let mut sheet = Sheet::new("acknowledgements", "greenroom-counter");
    sheet.put("raw fdatasync p99 ms", 1.0);
    sheet.put("ack p99 ms", 6.0);
    let results = results(vec![
        Line::Session(Session {
            at_s: 1_795_564_800,
            ..Session::default()
        }),
        of_group(0, run("steady", "greenroom-memory", 1.2)),
        of_group(0, run("steady", "floor", 1.0)),
        of_group(0, lost),
        Line::Sheet { sheet },
        Line::Failed {
            workload: "idle".to_owned(),
            server: "y-sweet".to_owned(),
            why: "it ended\nwith a long log".to_owned(),
        },
    ]);
    let tables = tables(&results).unwrap();
    for expected in [
        "Measured on 2026-11-25",
        "| steady: 10 rooms x 50, 20 updates/s each | 1.20 | 1.3 | met |  | 1.5 |  |",
        "| steady: 10 rooms x 50, 20 updates/s each | 2.00 |",
        "2 ms |  |  |  | 1.20 | 1 | **missed** |",
        "| steady | floor | 1 | 1.00 | 1.00 | 2.00 | 2.00 | 4.00 | 50.0 |",
        "- steady, y-sweet: closed connections",
        "- steady, y-sweet: in a run or more over 0.1 % of the deliveries are missing",
        "- idle, y-sweet: failed: it ended\n",
    ] {
        assert!(tables.contains(expected), "no {expected:?} in\n{tables}");
    }
    assert!(!tables.contains("long text:"));
}

#[test]
fn stuck_readers_are_charged_what_the_others_do_not_explain() {
    let mut stuck = run("stuck", "greenroom-memory", 1.5);
    stuck.resident_max_kib += 20 * 512;
    let results = results(vec![
        of_group(0, stuck),
        of_group(0, run("stuck-none", "greenroom-memory", 1.0)),
    ]);
    let of = |what: &str| {
        let row = OTHER.iter().find(|row| row.what.ends_with(what)).unwrap();
        row.figure.samples(&results, "greenroom-memory")
    };
    assert_eq!(of("MiB for each"), [0.5]);
    assert_eq!(of("ratio to none stuck"), [1.5]);
}

#[test]
fn the_page_keeps_what_stands_around() {
    let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
    let expected = format!("a\n{BEGIN}\nnew\n{END}\nb\n");
    assert_eq!(replaced(&page, "new\n"), Some(expected));
    assert_eq!(replaced("a", "new\n"), None);
}
