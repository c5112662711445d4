//! The payloads: valid Yjs updates (format v1) and awareness updates, each with a marker in its
//! text.
//!
//! The marker is found again in whatever a server makes of the updates: merged, encoded anew, or
//! as it was. So a delivery counts the same for all servers.

/// The bytes of a [`Marker`].
pub(crate) const MARKER_LEN: usize = 19;

/// Names one update within its room, and when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Which writer of the room.
    pub(crate) writer: u16,
    /// The how-manieth update of that writer, from 0.
    pub(crate) seq: u32,
    /// When it was written, in microseconds of the generator's clock.
    pub(crate) at_us: u32,
}

impl Marker {
    /// What every marker begins with. The other text has no such byte.
    pub(crate) const START: u8 = b'~';

    /// Appends `~`, then writer, seq (24 bits) and time in hexadecimal.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.push(Self::START);
        let low = u64::from(self.seq & 0xff_ffff) << 32 | u64::from(self.at_us);
        let number = u128::from(self.writer) << 56 | u128::from(low);
        for digit in (0..MARKER_LEN - 1).rev() {
            let nibble = (number >> (4 * digit)) as u8 & 15;
            out.push(b"0123456789abcdef"[usize::from(nibble)]);
        }
    }

    /// The marker that `bytes` begin with; `None` when they are something else.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.get(1..MARKER_LEN)?;
        let mut number = 0_u128;
        for &digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            number = number << 4 | u128::from(value);
        }
        Some(Self {
            writer: (number >> 56) as u16,
            seq: (number >> 32) as u32 & 0xff_ffff,
            at_us: number as u32,
        })
    }
}

/// Appends a lib0 variable-length number.
pub(crate) fn put_var_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes with their length in front.
pub(crate) fn put_var_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes a variable-length number off the front.
pub(crate) fn take_var_uint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes bytes with their length in front off the front.
pub(crate) fn take_var_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_var_uint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// Somebody who types at the end of a text, or moves a cursor.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Its client id in the document.
    client: u64,
    /// The clock of its next struct, in UTF-16 units; all text here is ASCII.
    clock: u64,
    /// Its number in the room.
    number: u16,
    /// Its updates so far.
    pub(crate) seq: u32,
    /// Its edits so far, the clock of the first letter of those that follow each other, and of the
    /// letter to the right of them.
    edits: usize,
    run: Option<u64>,
    right: Option<u64>,
    text: Vec<u8>,
    update: Vec<u8>,
}

impl Writer {
    /// Writer `number` of a room, with a client id of 32 bits as Yjs draws them.
    pub(crate) fn new(room: usize, number: u16) -> Self {
        let mixed = (room as u32 * 4_099 + u32::from(number)).wrapping_mul(0x9e37_79b1);
        Self {
            client: u64::from(mixed | 0x8000_0000),
            clock: 0,
            number,
            seq: 0,
            edits: 0,
            run: None,
            right: None,
            text: Vec::new(),
            update: Vec::new(),
        }
    }

    /// The next message that appends `len` bytes of text (at least a marker) after what this
    /// writer wrote before: sync step "update" with one struct and no deletion.
    pub(crate) fn put_update(&mut self, message: &mut Vec<u8>, len: usize, at_us: u32) {
        self.mark(at_us);
        self.text.resize(len.max(MARKER_LEN), b'x');
        self.put_struct();
        message.extend_from_slice(&[0, 2]);
        put_var_bytes(message, &self.update);
    }

    /// One update with so many edits of two letters and without a marker, as an editor brings its
    /// offline work back. Every tenth edit begins anew at the front of the text, so that an
    /// engine can join ten into one piece and no more.
    pub(crate) fn put_edits(&mut self, message: &mut Vec<u8>, edits: usize) {
        const TEXT: &[u8] = b"yy";
        self.update.clear();
        self.put_head(edits, self.clock);
        for _ in 0..edits {
            let jump = self.edits.is_multiple_of(10);
            if jump {
                self.right = self.run.replace(self.clock);
            }
            let origin = (!jump).then(|| self.clock - 1);
            put_item(&mut self.update, self.client, origin, self.right, TEXT);
            self.clock += TEXT.len() as u64;
            self.edits += 1;
        }
        self.update.push(0);
        message.extend_from_slice(&[0, 2]);
        put_var_bytes(message, &self.update);
    }

    /// The next awareness message of this writer; `len` is the size of its JSON at least.
    pub(crate) fn put_awareness(&mut self, message: &mut Vec<u8>, len: usize, at_us: u32) {
        let head = br#"{"cursor":""#;
        self.mark(at_us);
        self.update.clear();
        put_var_uint(&mut self.update, 1);
        put_var_uint(&mut self.update, self.client);
        put_var_uint(&mut self.update, u64::from(self.seq));
        let mut json = head.to_vec();
        json.extend_from_slice(&self.text);
        json.resize(json.len().max(len.saturating_sub(2)), b'x');
        json.extend_from_slice(br#""}"#);
        put_var_bytes(&mut self.update, &json);
        message.push(1);
        put_var_bytes(message, &self.update);
    }

    fn mark(&mut self, at_us: u32) {
        self.text.clear();
        Marker {
            writer: self.number,
            seq: self.seq,
            at_us,
        }
        .put(&mut self.text);
        self.seq += 1;
    }

    /// An update with `self.text` as its only struct.
    fn put_struct(&mut self) {
        self.update.clear();
        self.put_head(1, self.clock);
        let origin = self.clock.checked_sub(1);
        put_item(&mut self.update, self.client, origin, None, &self.text);
        self.clock += self.text.len() as u64;
        self.update.push(0);
    }

    /// One client, so many structs, from this clock on.
    fn put_head(&mut self, structs: usize, clock: u64) {
        put_var_uint(&mut self.update, 1);
        put_var_uint(&mut self.update, structs as u64);
        put_var_uint(&mut self.update, self.client);
        put_var_uint(&mut self.update, clock);
    }
}

/// A string in the root text `t` between two letters of the same client. Without a neighbour it
/// names its parent.
fn put_item(
    out: &mut Vec<u8>,
    client: u64,
    origin: Option<u64>,
    right_origin: Option<u64>,
    text: &[u8],
) {
    const STRING: u8 = 4;
    const HAS_ORIGIN: u8 = 0x80;
    const HAS_RIGHT_ORIGIN: u8 = 0x40;
    let left = if origin.is_some() { HAS_ORIGIN } else { 0 };
    let right = if right_origin.is_some() {
        HAS_RIGHT_ORIGIN
    } else {
        0
    };
    out.push(STRING | left | right);
    for clock in [origin, right_origin].into_iter().flatten() {
        put_var_uint(out, client);
        put_var_uint(out, clock);
    }
    if left | right == 0 {
        out.extend_from_slice(&[1, 1, b't']);
    }
    put_var_bytes(out, text);
}

#[cfg(test)]
mod tests;
