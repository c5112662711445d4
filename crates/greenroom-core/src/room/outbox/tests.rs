//! The outbox against a naive model, and its corners.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MEMBERS: u64 = 3;

fn stream() -> Stream {
    Stream {
        protocol: Protocol::Yjs,
        document: String::new(),
        address: String::new(),
        deflate: false,
    }
}

fn outbox(bytes_max: usize) -> Outbox {
    let mut outbox = Outbox::new(bytes_max);
    for session in 0..MEMBERS {
        outbox.enter(SessionId(session), stream(), 1);
    }
    outbox
}

fn frame(n: u32) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

fn number(frame: &Bytes) -> u32 {
    u32::from_be_bytes(frame[..].try_into().expect("a frame of the tests"))
}

fn take(outbox: &mut Outbox, session: u64, budget: usize) -> (Vec<u32>, Taken) {
    let mut out = Vec::new();
    let taken = outbox.take(SessionId(session), budget, &mut out);
    (out.iter().map(number).collect(), taken)
}

/// One thing that happens to an outbox.
#[derive(Clone, Debug)]
enum Step {
    /// To all but one (or to all), held by so many records beyond those that are durable.
    Broadcast(Option<u64>, u64),
    Send(u64, u64, Option<u32>),
    Durable(u64),
    RollBack,
    Take(u64, usize),
    Close(u64, u64),
    Leave(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..MEMBERS;
    prop_oneof![
        4 => (prop::option::of(who.clone()), 0..3u64).prop_map(|(e, g)| Step::Broadcast(e, g)),
        3 => (who.clone(), 0..3u64, prop::option::of(0..2u32)).prop_map(|(s, g, l)| Step::Send(s, g, l)),
        3 => (1..3u64).prop_map(Step::Durable),
        1 => Just(Step::RollBack),
        5 => (who.clone(), 0..20usize).prop_map(|(s, b)| Step::Take(s, b)),
        1 => (who.clone(), 0..3u64).prop_map(|(s, g)| Step::Close(s, g)),
        1 => who.prop_map(Step::Leave),
    ]
}

/// What one session is owed, each frame on its own: number, gate, slot.
#[derive(Debug, Default)]
struct Owed {
    frames: Vec<(u32, u64, Option<u32>)>,
    closing: Option<(u64, CloseReason)>,
    left: bool,
}

impl Owed {
    fn send(&mut self, frame: (u32, u64, Option<u32>), durable: u64) {
        if self.closing.is_some() || self.left {
            return;
        }
        if frame.2.is_some() {
            let same = self.frames.iter().filter(|f| f.2 == frame.2);
            let newest = self.frames.iter().rposition(|f| f.2 == frame.2);
            if let Some(at) = newest {
                let sooner = frame.1 <= durable || frame.1 <= self.frames[at].1;
                if sooner || same.count() > 1 {
                    self.frames.remove(at);
                }
            }
        }
        self.frames.push(frame);
    }

    fn take(&mut self, budget: usize, durable: u64) -> (Vec<u32>, Taken) {
        let mut given = Vec::new();
        let done = match self.closing {
            Some((gate, reason)) if gate <= durable => Taken::Close(reason),
            _ => Taken::All,
        };
        while let Some((n, gate, _)) = self.frames.first().copied() {
            if gate > durable || self.left {
                break;
            }
            if !given.is_empty() && given.len() * 4 + 4 > budget {
                return (given, Taken::More);
            }
            given.push(n);
            self.frames.remove(0);
        }
        (given, done)
    }
}

proptest! {
    #[test]
    fn it_gives_what_a_naive_list_gives(steps in prop::collection::vec(step(), 1..80)) {
        let mut outbox = outbox(1 << 20);
        let mut owed: Vec<Owed> = (0..MEMBERS).map(|_| Owed::default()).collect();
        let mut durable = 0;
        for (n, step) in steps.into_iter().enumerate() {
            let n = n as u32;
            match step {
                Step::Broadcast(except, ahead) => {
                    let stamp = Stamp { gate: durable + ahead, next_seq: 1 };
                    outbox.broadcast(|_| Some(frame(n)), stamp, except.map(SessionId));
                    for (session, owed) in owed.iter_mut().enumerate() {
                        if Some(session as u64) != except {
                            owed.send((n, stamp.gate, None), durable);
                        }
                    }
                }
                Step::Send(to, ahead, slot) => {
                    let gate = durable + ahead;
                    outbox.send(SessionId(to), frame(n), gate, slot.map(Slot::Service));
                    owed[to as usize].send((n, gate, slot), durable);
                }
                Step::Durable(more) => {
                    durable += more;
                    outbox.set_durable(durable);
                }
                Step::RollBack => {
                    outbox.roll_back();
                    for owed in &mut owed {
                        owed.frames.retain(|(_, gate, _)| *gate <= durable);
                        if owed.closing.is_some_and(|(gate, _)| gate > durable) {
                            owed.closing = Some((0, CloseReason::RoomFault));
                        }
                    }
                }
                Step::Take(session, budget) => {
                    let expected = owed[session as usize].take(budget, durable);
                    prop_assert_eq!(take(&mut outbox, session, budget), expected);
                }
                Step::Close(session, ahead) => {
                    let gate = durable + ahead;
                    outbox.close_after(SessionId(session), CloseReason::Kicked, gate);
                    let owed = &mut owed[session as usize];
                    if !owed.left {
                        let closing = owed.closing.get_or_insert((gate, CloseReason::Kicked));
                        closing.0 = closing.0.min(gate);
                    }
                }
                Step::Leave(session) => {
                    outbox.leave(SessionId(session));
                    owed[session as usize] = Owed { left: true, ..Owed::default() };
                }
            }
        }
        // In the end everybody gets the rest, and nothing is left.
        outbox.set_durable(durable + 10);
        for session in 0..MEMBERS {
            let expected = owed[session as usize].take(usize::MAX, durable + 10);
            prop_assert_eq!(take(&mut outbox, session, usize::MAX), expected);
            outbox.leave(SessionId(session));
        }
        prop_assert_eq!(outbox.bytes(), 0);
    }

    /// Whatever is dropped on the way, a session hears of every record in the end: those that it
    /// missed from the first that it did not hear of.
    #[test]
    fn who_lags_is_told_from_where(
        steps in prop::collection::vec((0..4u8, 0..MEMBERS, 1..300usize), 1..200),
    ) {
        let mut outbox = outbox(600);
        let mut heard: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); MEMBERS as usize];
        let mut seq = 0;
        let mut hear = |outbox: &mut Outbox, session: u64, budget: usize, seq: u32| {
            if let Some(from) = outbox.lagged(SessionId(session)) {
                outbox.restart(SessionId(session));
                let heard = &mut heard[session as usize];
                prop_assert!((1..from as u32).all(|n| heard.contains(&n)), "{from} {heard:?}");
                if u64::from(seq) - from < 8 {
                    for n in from as u32..=seq {
                        outbox.send(SessionId(session), frame(n), 0, None);
                    }
                } else {
                    // Too much: the whole state, in a frame that names what it includes.
                    outbox.send(SessionId(session), frame(seq | 1 << 31), 0, Some(Slot::SyncAnswer));
                }
                outbox.restarted(SessionId(session));
            }
            let (got, _) = take(outbox, session, budget);
            for n in got {
                let (whole, n) = (n >> 31 == 1, n & !(1 << 31));
                heard[session as usize].extend(if whole { 1..=n } else { n..=n });
            }
            Ok(())
        };
        for (kind, session, budget) in steps {
            if kind == 0 {
                hear(&mut outbox, session, budget, seq)?;
            } else {
                seq += 1;
                let stamp = Stamp { gate: 0, next_seq: u64::from(seq) + 1 };
                outbox.broadcast(|_| Some(frame(seq)), stamp, None);
            }
            prop_assert!(outbox.bytes() <= 600 * (MEMBERS as usize + 1));
        }
        for session in 0..MEMBERS {
            hear(&mut outbox, session, usize::MAX, seq)?;
            hear(&mut outbox, session, usize::MAX, seq)?;
        }
        for heard in heard {
            prop_assert_eq!(heard.len(), seq as usize);
        }
    }
}

#[test]
fn a_dirty_session_is_named_once() {
    let mut outbox = outbox(1 << 20);
    let stamp = Stamp {
        gate: 0,
        next_seq: 1,
    };
    outbox.broadcast(|_| Some(frame(1)), stamp, None);
    outbox.send(SessionId(1), frame(2), 0, None);
    outbox.close(SessionId(1), CloseReason::Kicked);
    let all = [SessionId(0), SessionId(1), SessionId(2)];
    assert_eq!(outbox.take_dirty(), all);
    assert_eq!(outbox.take_dirty(), []);
}

#[test]
fn what_is_made_durable_wakes_who_waits_for_it() {
    let mut outbox = outbox(1 << 20);
    outbox.send(SessionId(1), frame(1), 5, None);
    outbox.close_after(SessionId(2), CloseReason::Kicked, 5);
    outbox.take_dirty();
    outbox.set_durable(5);
    let mut woken = outbox.take_dirty();
    woken.sort_unstable();
    assert_eq!(woken, [SessionId(1), SessionId(2)]);
}

#[test]
fn what_is_held_is_told_once_and_when_it_may_leave() {
    let mut outbox = outbox(1 << 20);
    let stamp = Stamp {
        gate: 5,
        next_seq: 6,
    };
    outbox.broadcast(|_| Some(frame(1)), stamp, None);
    assert_eq!(outbox.take_dirty(), []);
    outbox.set_durable(5);
    assert_eq!(
        outbox.take_dirty(),
        [SessionId(0), SessionId(1), SessionId(2)]
    );
}

#[test]
fn frames_that_all_have_are_dropped() {
    let mut outbox = outbox(1 << 20);
    let stamp = Stamp {
        gate: 0,
        next_seq: 1,
    };
    outbox.broadcast(|_| Some(frame(1)), stamp, None);
    take(&mut outbox, 0, 100);
    take(&mut outbox, 1, 100);
    assert!(outbox.bytes() > 0);
    outbox.leave(SessionId(2));
    assert_eq!(outbox.bytes(), 0);
}

#[test]
fn a_seq_that_is_given_anew_was_not_heard() {
    let mut outbox = outbox(100);
    let of_record = |seq: u64| Stamp {
        gate: 0,
        next_seq: seq + 1,
    };
    // One has the frame of record 1 and the other not yet, when that record is lost.
    outbox.broadcast(|_| Some(frame(1)), of_record(1), None);
    take(&mut outbox, 0, 100);
    outbox.roll_back();
    take(&mut outbox, 1, 100);
    for seq in 1..10 {
        outbox.broadcast(|_| Some(frame(2)), of_record(seq), None);
    }
    assert_eq!(outbox.lagged(SessionId(0)), Some(1));
    assert_eq!(outbox.lagged(SessionId(1)), Some(1));
}

#[test]
fn an_answer_that_was_dropped_has_to_be_made_again() {
    let mut outbox = outbox(100);
    let session = SessionId(0);
    outbox.send(session, frame(1), 0, Some(Slot::SyncAnswer));
    for n in 0..10 {
        let stamp = Stamp {
            gate: 0,
            next_seq: 50 + n,
        };
        outbox.broadcast(|_| Some(frame(2)), stamp, None);
    }
    assert_eq!(outbox.lagged(session), Some(0), "everything, not from 1 on");
}
