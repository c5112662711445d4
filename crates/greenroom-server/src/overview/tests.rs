use greenroom_service::RoomId;

use super::attention::Found;
use super::sample::{Counts, Sample, What, quantile};
use super::{Latency, Looks, Overview, Point, ProcessFigures, StoreFigures, Troubles};

fn well() -> Overview {
    Overview {
        version: "0",
        mode: "serve",
        uptime_s: 60,
        ready: true,
        attention: Vec::new(),
        window_s: 60,
        connections: Vec::new(),
        sessions: 0,
        rooms_stored: 0,
        rooms_loaded: 0,
        busiest: Vec::new(),
        ack: Latency {
            p50_ms: Some(1.0),
            p99_ms: Some(9.0),
            count: 1_000,
        },
        lag: Latency {
            p50_ms: Some(0.1),
            p99_ms: Some(2.0),
            count: 1_000,
        },
        store: StoreFigures {
            level: "local",
            commit_window_ms: 100,
            bytes: Vec::new(),
            free_bytes: Some(1 << 40),
            free_min_bytes: Some(1 << 30),
        },
        process: ProcessFigures {
            cpu: 0.1,
            resident_bytes: 1,
            open_fds: 10,
            max_fds: 1_024,
        },
        series: Vec::new(),
    }
}

fn found(overview: &Overview) -> Found<'_> {
    Found {
        overview,
        reasons: &[],
        counts: Counts::default(),
        troubles: Vec::new(),
        clock_offset_s: 0.0,
        is_open_to_strangers: false,
        forgets: false,
        now_ms: 100_000,
    }
}

/// `level code room` of each.
fn check(found: &Found<'_>, expected: &[&str]) {
    let json = serde_json::to_value(found.attention()).unwrap();
    let all = json.as_array().unwrap().iter().map(|one| {
        for said in ["title", "detail"] {
            assert!(!one[said].as_str().unwrap().is_empty(), "{one}");
        }
        let room = one["room"].as_str().map(|room| format!(" {room}"));
        format!(
            "{} {}{}",
            one["level"].as_str().unwrap(),
            one["code"].as_str().unwrap(),
            room.unwrap_or_default()
        )
    });
    assert_eq!(all.collect::<Vec<_>>(), expected);
}

#[test]
fn nothing_needs_attention_when_all_is_well() {
    check(&found(&well()), &[]);
}

#[test]
fn what_does_not_work_comes_before_what_soon_will_not() {
    let mut overview = well();
    overview.store.free_bytes = Some(2 << 30);
    overview.ack.p99_ms = Some(2_000.0);
    overview.lag.p99_ms = Some(500.0);
    overview.process.open_fds = 1_000;
    let mut found = found(&overview);
    let reasons = ["store read-only: the disk said no".to_owned()];
    found.reasons = &reasons;
    found.clock_offset_s = -60.0;
    found.is_open_to_strangers = true;
    found.forgets = true;
    for (what, label) in [
        (What::Limit, "messages_per_s_max"),
        (What::NotLetIn, "expired"),
        (What::Origin, "origin"),
        (What::StoreRefused, "full"),
        (What::Fault, "service"),
    ] {
        found.counts.put(what, label, 7);
    }
    let troubles = Troubles::default();
    troubles.note(&RoomId::new("bad").unwrap(), "quarantined", 99_000);
    found.troubles = troubles.since(0);
    check(
        &found,
        &[
            "error not_ready",
            "error room_trouble bad",
            "error store_refused",
            "error open_access",
            "warning room_fault",
            "warning disk_low",
            "warning in_memory",
            "warning not_let_in",
            "warning origin",
            "warning limit",
            "warning slow_store",
            "warning busy",
            "warning descriptors",
            "warning clock",
        ],
    );
}

#[test]
fn one_slow_write_of_a_few_says_nothing_of_one_in_a_hundred() {
    let mut overview = well();
    overview.ack.p99_ms = Some(2_000.0);
    overview.ack.count = 99;
    check(&found(&overview), &[]);
}

#[test]
fn a_few_expired_tokens_are_everyday() {
    let overview = well();
    let mut found = found(&overview);
    found.counts.put(What::NotLetIn, "expired", 4);
    check(&found, &[]);
}

#[test]
fn only_what_grew_since_counts() {
    let mut before = Counts::default();
    before.put(What::Limit, "a", 3);
    before.put(What::Limit, "b", 1);
    let mut now = before.clone();
    now.put(What::Limit, "a", 2);
    now.put(What::Limit, "c", 1);
    let grown = now.since(&before);
    let grown: Vec<_> = grown.of(What::Limit).collect();
    assert_eq!(grown, [("a", 2), ("c", 1)]);
}

#[test]
fn a_quantile_lies_within_its_bucket() {
    let bounds = [1.0, 2.0, 4.0];
    assert_eq!(quantile(&bounds, &[0, 0, 0, 0], 0.5), None);
    assert_eq!(quantile(&bounds, &[10, 0, 0, 0], 0.5), Some(0.5));
    assert_eq!(quantile(&bounds, &[0, 10, 10, 0], 0.75), Some(3.0));
    assert_eq!(quantile(&bounds, &[0, 0, 0, 5], 0.99), Some(4.0));
}

#[test]
fn looks_are_bounded_and_give_rates() {
    let looks = Looks::default();
    for n in 0..200 {
        looks.keep(Sample {
            at_ms: n * 10_000,
            sent: n * 50,
            received: n * 20,
            connections: n,
            ..Sample::default()
        });
    }
    let all = looks.with(Sample {
        at_ms: 1_990_100,
        ..Sample::default()
    });
    assert_eq!(all.len(), super::LOOKS_MAX + 1);
    let points: Vec<_> = all.windows(2).filter_map(Point::between).collect();
    assert_eq!(points.len(), super::LOOKS_MAX - 1, "the last is too short");
    let last = points.last().unwrap();
    assert_eq!(
        (last.sent_per_s, last.received_per_s, last.connections),
        (5.0, 2.0, 199)
    );
}

#[test]
fn a_room_is_in_trouble_once_and_the_last_ones_are_kept() {
    let troubles = Troubles::default();
    let room = |n: u64| RoomId::new(&n.to_string()).unwrap();
    for n in 0..100 {
        troubles.note(&room(n), "quarantined", n);
    }
    troubles.note(&room(99), "store_failed", 200);
    let all = troubles.since(0);
    assert_eq!((all.len(), all[0].at_ms, all[1].at_ms), (32, 200, 98));
    assert_eq!(troubles.since(98).len(), 2);
}
