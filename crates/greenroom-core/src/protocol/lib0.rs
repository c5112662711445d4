//! The primitives of lib0, which the Yjs protocols and our own stored formats are made of:
//! varUint (base 128, little-endian, high bit means more), varBytes, varString.
//! Source: lib0 0.2, `encoding.js` and `decoding.js`.

use bytes::{BufMut, BytesMut};

/// The largest varUint: what a JavaScript number holds exactly.
pub const VAR_UINT_MAX: u64 = (1 << 53) - 1;

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes end too early.
    End,
    /// A varUint is longer than 8 bytes or above [`VAR_UINT_MAX`].
    VarUint,
    /// A string is not UTF-8.
    Utf8,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::End => "the bytes end too early",
            Self::VarUint => "a number is longer than 8 bytes or above 2^53-1",
            Self::Utf8 => "a string is not UTF-8",
        })
    }
}

impl std::error::Error for ReadError {}

/// Reads from a slice; copies nothing and allocates nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all is read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// How many bytes are not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.0.len()
    }

    /// One byte.
    ///
    /// # Errors
    /// [`ReadError::End`].
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        let (first, rest) = self.0.split_first().ok_or(ReadError::End)?;
        self.0 = rest;
        Ok(*first)
    }

    /// `n` bytes.
    ///
    /// # Errors
    /// [`ReadError::End`].
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], ReadError> {
        let (bytes, rest) = self.0.split_at_checked(n).ok_or(ReadError::End)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A varUint.
    ///
    /// # Errors
    /// [`ReadError::End`], or [`ReadError::VarUint`] when it is too long or too large.
    pub fn var_uint(&mut self) -> Result<u64, ReadError> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if value > VAR_UINT_MAX {
                    Err(ReadError::VarUint)
                } else {
                    Ok(value)
                };
            }
        }
        Err(ReadError::VarUint)
    }

    /// varBytes: a length, then so many bytes.
    ///
    /// # Errors
    /// As [`Self::var_uint`] and [`Self::bytes`].
    pub fn var_bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let n = usize::try_from(self.var_uint()?).map_err(|_| ReadError::End)?;
        self.bytes(n)
    }

    /// varString: varBytes of UTF-8.
    ///
    /// # Errors
    /// As [`Self::var_bytes`], or [`ReadError::Utf8`].
    pub fn var_string(&mut self) -> Result<&'a str, ReadError> {
        std::str::from_utf8(self.var_bytes()?).map_err(|_| ReadError::Utf8)
    }
}

/// Writes a varUint.
pub fn put_var_uint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes a length and `bytes`.
pub fn put_var_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// How many bytes [`put_var_uint`] writes.
#[must_use]
pub const fn var_uint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
