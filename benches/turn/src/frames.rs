//! What peers send, byte by byte.

use bytes::{BufMut, Bytes, BytesMut};
use greenroom_core::protocol::lib0::{put_var_bytes, put_var_uint};

/// As long as the text of an update in the load generator.
const TEXT: &[u8; 40] = b"The quick brown fox jumps over the dogs.";

/// The Yjs client id of a member: 32 bits, as real ones.
pub(crate) const fn client(member: usize) -> u64 {
    0x9e37_0000 + member as u64
}

/// An update of `member`: its `n`-th piece of text, behind the one before.
pub(crate) fn update(member: usize, n: usize) -> Bytes {
    let (client, clock) = (client(member), (n * TEXT.len()) as u64);
    let mut body = BytesMut::new();
    for number in [1, 1, client, clock] {
        put_var_uint(&mut body, number);
    }
    if n == 0 {
        // The first stands alone in the root type `t`.
        body.put_slice(&[4, 1, 1, b't']);
    } else {
        body.put_u8(0x84);
        put_var_uint(&mut body, client);
        put_var_uint(&mut body, clock - 1);
    }
    put_var_bytes(&mut body, TEXT);
    body.put_u8(0);
    message(&[0, 2], &body)
}

/// A sync step 1 of a peer that has the first `pieces` updates of member 0.
pub(crate) fn sync_step_1(pieces: usize) -> Bytes {
    let mut body = BytesMut::new();
    for number in [1, client(0), (pieces * TEXT.len()) as u64] {
        put_var_uint(&mut body, number);
    }
    message(&[0, 0], &body)
}

/// The `n`-th presence of `member`: where its cursor is.
pub(crate) fn presence(member: usize, n: usize) -> Bytes {
    let state = format!(r##"{{"user":{{"name":"member","color":"#30bced"}},"cursor":"{n:06}"}}"##);
    let mut body = BytesMut::new();
    for number in [1, client(member), n as u64 + 1] {
        put_var_uint(&mut body, number);
    }
    put_var_bytes(&mut body, state.as_bytes());
    message(&[1], &body)
}

fn message(kind: &[u8], body: &[u8]) -> Bytes {
    let mut message = BytesMut::from(kind);
    put_var_bytes(&mut message, body);
    message.freeze()
}
