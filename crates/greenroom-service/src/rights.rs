//! What a session may do: a bit set, judged on every message.

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// A set of rights in one room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(0);
    /// May read what the room holds and hear what changes.
    pub const READ: Self = Self(1);
    /// May change what the room holds.
    pub const WRITE: Self = Self(2);
    /// May be seen: presence and awareness.
    pub const PRESENCE: Self = Self(4);
    /// Every right.
    pub const ALL: Self = Self(7);

    const NAMES: [(&'static str, Self); 3] = [
        ("read", Self::READ),
        ("write", Self::WRITE),
        ("presence", Self::PRESENCE),
    ];

    /// Whether every right of `wanted` is in this set.
    #[must_use]
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The bits, for a wire format or a file.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The right named `read`, `write` or `presence`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, right)| *right)
    }

    /// The names of the rights in this set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(_, right)| self.has(*right))
            .map(|(name, _)| name)
    }
}

impl BitOr for Rights {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Rights {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(&names.join(","))
    }
}
