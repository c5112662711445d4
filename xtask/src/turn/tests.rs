use super::*;

fn cost(instructions: u64) -> Cost {
    Cost {
        workload: "update-2".to_owned(),
        instructions,
    }
}

#[test]
fn five_per_cent_hold_and_more_does_not() {
    let judged = |now| judge(&cost(10_000), &cost(now));
    assert_eq!(judged(10_000), Verdict::Holds);
    assert_eq!(judged(10_500), Verdict::Holds);
    assert_eq!(judged(10_501), Verdict::Dearer);
    assert_eq!(judged(9_500), Verdict::Holds);
    assert_eq!(judged(9_499), Verdict::Cheaper);
}

#[test]
fn both_numbers_are_told() {
    assert_eq!(
        describe(&cost(10_000), &cost(10_600)),
        "update-2          10600 instructions a turn, baseline     10000 (+6.0 %)"
    );
}

#[test]
fn a_baseline_is_read_as_it_was_written() {
    let costs = [cost(10_000), cost(1)];
    let text = format_baseline(&costs);
    assert_eq!(parse_baseline(&text).unwrap(), costs);
    for broken in ["update-2", "update-2 many", "update-2 0"] {
        let error = parse_baseline(broken).unwrap_err().to_string();
        assert_eq!(error, format!("not `WORKLOAD COUNT`: {broken:?}"));
    }
}

#[test]
fn the_count_is_found_in_what_callgrind_tells() {
    let told = "==7== Events    : Ir\n==7== Collected : 18106737\n==7== \n";
    assert_eq!(collected(told), Some(18_106_737));
    assert_eq!(collected("valgrind: cannot execute\n"), None);
}
