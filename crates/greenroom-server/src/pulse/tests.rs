use super::*;

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[test]
fn a_silent_peer_is_pinged_and_then_dead() {
    let start = Instant::now();
    let mut pulse = Pulse::new(&Limits::default(), start, None);
    let wrote = |ms| at(start, ms);
    assert_eq!(pulse.beat(at(start, 29_999), wrote(29_999)), Beat::None);
    assert_eq!(pulse.beat(at(start, 30_000), wrote(30_000)), Beat::Ping);
    assert_eq!(pulse.beat(at(start, 30_001), wrote(30_001)), Beat::None);
    assert_eq!(pulse.beat(at(start, 60_000), wrote(60_000)), Beat::Dead);
}

#[test]
fn any_frame_is_life() {
    let start = Instant::now();
    let mut pulse = Pulse::new(&Limits::default(), start, None);
    pulse.heard(at(start, 59_000));
    assert_eq!(pulse.beat(at(start, 61_000), at(start, 61_000)), Beat::None);
    assert!(pulse.next() <= at(start, 89_000));
}

#[test]
fn a_peer_hears_a_message_before_its_watchdog_bites() {
    let start = Instant::now();
    let mut pulse = Pulse::new(&Limits::default(), start, None);
    assert_eq!(pulse.beat(at(start, 20_000), start), Beat::KeepAlive);
    assert_eq!(pulse.beat(at(start, 25_000), start), Beat::None);
    pulse.heard(at(start, 39_000));
    assert_eq!(pulse.beat(at(start, 40_000), start), Beat::KeepAlive);
}

#[test]
fn expiry_comes_first() {
    let start = Instant::now();
    let mut pulse = Pulse::new(&Limits::default(), start, Some(at(start, 500)));
    assert_eq!(pulse.next(), at(start, 500));
    assert_eq!(pulse.beat(at(start, 500), start), Beat::Expired);
}

#[test]
fn excess_delays_and_idleness_pays_back() {
    let start = Instant::now();
    let limits = Limits {
        messages_per_s_max: 10,
        messages_burst_max: 2,
        ..Limits::default()
    };
    let mut pulse = Pulse::new(&limits, start, None);
    assert_eq!(pulse.spend(start), None);
    assert_eq!(pulse.spend(start), None);
    assert_eq!(pulse.spend(start), Some(Duration::from_millis(100)));
    assert_eq!(pulse.spend(at(start, 1_000)), None);
}

#[test]
fn each_beat_is_as_its_limit_says() {
    let start = Instant::now();
    let limits = Limits {
        ping_interval_ms: 300,
        peer_dead_ms: 500,
        yjs_keep_alive_ms: 200,
        ..Limits::default()
    };
    let mut pulse = Pulse::new(&limits, start, None);
    let mut beats = Vec::new();
    for ms in (0..=500).step_by(50) {
        match pulse.beat(at(start, ms), start) {
            Beat::None => {}
            beat => beats.push((ms, beat)),
        }
    }
    let expected = [
        (200, Beat::KeepAlive),
        (300, Beat::Ping),
        (400, Beat::KeepAlive),
        (500, Beat::Dead),
    ];
    assert_eq!(beats, expected);
}
