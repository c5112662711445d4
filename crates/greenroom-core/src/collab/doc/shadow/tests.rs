use std::collections::BTreeMap;

use bytes::BytesMut;
use proptest::prelude::*;
use yrs::{Doc, ReadTxn, Transact};

use super::*;
use crate::collab::doc::tests::{Step, any_edit, apply, document, play, session, text_edit};
use crate::collab::doc::update::tests::nested;
use crate::collab::doc::update::{CLIENTS_MAX, TYPE_NESTING_MAX, UpdateError};
use crate::protocol::lib0::put_var_uint;

/// What the engine's document knows, in comparable form.
#[derive(Debug, PartialEq)]
struct Known {
    clocks: Vec<(u64, u32)>,
    structs: Vec<(u64, u32, u32)>,
    deleted: IdSet,
    pending: (Option<Vec<u8>>, Option<IdSet>),
}

fn id_set(set: &yrs::IdSet) -> IdSet {
    let mut ids = IdSet::new();
    for (client, ranges) in set.iter() {
        for range in ranges.iter() {
            let entry = ids.entry(client.get()).or_default();
            entry.insert(range.start, range.end);
        }
    }
    ids
}

fn known(doc: &Doc) -> Known {
    let txn = doc.transact();
    let clocks: BTreeMap<_, _> = txn
        .state_vector()
        .iter()
        .filter(|(_, clock)| **clock > 0)
        .map(|(client, clock)| (client.get(), *clock))
        .collect();
    let pending = txn.store().pending_update();
    let state = txn.encode_diff_v1(&yrs::StateVector::default());
    let state = Digest::read(&state).expect("the engine's own");
    Known {
        structs: runs(&state),
        clocks: clocks.into_iter().collect(),
        deleted: id_set(&txn.snapshot().delete_set),
        pending: (
            pending.map(|pending| yrs::updates::encoder::Encode::encode_v1(&pending.update)),
            txn.store().pending_ds().map(id_set),
        ),
    }
}

/// The structs of a digest, as few ranges as possible.
fn runs(digest: &Digest) -> Vec<(u64, u32, u32)> {
    let mut runs: Vec<(u64, u32, u32)> = Vec::new();
    for (client, start, end) in digest.structs() {
        match runs.last_mut() {
            Some(last) if (last.0, last.2) == (client, start) => last.2 = end,
            _ => runs.push((client, start, end)),
        }
    }
    runs
}

/// Asserts that after each delivery the shadow knows what the engine knows.
fn check(
    steps: &[Step],
    order: &[prop::sample::Index],
    text_only: bool,
) -> Result<(), TestCaseError> {
    let updates = play(steps);
    let server = document(1);
    let mut shadow = Shadow::default();
    for index in order {
        if updates.is_empty() {
            return Ok(());
        }
        let update = index.get(&updates);
        let digest = Digest::read(update).expect("honest updates are read");
        let verdict = shadow.verdict(&digest);
        let was_waiting = shadow.has_pending();
        if was_waiting && verdict == Verdict::NoOp {
            // The engine (yrs 0.28.1) loses contents when what waits arrives again.
            continue;
        }
        let before = known(&server);
        apply(&server, update).expect("honest updates apply");
        shadow.apply(&digest);
        let after = known(&server);

        let clocks: Vec<_> = shadow.state_vector().iter().collect();
        prop_assert_eq!(&clocks, &after.clocks, "state vector");
        let structs: Vec<_> = shadow
            .known
            .iter()
            .flat_map(|(client, known)| known.ranges().map(|(start, end)| (*client, start, end)))
            .collect();
        prop_assert_eq!(&structs, &after.structs, "structs");
        prop_assert_eq!(
            shadow.has_pending(),
            after.pending.0.is_some() || after.pending.1.is_some(),
            "pending: {:?} {:?}",
            shadow,
            after
        );
        let mut deleted = IdSet::new();
        for (client, start, end) in shadow.deletions() {
            for (start, end) in clipped(&shadow, client, start, end) {
                deleted.entry(client).or_default().insert(start, end);
            }
        }
        for (client, ranges) in &deleted {
            for (start, end) in ranges.ranges() {
                prop_assert!(
                    intervals::covers(&after.deleted, *client, start, end),
                    "{client}: {start}..{end} is not deleted"
                );
            }
        }
        if text_only {
            prop_assert_eq!(&deleted, &after.deleted, "deletions");
            prop_assert_eq!(
                verdict == Verdict::NoOp,
                before == after,
                "no-op: {:?}",
                verdict
            );
        } else if verdict == Verdict::NoOp {
            prop_assert_eq!(&before, &after);
        }
        if verdict == Verdict::Ready && !was_waiting {
            prop_assert!(
                after.pending == (None, None),
                "ready, but {:?}",
                after.pending
            );
        }
        prop_assert!(!matches!(verdict, Verdict::Refused(_)));
    }
    if shadow.has_pending() {
        return Ok(());
    }
    check_reload(&shadow, &server)
}

/// The parts of a deletion whose structs are known.
fn clipped(shadow: &Shadow, client: u64, start: u32, end: u32) -> Vec<(u32, u32)> {
    let mut rest = Intervals::default();
    rest.insert(start, end);
    for (start, end) in intervals::gaps(&shadow.known, client, start, end) {
        rest.remove(start, end);
    }
    rest.ranges().collect()
}

/// The shadow of the engine's snapshot knows the same, and answers peers.
fn check_reload(shadow: &Shadow, server: &Doc) -> Result<(), TestCaseError> {
    let txn = server.transact();
    let snapshot = txn.encode_state_as_update_v1(&yrs::StateVector::default());
    let again = Shadow::of(&Digest::read(&snapshot).expect("snapshots are read"));
    prop_assert_eq!(again.state_vector(), shadow.state_vector(), "reloaded");
    prop_assert_eq!(again.has_pending(), shadow.has_pending(), "reloaded");
    let vector = StateVector::decode(&shadow.encode_state_vector()).expect("our own");
    prop_assert_eq!(&vector, &shadow.state_vector());
    prop_assert_eq!(
        shadow.covers(&vector),
        shadow.pending.is_empty() && shadow.known.values().all(Intervals::is_prefix)
    );
    let deletes = Digest::read(&shadow.delete_set_update()).expect("our own");
    let (ours, all): (Vec<_>, Vec<_>) =
        (deletes.deletions().collect(), shadow.deletions().collect());
    prop_assert_eq!(ours, all);
    prop_assert!(shadow.verdict(&deletes) == Verdict::NoOp);
    Ok(())
}

#[track_caller]
fn digest(update: &[u8]) -> Digest {
    Digest::read(update).expect("well-formed")
}

/// A text of client 5 in the root `t`, a map in it with an entry, an element of client 6 beside.
const TEXT: [u8; 13] = [1, 1, 5, 0, 4, 1, 1, b't', 3, b'a', b'b', b'c', 0];

#[test]
fn verdicts() {
    let mut shadow = Shadow::of(&digest(&TEXT));
    let check = |shadow: &Shadow, update: &[u8], expected| {
        assert_eq!(shadow.verdict(&digest(update)), expected, "{update:02x?}");
    };
    let (ready, pending) = (Verdict::Ready, Verdict::Pending);
    check(&shadow, &[0, 0], Verdict::NoOp);
    check(&shadow, &TEXT, Verdict::NoOp);
    check(&shadow, &[0, 1, 5, 1, 0, 3], ready);
    // Deletes what is not there; follows a gap; stands beside what is not there.
    check(&shadow, &[0, 1, 5, 1, 0, 4], pending);
    check(&shadow, &[1, 1, 5, 4, 0x84, 5, 2, 1, b'x', 0], pending);
    check(&shadow, &[1, 1, 6, 0, 0x84, 5, 3, 1, b'x', 0], pending);
    check(&shadow, &[1, 1, 6, 0, 0x84, 5, 2, 1, b'x', 0], ready);
    // Starts in what is known.
    check(
        &shadow,
        &[1, 1, 5, 2, 4, 1, 1, b't', 2, b'c', b'd', 0],
        ready,
    );
    // A parent that is a text element, one that is a map of the same update.
    check(
        &shadow,
        &[1, 1, 6, 0, 0x24, 0, 5, 1, 1, b'k', 1, b'x', 0],
        pending,
    );
    let map = [
        1, 2, 6, 0, 7, 1, 1, b'm', 1, 0x24, 0, 6, 0, 1, b'k', 1, b'x', 0,
    ];
    check(&shadow, &map, ready);
    // Two clients, each beside the other: nobody can be first.
    let cycle = [
        2, 1, 6, 0, 0x84, 7, 0, 1, b'x', 1, 7, 0, 0x84, 6, 0, 1, b'x', 0,
    ];
    check(&shadow, &cycle, pending);
    // Beside itself.
    check(&shadow, &[1, 1, 6, 0, 0x84, 6, 0, 1, b'x', 0], pending);
    // The higher client needs the lower, in the order of writing and against it.
    let forth = [
        2, 1, 7, 0, 0x84, 6, 0, 1, b'x', 1, 6, 0, 0x84, 5, 0, 1, b'x', 0,
    ];
    let back = [
        2, 1, 6, 0, 0x84, 5, 0, 1, b'x', 1, 7, 0, 0x84, 6, 0, 1, b'x', 0,
    ];
    check(&shadow, &forth, ready);
    check(&shadow, &back, ready);

    // Deleted, an element may be a parent: its children are collected with it.
    shadow.apply(&digest(&[0, 1, 5, 1, 1, 1]));
    check(
        &shadow,
        &[1, 1, 6, 0, 0x24, 0, 5, 1, 1, b'k', 1, b'x', 0],
        ready,
    );
}

#[test]
fn what_waits_is_set_free() {
    let mut shadow = Shadow::default();
    // Client 6 writes beside client 5's, and deletes one of it; neither is known.
    let beside = [1, 1, 6, 0, 0x84, 5, 2, 1, b'x', 1, 5, 1, 0, 1];
    shadow.apply(&digest(&beside));
    assert_eq!(shadow.pending_bytes(), beside.len() + 8);
    assert_eq!(shadow.verdict(&digest(&beside)), Verdict::NoOp);
    assert_eq!(shadow.encode_state_vector()[..], [0]);
    assert!(!shadow.covers(&StateVector::default()));
    // What others wait for takes the slow path; what nobody waits for does not.
    assert_eq!(shadow.verdict(&digest(&TEXT)), Verdict::Pending);
    let other = [1, 1, 9, 0, 4, 1, 1, b't', 1, b'a', 0];
    assert_eq!(shadow.verdict(&digest(&other)), Verdict::Ready);

    shadow.apply(&digest(&TEXT));
    assert_eq!((shadow.has_pending(), shadow.pending_bytes()), (false, 0));
    assert_eq!(shadow.encode_state_vector()[..], [2, 6, 1, 5, 3]);
    assert_eq!(shadow.delete_set_update()[..], [0, 1, 5, 1, 0, 1]);
    let peer = |clock| StateVector::from_iter([(5, clock), (6, 1), (7, 100)]);
    assert!(shadow.covers(&peer(3)));
    assert!(!shadow.covers(&peer(2)));
}

#[test]
fn clients_do_not_exceed_the_limit() {
    let clients = |clients: std::ops::Range<usize>| {
        let mut update = BytesMut::new();
        put_var_uint(&mut update, clients.len() as u64);
        for client in clients {
            update.extend([1]);
            put_var_uint(&mut update, client as u64);
            update.extend([0, 0, 1]);
        }
        update.extend([0]);
        digest(&update)
    };
    let mut shadow = Shadow::of(&clients(0..CLIENTS_MAX - 1));
    let one_more = clients(CLIENTS_MAX..CLIENTS_MAX + 1);
    let two_more = clients(CLIENTS_MAX..CLIENTS_MAX + 2);
    let refused = Verdict::Refused(UpdateError::Clients);
    assert_eq!(shadow.verdict(&two_more), refused);
    assert_eq!(shadow.verdict(&one_more), Verdict::Ready);
    shadow.apply(&one_more);
    assert_eq!(shadow.verdict(&two_more), refused);
    // Who is known goes on.
    assert_eq!(
        shadow.verdict(&digest(&[1, 1, 5, 1, 0, 1, 0])),
        Verdict::Ready
    );
}

#[test]
fn types_do_not_nest_beyond_the_limit() {
    let max = usize::from(TYPE_NESTING_MAX);
    let mut shadow = Shadow::default();
    let half = nested(max / 2);
    shadow.apply(&digest(&half));
    // The other half inside of the innermost, by another client.
    let inner = |types: usize, first_parent: u32| {
        let mut update = BytesMut::new();
        put_var_uint(&mut update, 1);
        put_var_uint(&mut update, types as u64);
        update.extend([6, 0, 7, 0, 5]);
        put_var_uint(&mut update, first_parent.into());
        update.extend([1]);
        for parent in 0..types as u64 - 1 {
            update.extend([7, 0, 6]);
            put_var_uint(&mut update, parent);
            update.extend([1]);
        }
        update.extend([0]);
        digest(&update)
    };
    let last = max as u32 / 2 - 1;
    assert_eq!(shadow.verdict(&inner(max / 2, last)), Verdict::Ready);
    assert_eq!(
        shadow.verdict(&inner(max / 2 + 2, last)),
        Verdict::Refused(UpdateError::Nested)
    );
    // As many types further out are fine, though their number alone could be too deep.
    assert_eq!(shadow.verdict(&inner(max / 2 + 2, 0)), Verdict::Ready);
    // What has no place yet counts as if each lay in the other.
    assert_eq!(
        shadow.verdict(&inner(max / 2 - 2, last + 1)),
        Verdict::Pending
    );
    assert_eq!(
        shadow.verdict(&inner(max / 2 + 2, last + 1)),
        Verdict::Refused(UpdateError::Nested)
    );
    shadow.apply(&inner(max / 2 - 2, last + 1));
    let more = [1, 3, 8, 0, 7, 0, 9, 0, 1, 7, 0, 8, 0, 1, 7, 0, 8, 1, 1, 0];
    assert_eq!(
        shadow.verdict(&digest(&more)),
        Verdict::Refused(UpdateError::Nested)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn follows_the_engine_in_text(
        steps in session(text_edit()),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        check(&steps, &order, true)?;
    }

    #[test]
    fn follows_the_engine_in_everything(
        steps in session(any_edit()),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        check(&steps, &order, false)?;
    }

    #[test]
    fn is_ready_in_the_order_of_sending(steps in session(any_edit())) {
        let mut shadow = Shadow::default();
        for update in play(&steps) {
            let digest = Digest::read(&update).expect("honest updates are read");
            prop_assert!(matches!(shadow.verdict(&digest), Verdict::Ready | Verdict::NoOp));
            shadow.apply(&digest);
            prop_assert_eq!(shadow.verdict(&digest), Verdict::NoOp);
            prop_assert!(!shadow.has_pending());
            prop_assert_eq!(shadow.pending_bytes(), 0);
        }
    }
}

#[test]
fn a_struct_that_is_known_does_not_come_again_as_deleted() {
    let live = [1, 1, 1, 0, 4, 1, 1, b't', 2, b'a', b'b', 0];
    let as_deleted = [1, 1, 1, 0, 1, 1, 1, b't', 1, 0];
    let as_gone = [1, 1, 1, 0, 0, 2, 0];
    for again in [&as_deleted[..], &as_gone] {
        let digest = Digest::read(again).unwrap();
        let mut shadow = Shadow::of(&Digest::read(&live).unwrap());
        assert_eq!(shadow.verdict(&digest), Verdict::NoOp, "it is not relayed");
        shadow.apply(&digest);
        assert_eq!(shadow.deletions().count(), 0);
        // And so it is in the engine.
        let server = document(1);
        for update in [&live[..], again] {
            apply(&server, update).unwrap();
        }
        assert_eq!(known(&server).deleted, IdSet::new());
    }
}

#[test]
fn a_parent_that_the_same_update_deletes_is_none_before() {
    // A text at (1, 0); then an element that says it lies in that text's first character, which the
    // update deletes as well: the engine deletes last.
    let text = [1, 1, 1, 0, 4, 1, 1, b't', 1, b'a', 0];
    let within = [1, 1, 2, 0, 8, 0, 1, 0, 1, 0x7e, 1, 1, 1, 0, 1];
    let digest = Digest::read(&within).unwrap();
    let mut shadow = Shadow::of(&Digest::read(&text).unwrap());
    assert_eq!(shadow.verdict(&digest), Verdict::Pending);
    // Once it is deleted, it may be a parent.
    shadow.apply(&Digest::read(&[0, 1, 1, 1, 0, 1]).unwrap());
    assert_eq!(shadow.verdict(&digest), Verdict::Ready);
    let server = document(1);
    apply(&server, &text).unwrap();
    apply(&server, &[0, 1, 1, 1, 0, 1]).unwrap();
    apply(&server, &within).unwrap();
}
