//! The session of real clients that `specs/yjs-protocols.md` 2.2 records, byte by byte.

use super::*;

#[track_caller]
fn got<const N: usize>(room: &mut TestRoom, peer: SessionId, expected: [&str; N]) {
    assert_eq!(room.frames(peer), expected.map(hex));
}

const INSERTION: &str = "00020c010101000401017402486900";
const NAMED: &str = "0119010101157b2275736572223a7b226e616d65223a2261227d7d";

#[test]
fn the_recorded_session() {
    let mut room = room();
    let first = room.join_yjs("a", "");
    got(&mut room, first, ["00000100"]);
    room.send(first, hex("00000100"));
    got(&mut room, first, ["0001020000"]);
    room.send(first, hex("0106010100027b7d"));
    got(&mut room, first, ["0106010100027b7d"]);
    room.send(first, hex("0001020000"));
    got(&mut room, first, []);
    // The echo of an edit is optional, and left out.
    room.send(first, hex(INSERTION));
    got(&mut room, first, []);
    // That of an awareness renewal feeds the sender's watchdog.
    room.send(first, hex(NAMED));
    got(&mut room, first, [NAMED]);

    let second = room.join_yjs("b", "");
    got(&mut room, second, ["000003010102", NAMED]);
    room.send(second, hex("00000100"));
    got(&mut room, second, ["00010c010101000401017402486900"]);
    room.send(second, hex("0106010200027b7d"));
    got(&mut room, second, ["0106010200027b7d"]);
    got(&mut room, first, ["0106010200027b7d"]);
    // It relays what it learnt, which is no news.
    room.send(second, hex(NAMED));
    got(&mut room, second, []);
    got(&mut room, first, []);
    room.send(second, hex("0001020000"));
    room.send(second, hex("000206000101010001"));
    got(&mut room, second, []);
    got(&mut room, first, ["000206000101010001"]);
    room.send(second, hex("0108010200046e756c6c"));
    got(&mut room, first, ["0108010200046e756c6c"]);
    // It is gone already: nothing more to tell when its connection goes.
    room.leave(second);
    got(&mut room, first, []);
}

#[test]
fn a_connection_that_is_cut_is_announced_with_an_unchanged_clock() {
    let mut room = room();
    let (first, second) = (room.join_yjs("a", ""), room.join_yjs("b", ""));
    room.send(second, hex(NAMED));
    room.frames(first);
    room.leave(second);
    got(&mut room, first, ["0108010101046e756c6c"]);
}

#[test]
fn a_peer_that_pipelines_is_answered_frame_by_frame() {
    let mut room = room();
    let peer = room.join_yjs("a", "");
    got(&mut room, peer, ["00000100"]);
    room.send(peer, hex("00000100 0106010100027b7d 03"));
    got(
        &mut room,
        peer,
        ["0001020000", "0106010100027b7d", "0106010100027b7d"],
    );
}
