//! The awareness table, without a room.

use super::*;

const START: Millis = Millis(1_000_000);

/// A table with sessions of users: session `n` belongs to the user of that number in `users`.
struct Table {
    table: Awareness,
    users: Vec<&'static str>,
    limits: Limits,
    now: Millis,
}

fn table(users: &[&'static str]) -> Table {
    Table {
        table: Awareness::default(),
        users: users.to_vec(),
        limits: Limits::default(),
        now: START,
    }
}

fn entry((client, clock, state): (u64, u64, &'static str)) -> AwarenessEntry {
    let state = (state != "null").then(|| Bytes::from_static(state.as_bytes()));
    AwarenessEntry {
        client,
        clock,
        state,
    }
}

impl Table {
    /// Session `session` announces these; gives what is told to everybody.
    fn announce(
        &mut self,
        session: usize,
        entries: &[(u64, u64, &'static str)],
    ) -> Vec<(u64, u64, String)> {
        let entries: Vec<_> = entries.iter().copied().map(entry).collect();
        let sender = self.users[session];
        let id = SessionId(session as u64);
        let told = self
            .table
            .announce(self.now, id, &entries, &self.limits, sender);
        self.told(&told)
    }

    fn leave(&mut self, session: usize) -> Vec<(u64, u64, String)> {
        let told = self.table.leave(self.now, SessionId(session as u64));
        self.told(&told)
    }

    fn advance(&mut self, ms: u64) -> Vec<(u64, u64, String)> {
        self.now = self.now.plus(ms);
        let due = self.table.poll_timeout().is_some_and(|at| at <= self.now);
        let told = if due {
            self.table.expire(self.now)
        } else {
            vec![]
        };
        self.told(&told)
    }

    /// These clients as they are encoded: read back by our own reader.
    fn told(&self, clients: &[u64]) -> Vec<(u64, u64, String)> {
        let encoded = self.table.encode(clients);
        let entries = read_awareness(&encoded, &self.limits).expect("what we write we read");
        let text = |state: Option<Bytes>| {
            state.map_or("null".into(), |s| String::from_utf8(s.to_vec()).unwrap())
        };
        entries
            .into_iter()
            .map(|e| (e.client, e.clock, text(e.state)))
            .collect()
    }

    fn present(&self) -> Vec<u64> {
        self.table.present().collect()
    }
}

/// Asserts what is told.
#[track_caller]
fn check(told: Vec<(u64, u64, String)>, expected: &[(u64, u64, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(c, n, s)| (*c, *n, (*s).to_owned()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn the_rule_of_clocks() {
    // After (1, 5, "{}") by its owner: what it sends next, and whether it is told.
    let cases = [
        ((1, 6, "{}"), true),
        ((1, 5, "{}"), false),
        ((1, 4, "{}"), false),
        ((1, 5, "null"), true),
        ((1, 6, "null"), true),
        ((1, 4, "null"), false),
    ];
    for (next, is_told) in cases {
        let mut t = table(&["ada"]);
        check(t.announce(0, &[(1, 5, "{}")]), &[(1, 5, "{}")]);
        let told = t.announce(0, &[next]);
        check(
            told,
            if is_told {
                std::slice::from_ref(&next)
            } else {
                &[]
            },
        );
    }
}

#[test]
fn a_first_state_with_clock_0_counts_and_a_first_removal_does_not() {
    let mut t = table(&["ada"]);
    check(t.announce(0, &[(1, 0, "{}")]), &[(1, 0, "{}")]);
    check(t.announce(0, &[(2, 7, "null")]), &[]);
    assert_eq!(t.present(), [1]);
}

#[test]
fn an_echo_changes_nothing_and_makes_no_owner() {
    let mut t = table(&["ada", "bob"]);
    t.announce(0, &[(1, 5, "{}")]);
    t.announce(1, &[(2, 0, "{}")]);
    check(t.announce(1, &[(1, 5, "{}")]), &[]);
    // Nor does an entry of another with a higher clock, nor its removal.
    check(t.announce(1, &[(1, 9, "{}")]), &[]);
    check(t.announce(1, &[(1, 5, "null")]), &[]);
    check(
        t.announce(1, &[(1, 9, "null"), (2, 1, "{}")]),
        &[(2, 1, "{}")],
    );
    check(t.leave(1), &[(2, 1, "null")]);
    check(t.leave(0), &[(1, 5, "null")]);
}

#[test]
fn an_echo_of_somebody_who_is_gone_does_not_bring_it_back() {
    let mut t = table(&["ada", "bob"]);
    t.announce(0, &[(1, 5, "{}")]);
    t.announce(1, &[(2, 0, "{}")]);
    t.leave(0);
    check(t.announce(1, &[(1, 5, "{}")]), &[]);
    assert_eq!(t.present(), [2]);
}

#[test]
fn a_new_connection_claims_its_client_alone_and_first() {
    // What a new session sends first, when client 1 left with clock 5; and what is told.
    type Entries = &'static [(u64, u64, &'static str)];
    let cases: [(Entries, Entries); 5] = [
        (&[(1, 5, "{}")], &[(1, 6, "{}")]),
        (&[(1, 3, "{}")], &[(1, 6, "{}")]),
        (&[(1, 7, "{}")], &[(1, 7, "{}")]),
        (&[(1, 5, "null")], &[]),
        // Two at once: one of them is an echo, nobody knows which.
        (&[(1, 5, "{}"), (2, 0, "{}")], &[(2, 0, "{}")]),
    ];
    for (sent, told) in cases {
        let mut t = table(&["ada", "ada"]);
        t.announce(0, &[(1, 5, "{}")]);
        t.leave(0);
        check(t.announce(1, sent), told);
    }
}

#[test]
fn a_half_open_connection_is_taken_over() {
    let mut t = table(&["ada", "ada", "eve"]);
    t.announce(0, &[(1, 5, "{}")]);
    // Another user cannot.
    check(t.announce(2, &[(1, 6, "{}")]), &[]);
    // The same can: with the clock that everybody knows there is nothing to tell.
    check(t.announce(1, &[(1, 5, "{}")]), &[]);
    check(t.leave(0), &[]);
    check(t.announce(1, &[(1, 6, "{}")]), &[(1, 6, "{}")]);
    check(t.leave(1), &[(1, 6, "null")]);
}

#[test]
fn a_taken_over_client_is_told_when_its_clock_is_new() {
    let mut t = table(&["ada", "ada"]);
    t.announce(0, &[(1, 5, "{}")]);
    check(t.announce(1, &[(1, 6, "{}")]), &[(1, 6, "{}")]);
    check(t.leave(0), &[]);
    assert_eq!(t.present(), [1]);
}

#[test]
fn one_that_was_removed_by_its_owner_and_comes_back() {
    let mut t = table(&["ada", "ada"]);
    t.announce(0, &[(1, 5, "{}")]);
    check(t.announce(0, &[(1, 6, "null")]), &[(1, 6, "null")]);
    check(t.leave(0), &[]);
    check(t.announce(1, &[(1, 5, "{}")]), &[(1, 7, "{}")]);
}

#[test]
fn states_expire_and_tombstones_are_forgotten() {
    let mut t = table(&["ada", "bob"]);
    t.announce(0, &[(1, 5, "{}")]);
    check(t.advance(20_000), &[]);
    t.announce(1, &[(2, 0, "{}")]);
    check(t.advance(9_999), &[]);
    check(t.advance(1), &[(1, 5, "null")]);
    // It renews late: seen again, with the clock that it has by then.
    check(t.announce(0, &[(1, 6, "{}")]), &[(1, 6, "{}")]);
    check(t.advance(20_000), &[(2, 0, "null")]);
    check(t.advance(10_000), &[(1, 6, "null")]);
    t.leave(0);
    t.leave(1);
    check(t.advance(60_000), &[]);
    assert!(t.table.is_empty());
    assert_eq!(t.table.poll_timeout(), None);
}

#[test]
fn a_forgotten_client_that_renews_is_new() {
    let mut t = table(&["ada"]);
    t.announce(0, &[(1, 5, "{}")]);
    t.advance(30_000);
    t.advance(60_000);
    check(t.announce(0, &[(1, 9, "{}")]), &[(1, 9, "{}")]);
    check(t.leave(0), &[(1, 9, "null")]);
}

#[test]
fn a_session_and_a_table_have_limits() {
    let mut t = table(&["ada", "bob"]);
    t.limits.awareness_owned_max = 2;
    t.limits.awareness_table_max = 3;
    let three = [(1, 0, "{}"), (2, 0, "{}"), (3, 0, "{}")];
    check(t.announce(0, &three), &three[..2]);
    check(
        t.announce(1, &[(4, 0, "{}"), (5, 0, "{}")]),
        &[(4, 0, "{}")],
    );
    let hits = t.table.take_hits();
    let met: Vec<_> = hits.limits().collect();
    assert_eq!(
        met,
        [("awareness_owned_max", 1), ("awareness_table_max", 1)]
    );
    assert!(t.table.take_hits().is_empty());
    // A place is free when somebody was forgotten.
    t.leave(0);
    t.advance(60_000);
    check(t.announce(1, &[(5, 0, "{}")]), &[(5, 0, "{}")]);
}

#[test]
fn what_a_newer_state_replaced_is_counted() {
    let mut t = table(&["ada"]);
    t.table.changed([1, 2]);
    t.table.changed([2, 3]);
    assert_eq!(t.table.take_hits().coalesced(), 1);
    assert!(t.table.tell(t.now, 1, &t.limits).is_some());
    t.table.changed([2]);
    assert!(t.table.take_hits().is_empty());
}

#[test]
fn the_pause_is_the_tick_or_what_the_hearers_take_of_the_bandwidth() {
    let pause = |hearers: usize, tick_ms: u64, bytes_per_s: usize| {
        let mut t = table(&["ada"]);
        t.limits.presence_tick_ms = tick_ms;
        t.limits.presence_bytes_per_s_max = bytes_per_s;
        t.announce(0, &[(1, 0, "{}")]);
        t.table.changed([1]);
        let told = t.table.tell(t.now, hearers, &t.limits).unwrap();
        t.table.changed([1]);
        let due = t.table.poll_timeout().unwrap();
        (due.since(t.now), (told.len() * hearers) as u64)
    };
    assert_eq!(pause(1, 25, 1_000_000).0, 25);
    let (waited, bytes) = pause(100, 25, 1_000);
    assert_eq!(waited, bytes);
    assert!(waited > 25, "{waited}");
}

#[test]
fn updates_are_read_with_limits() {
    let limits = Limits {
        awareness_entries_max: 2,
        awareness_state_bytes_max: 10,
        ..Limits::default()
    };
    let read = |bytes: &'static [u8]| {
        read_awareness(&Bytes::from_static(bytes), &limits).map(|all| all.len())
    };
    assert_eq!(read(b"\x00"), Ok(0));
    assert_eq!(read(b"\x01\x07\x00\x02{}"), Ok(1));
    assert_eq!(read(b"\x01\x07\x00\x04null"), Ok(1));
    assert_eq!(read(b"\x01\x07\x00\x04 {} "), Ok(1), "as JSON.parse does");
    let cases: [(&[u8], _); 11] = [
        (b"", CloseReason::Malformed),
        (b"\x01", CloseReason::Malformed),
        (b"\x01\x07\x00\x03{}", CloseReason::Malformed),
        (b"\x01\x07\x00\x02{}x", CloseReason::Malformed),
        (b"\x01\x07\x00\x02[]", CloseReason::Malformed),
        (b"\x01\x07\x00\x04true", CloseReason::Malformed),
        (b"\x01\x07\x00\x01{", CloseReason::Malformed),
        (b"\x01\x07\x00\x02\xff\xff", CloseReason::Malformed),
        (b"\xff\xff\xff\x7f", CloseReason::Malformed),
        (
            b"\x03\x01\x00\x02{}\x02\x00\x02{}\x03\x00\x02{}",
            CloseReason::TooLarge,
        ),
        (b"\x01\x07\x00\x0b{\"a\":12345}", CloseReason::TooLarge),
    ];
    for (bytes, reason) in cases {
        assert_eq!(
            read_awareness(&Bytes::from_static(bytes), &limits),
            Err(reason),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn an_echo_revives_nobody_and_keeps_no_author_out() {
    let mut t = table(&["ann", "silent", "ann"]);
    t.announce(0, &[(1, 5, "{}")]);
    check(t.leave(0), &[(1, 5, "null")]);
    // It heard of the entry before, has none of its own, and tells what it heard.
    check(t.announce(1, &[(1, 5, "{}")]), &[]);
    check(t.announce(2, &[(1, 7, "{}")]), &[(1, 7, "{}")]);
}
