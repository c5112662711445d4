//! Updates of documents: our reader and our shadow beside the engine.

use std::thread;

use bytes::Bytes;
use greenroom_core::collab::doc::engine::Engine;
use greenroom_core::collab::doc::gate::check_update;
use greenroom_core::collab::doc::shadow::{Shadow, Verdict};
use greenroom_core::collab::doc::update::{Digest, ENGINE_STACK_BYTES, Fit};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ClientID, ID, IdSet, Update};

use crate::{take, take_byte};

/// What our reader allocates at most, per byte of the update: see [`Digest::read`].
const DIGEST_FACTOR: usize = 48;

/// Our reader stays within its memory; the gate refuses without a crash; what it lets pass as plain,
/// which the engine has not seen, the engine reads as we do, writes and reads again.
pub(crate) fn update(data: &[u8]) {
    let Ok(digest) = Digest::read(data) else {
        assert!(check_update(Bytes::copy_from_slice(data)).is_err());
        return;
    };
    assert!(digest.heap_bytes() <= DIGEST_FACTOR * data.len() + 1_024);
    assert_eq!(digest.update_bytes(), data.len());
    for (_, start, end) in digest.structs().chain(digest.deletions()) {
        assert!(start < end && i32::try_from(end).is_ok());
    }
    let passed = check_update(Bytes::copy_from_slice(data)).is_ok();
    assert_eq!(
        passed,
        digest.fit() != Fit::Unfit && engine_agrees(data, &digest)
    );
}

fn engine_agrees(update: &[u8], digest: &Digest) -> bool {
    let mut structs = IdSet::new();
    for (client, start, end) in digest.structs() {
        structs.insert(ID::new(ClientID::new(client), start), end - start);
    }
    let check = || {
        let first = Update::decode_v1(update).ok()?;
        let second = Update::decode_v1(&first.encode_v1()).ok()?;
        (first.insertions(true) == structs && second.insertions(true) == structs).then_some(())
    };
    if digest.fit() == Fit::Plain {
        return check().is_some();
    }
    std::panic::catch_unwind(check).is_ok_and(|agrees| agrees.is_some())
}

/// Several updates, each taken in as a room does: what the gate and the shadow call ready, the
/// engine takes in without a crash or anything missing, and then they know the same.
pub(crate) fn shadow(data: &[u8]) {
    let run = || play(data);
    // The engine recurses; a room's jobs have such a stack too.
    let played = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(ENGINE_STACK_BYTES);
        let thread = thread.spawn_scoped(scope, run);
        thread.expect("the system has a thread for us").join()
    });
    if let Err(panic) = played {
        std::panic::resume_unwind(panic);
    }
}

fn play(mut data: &[u8]) {
    let mut shadow = Shadow::default();
    let mut engine = Engine::new(1);
    while !data.is_empty() {
        let len = u16::from_le_bytes([take_byte(&mut data), take_byte(&mut data)]);
        let update = Bytes::copy_from_slice(take(&mut data, len.into()));
        let Ok(checked) = check_update(update) else {
            continue;
        };
        match shadow.verdict(&checked.digest) {
            Verdict::NoOp | Verdict::Pending | Verdict::Refused(_) => continue,
            Verdict::Ready => {}
        }
        shadow.apply(&checked.digest);
        assert!(!shadow.has_pending(), "what is ready waits for nothing");
        engine
            .apply([&checked.bytes])
            .expect("what is ready is taken in");
        let state = engine.encode();
        let digest = Digest::read(&state).expect("what the engine writes can be read");
        let told = Shadow::of(&digest);
        assert_eq!(told.state_vector(), shadow.state_vector());
        // The engine also deletes what a later value of a key replaces, named as deleted or not.
        let deleted: Vec<_> = told.deletions().collect();
        for (client, start, end) in shadow.deletions() {
            let holds =
                |range: &(u64, u32, u32)| range.0 == client && range.1 <= start && end <= range.2;
            assert!(
                deleted.iter().any(holds),
                "what the shadow calls deleted is so"
            );
        }
        assert_eq!(
            shadow.verdict(&checked.digest),
            Verdict::NoOp,
            "once is enough"
        );
        let joiner = engine.diff(&shadow.state_vector());
        assert!(Digest::read(&joiner).is_ok_and(|digest| digest.structs().next().is_none()));
    }
}
