use bytes::BytesMut;
use proptest::prelude::*;
use yrs::{ReadTxn, Transact};

use super::*;
use crate::collab::doc::shadow::{Shadow, Verdict};
use crate::collab::doc::tests::{any_edit, apply, document, play, session};
use crate::collab::doc::update::tests::nested;
use crate::collab::doc::update::{CLIENTS_MAX, ENGINE_STACK_BYTES, TYPE_NESTING_MAX};
use crate::protocol::lib0::{ReadError, put_var_uint};

#[test]
fn refuses_the_known_poison() {
    let refused = |bytes: &[u8]| check_update(Bytes::copy_from_slice(bytes)).map(drop);
    // 28 bytes after which yrs 0.28.1 cannot write the document any more. They live from the kind
    // JSON, which the engine reads one element too far; read rightly there are bytes left over.
    let pill = [
        0x01, 0x01, 0xd0, 0xd8, 0x3b, 0xd8, 0x0b, 0x02, 0x04, 0x01, 0x25, 0, 0, 0, 0, 0, 0, 0x06,
        0x01, 0x36, 0xd8, 0xc7, 0xd1, 0x0b, 0x03, 0xd8, 0x8e,
    ];
    assert_eq!(
        refused(&pill),
        Err(GateError::Update(UpdateError::Trailing))
    );
    // 7 bytes that claim 33 million clients.
    let bomb = [0x98, 0xf8, 0xff, 0x7f, 0x01, 0x05, 0x00];
    let claimed = GateError::Update(UpdateError::Read(ReadError::End));
    assert_eq!(refused(&bomb), Err(claimed));
}

#[test]
fn the_engine_tries_what_is_not_plain() {
    let refused = |bytes: &[u8]| check_update(Bytes::copy_from_slice(bytes)).map(drop);
    let format = |json: &[u8]| {
        let mut update = vec![1, 1, 5, 0, 6, 1, 1, b't', 1, b'b', json.len() as u8];
        update.extend(json);
        update.push(0);
        refused(&update)
    };
    assert_eq!(format(br#"{"a":[1,"\n"]}"#), Ok(()));
    assert_eq!(format(b"null"), Ok(()));
    assert_eq!(format(b"nul"), Err(GateError::Engine));
    assert_eq!(format("[".repeat(127).as_bytes()), Err(GateError::Engine));
    let json_kind = [1, 1, 5, 0, 2, 1, 1, b't', 1, 1, b'1', 0];
    assert_eq!(refused(&json_kind), Err(GateError::Unsupported));
}

/// What the engine thinks of an update that our reader calls plain.
fn engine_accepts(update: &[u8], digest: &Digest) -> Result<(), TestCaseError> {
    prop_assert!(engine_agrees(update, digest), "{update:02x?} {digest:?}");
    let decoded = Update::decode_v1(update).expect("agreed");
    let mut deletes = std::collections::BTreeSet::new();
    for (client, start, end) in digest.deletions() {
        deletes.extend((start..end).take(1_000).map(|clock| (client, clock)));
    }
    for (client, ranges) in decoded.delete_set().iter() {
        for range in ranges.iter() {
            let clocks = range.clone().take(1_000);
            let mut ids = clocks.map(|clock| (client.get(), clock));
            prop_assert!(ids.all(|id| deletes.contains(&id)), "{update:02x?}");
        }
    }
    Ok(())
}

/// Changes, cuts and doubles bytes.
fn mutate(update: &mut Vec<u8>, mutations: &[(prop::sample::Index, u8, u8)]) {
    for (at, kind, byte) in mutations {
        if update.is_empty() {
            return;
        }
        let at = at.index(update.len());
        match kind % 5 {
            0 => update[at] = *byte,
            1 => update[at] ^= 1 << (byte % 8),
            2 => update.insert(at, *byte),
            3 => drop(update.remove(at)),
            _ => update[at] = update[at].wrapping_add(1),
        }
    }
}

type Mutations = Vec<(prop::sample::Index, u8, u8)>;

fn mutations() -> impl Strategy<Value = Vec<Mutations>> {
    let one = (any::<prop::sample::Index>(), any::<u8>(), any::<u8>());
    prop::collection::vec(prop::collection::vec(one, 1..4), 40)
}

/// The deepest and the widest updates that pass do not end the process: what the engine does
/// recursively fits the stack that we ask for.
#[test]
fn the_engine_survives_the_limits() {
    let thread = std::thread::Builder::new().stack_size(ENGINE_STACK_BYTES);
    let limits = thread.spawn(apply_the_limits).expect("a thread");
    limits.join().expect("survives");
}

fn apply_the_limits() {
    let server = document(1);
    let empty = document(1);
    let nested = nested(usize::from(TYPE_NESTING_MAX) + 1);
    check_update(Bytes::from(nested.clone())).expect("at the limit");
    apply(&server, &nested).expect("well-formed");
    apply(&server, &[0, 1, 5, 1, 0, 1]).expect("deletes the outermost");

    // Each client's struct stands to the right of the next lower client's; the lowest is missing.
    let chain = |first: u64| {
        let mut update = BytesMut::new();
        let clients = CLIENTS_MAX as u64 - 1;
        put_var_uint(&mut update, clients);
        for client in first..first + clients {
            update.extend([1]);
            put_var_uint(&mut update, client);
            update.extend([0, 0x84]);
            put_var_uint(&mut update, client - 1);
            update.extend([0, 1, b'x']);
        }
        update.extend([0]);
        update.freeze()
    };
    let update = check_update(chain(101)).expect("at the limit");
    let mut shadow = Shadow::default();
    assert_eq!(shadow.verdict(&update.digest), Verdict::Pending);
    shadow.apply(&update.digest);
    assert_eq!(shadow.pending_bytes(), update.bytes.len());
    apply(&server, &update.bytes).expect("well-formed");
    let cause = check_update(Bytes::from_static(&[
        1, 1, 100, 0, 4, 1, 1, b't', 1, b'x', 0,
    ]));
    let cause = cause.expect("well-formed");
    apply(&server, &cause.bytes).expect("well-formed");
    assert_eq!(shadow.verdict(&cause.digest), Verdict::Pending);
    shadow.apply(&cause.digest);
    assert!(!shadow.has_pending());
    assert!(!server.transact().has_missing_updates());
    assert_eq!(shadow.state_vector().iter().len(), CLIENTS_MAX);
    // Its snapshot, which brings all at once.
    let snapshot = server
        .transact()
        .encode_state_as_update_v1(&yrs::StateVector::default());
    apply(&empty, &snapshot).expect("well-formed");
    assert!(!empty.transact().has_missing_updates());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// 10,000 mutations of real updates. What our reader calls plain the engine reads as we do,
    /// and what is causally ready it integrates: this is why plain updates need no round trip.
    #[test]
    fn what_is_plain_the_engine_reads_as_we_do(
        steps in session(any_edit()),
        which in any::<prop::sample::Index>(),
        mutations in mutations(),
    ) {
        let updates = play(&steps);
        prop_assume!(!updates.is_empty());
        let which = which.index(updates.len());
        let server = document(1);
        let mut shadow = Shadow::default();
        for update in &updates[..which] {
            apply(&server, update).expect("honest updates apply");
            shadow.apply(&Digest::read(update).expect("honest updates are read"));
        }
        let state = server.transact().encode_state_as_update_v1(&yrs::StateVector::default());
        for mutations in &mutations {
            let mut update = updates[which].clone();
            mutate(&mut update, mutations);
            let Ok(digest) = Digest::read(&update) else { continue };
            prop_assert!(digest.heap_bytes() <= 48 * update.len() + 1_024);
            if digest.fit() == Fit::Plain {
                engine_accepts(&update, &digest)?;
            }
            let checked = check_update(Bytes::from(update.clone())).is_ok();
            if !checked || shadow.verdict(&digest) != Verdict::Ready {
                continue;
            }
            let trial = document(1);
            apply(&trial, &state).expect("the engine's own state");
            prop_assert!(apply(&trial, &update).is_some(), "{update:02x?}");
            prop_assert!(!trial.transact().has_missing_updates(), "{update:02x?} {digest:?} {shadow:?}");
            let mut after = shadow.clone();
            after.apply(&digest);
            let vector: Vec<_> = after.state_vector().iter().collect();
            let mut engine: Vec<_> = trial.transact().state_vector().iter()
                .map(|(client, clock)| (client.get(), *clock)).collect();
            engine.sort_unstable();
            prop_assert_eq!(vector, engine);
            // It can be written, and be read by who joins.
            let written = trial.transact().encode_state_as_update_v1(&yrs::StateVector::default());
            let joiner = document(2);
            prop_assert!(apply(&joiner, &written).is_some());
            prop_assert!(!joiner.transact().has_missing_updates());
        }
    }

    #[test]
    fn honest_updates_pass(steps in session(any_edit())) {
        for update in play(&steps) {
            let update = Bytes::from(update);
            let checked = check_update(update.clone());
            prop_assert_eq!(checked.map(|checked| checked.bytes), Ok(update));
        }
    }
}
