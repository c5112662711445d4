//! Patterns over room names: what a token may reach.

use std::fmt;
use std::str::FromStr;

use greenroom_service::RoomId;
use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes: a longest room name (128) with a wildcard around each segment.
pub const PATTERN_BYTES_MAX: usize = 256;

/// A pattern over room names.
///
/// A pattern is matched against the whole name, byte for byte. `*` stands for any run of
/// characters except `/`, the empty run included; `**` (or more stars) stands for any run at all.
/// Nothing else is special and there is no escape: a room whose name holds a star is reached
/// through a wildcard only.
///
/// | pattern | matches | does not match |
/// |---|---|---|
/// | `lobby` | `lobby` | `lobby/1` |
/// | `docs/*` | `docs/a`, `docs/` | `docs`, `docs/a/b` |
/// | `docs/*/notes` | `docs/a/notes` | `docs/a/b/notes` |
/// | `docs/**` | `docs/a`, `docs/a/b` | `docs` |
/// | `**` | everything | |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    /// What `text` says, with runs of two and more stars folded. At most
    /// [`PATTERN_BYTES_MAX`] long, which bounds the states of [`Pattern::matches`].
    symbols: Vec<Symbol>,
}

/// Why a string is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern is empty: it could match no room.
    #[error("a room pattern has at least one character")]
    Empty,
    /// The pattern is longer than [`PATTERN_BYTES_MAX`]; holds its length in bytes.
    #[error("a room pattern has at most {PATTERN_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The pattern holds a control character, which no room name has; holds its byte offset.
    #[error("a room pattern has no control characters, this one has one at byte {0}")]
    Control(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Byte(u8),
    Segment,
    Anything,
}

impl Pattern {
    /// Whether `room` is one of the rooms meant. Takes at most name length x pattern length
    /// steps and allocates nothing, whatever the two hold.
    #[must_use]
    pub fn matches(&self, room: &RoomId) -> bool {
        let is_literal = |s: &&Symbol| matches!(s, Symbol::Byte(_));
        let literal = self.symbols.iter().take_while(is_literal).count();
        let name = room.as_str().as_bytes();
        let starts_alike = name.len() >= literal
            && self.symbols[..literal]
                .iter()
                .zip(name)
                .all(|(symbol, byte)| *symbol == Symbol::Byte(*byte));
        starts_alike && run(&self.symbols[literal..], &name[literal..])
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Steps through `name` once with the set of all places in `symbols` that what was read so far
/// may have led to. Wildcards work on bytes: a byte of the pattern never equals the inside of a
/// UTF-8 character, so that none can be cut in two.
fn run(symbols: &[Symbol], name: &[u8]) -> bool {
    let mut places = [false; PATTERN_BYTES_MAX + 1];
    places[0] = true;
    skip_empty_wildcards(symbols, &mut places);
    for byte in name {
        let mut next = [false; PATTERN_BYTES_MAX + 1];
        let mut alive = false;
        for (at, symbol) in symbols.iter().enumerate() {
            let to = match symbol {
                Symbol::Byte(wanted) if wanted == byte => at + 1,
                Symbol::Segment if *byte != b'/' => at,
                Symbol::Anything => at,
                Symbol::Byte(_) | Symbol::Segment => continue,
            };
            next[to] |= places[at];
            alive |= places[at];
        }
        if !alive {
            return false;
        }
        skip_empty_wildcards(symbols, &mut next);
        places = next;
    }
    places[symbols.len()]
}

fn skip_empty_wildcards(symbols: &[Symbol], places: &mut [bool; PATTERN_BYTES_MAX + 1]) {
    for (at, symbol) in symbols.iter().enumerate() {
        if matches!(symbol, Symbol::Segment | Symbol::Anything) {
            places[at + 1] |= places[at];
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong(text.len()));
        }
        if let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return Err(PatternError::Control(at));
        }
        let mut symbols = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            match (byte, symbols.last_mut()) {
                (b'*', Some(last @ (Symbol::Segment | Symbol::Anything))) => {
                    *last = Symbol::Anything;
                }
                (b'*', _) => symbols.push(Symbol::Segment),
                (byte, _) => symbols.push(Symbol::Byte(byte)),
            }
        }
        Ok(Self {
            text: text.to_owned(),
            symbols,
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
