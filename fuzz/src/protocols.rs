//! What Yjs peers say: primitives, messages, awareness, state vectors.

use std::collections::BTreeSet;

use bytes::Bytes;
use greenroom_core::collab::doc::awareness::{Awareness, read_awareness};
use greenroom_core::collab::doc::update::{ANY_NESTING_MAX, StateVector};
use greenroom_core::limits::Limits;
use greenroom_core::protocol::ClientMessage;
use greenroom_core::protocol::hocuspocus::sessions::{Sessions, Step};
use greenroom_core::protocol::lib0::Reader;
use greenroom_core::protocol::yjs::decode;
use greenroom_service::{Message, Millis, SessionId};
use yrs::updates::decoder::Decode;

use crate::{take, take_byte};

/// Every primitive reads within its bytes; an `any` value that we pass over is one that the engine
/// reads, and it is as long for it.
pub(crate) fn lib0(mut data: &[u8]) {
    let kind = take_byte(&mut data);
    let mut reader = Reader::new(data);
    match kind % 7 {
        0 => drop(reader.var_uint()),
        1 => drop(reader.var_u32()),
        2 => drop(reader.skip_var_int()),
        3 => drop(reader.var_bytes()),
        4 => drop(reader.var_string()),
        5 => drop(reader.count(3)),
        _ => {
            if reader.skip_any(ANY_NESTING_MAX).is_ok() {
                let mut cursor = yrs::encoding::read::Cursor::new(data);
                yrs::Any::decode(&mut cursor).expect("what we pass over, the engine reads");
                assert_eq!(cursor.next, data.len() - reader.remaining());
            }
        }
    }
    assert!(reader.remaining() <= data.len());
}

fn small_limits() -> Limits {
    Limits {
        awareness_entries_max: 64,
        awareness_state_bytes_max: 256,
        awareness_owned_max: 8,
        awareness_table_max: 32,
        ..Limits::default()
    }
}

/// A frame of a y-websocket peer is decoded to no more than it can hold.
pub(crate) fn yjs(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let mut messages = Vec::new();
    let decoded = decode(&Message::Binary(frame), &small_limits(), &mut messages);
    assert!(messages.len() <= data.len());
    for message in &messages {
        match message {
            ClientMessage::Update(update) | ClientMessage::SyncStep2(update) => {
                assert!(update.bytes.len() < data.len());
            }
            ClientMessage::Awareness(entries) => assert!(entries.len() <= 64),
            ClientMessage::SyncStep1(_) | ClientMessage::QueryAwareness => {}
            ClientMessage::Frame(_) | ClientMessage::Probe(_) => {
                panic!("a y-websocket peer has neither")
            }
        }
    }
    assert!(decoded.is_err() || !messages.is_empty());
}

/// The sessions of a Hocuspocus connection stay within their limits whatever comes, and only who was
/// let in is heard. Each step begins with its kind and the length of what belongs to it.
pub(crate) fn hocuspocus(mut data: &[u8]) {
    let limits = Limits {
        hocuspocus_pending_max: 4,
        hocuspocus_queue_messages_max: 16,
        hocuspocus_queue_bytes_max: 1 << 10,
        hocuspocus_sessions_max: 8,
        ..small_limits()
    };
    let mut table = Sessions::default();
    let mut judged = Vec::new();
    let mut open = BTreeSet::new();
    let mut sessions = 0;
    while !data.is_empty() {
        let (kind, len) = (take_byte(&mut data), take_byte(&mut data));
        let mut steps = Vec::new();
        if kind < 0xe0 {
            let frame = Bytes::copy_from_slice(take(&mut data, len.into()));
            match table.receive(&Message::Binary(frame), &limits) {
                Ok(step) => steps.extend(step),
                Err(_) => return,
            }
        } else if !judged.is_empty() {
            let (address, attempt) = judged.remove(usize::from(len) % judged.len());
            if kind < 0xf0 {
                steps.extend(table.deny(&address, attempt, "no".into(), &limits));
            } else {
                sessions += 1;
                let session = SessionId(sessions);
                if let Some(said) = table.let_in(&address, attempt, session, &limits) {
                    open.insert(session);
                    steps.extend(said);
                }
            }
        }
        for step in steps {
            match step {
                Step::Judge {
                    address,
                    room,
                    attempt,
                    ..
                } => {
                    assert!(address.starts_with(room.as_str()));
                    judged.push((address, attempt));
                }
                Step::Deny(..) => {}
                Step::Hear(session, _) | Step::Renew(session, _) => {
                    assert!(open.contains(&session));
                }
                Step::Fault(session, _) | Step::Leave(session) => assert!(open.remove(&session)),
            }
        }
        let (waiting, queued, bytes) = table.waits();
        assert!(waiting <= 4 && queued <= 16 && bytes <= 1 << 10);
    }
}

/// A table that sessions announce themselves to stays within its limits, and what it tells can be
/// read again.
pub(crate) fn awareness(mut data: &[u8]) {
    let limits = small_limits();
    let mut table = Awareness::default();
    let mut now = Millis(1);
    while !data.is_empty() {
        let (what, len) = (take_byte(&mut data), take_byte(&mut data));
        let session = SessionId(u64::from(what & 3));
        let sender = if what & 4 == 0 { "ada" } else { "bob" };
        match what >> 5 {
            0 => now = now.plus(u64::from(len) * 500),
            1 => {
                let gone = table.leave(now, session);
                table.changed(gone);
            }
            2 => {
                let gone = table.expire(now);
                table.changed(gone);
            }
            _ => {
                let body = Bytes::copy_from_slice(take(&mut data, len.into()));
                if let Ok(entries) = read_awareness(&body, &limits) {
                    assert!(entries.len() <= limits.awareness_entries_max);
                    let changed = table.announce(now, session, &entries, &limits, sender);
                    table.changed(changed);
                }
            }
        }
        let known: Vec<_> = table.known().collect();
        let present: BTreeSet<_> = table.present().collect();
        assert!(known.len() <= limits.awareness_table_max);
        let told = read_awareness(&table.encode(&known), &limits).expect("what we tell is sound");
        let told: BTreeSet<_> = told
            .iter()
            .filter(|e| e.state.is_some())
            .map(|e| e.client)
            .collect();
        assert_eq!(told, present);
        if let Some(told) = table.tell(now, 3, &limits) {
            read_awareness(&told, &limits).expect("what we tell is sound");
        }
    }
}

/// A state vector that we read is one that the engine reads alike, and that we write so again.
pub(crate) fn state_vector(data: &[u8]) {
    let Ok(vector) = StateVector::decode(data) else {
        return;
    };
    assert!(vector.iter().len() <= data.len() / 2);
    let written = vector.encode();
    assert_eq!(StateVector::decode(&written).as_ref(), Ok(&vector));
    let engine = yrs::StateVector::decode_v1(&written).expect("the engine reads ours");
    let engine: StateVector = engine
        .iter()
        .map(|(client, clock)| (client.get(), *clock))
        .collect();
    assert_eq!(engine, vector);
}
