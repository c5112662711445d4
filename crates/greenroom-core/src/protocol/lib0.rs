//! The primitives of lib0, which the Yjs protocols and our own stored formats are made of:
//! varUint (base 128, little-endian, high bit means more), varBytes, varString.
//! Source: lib0 0.2, `encoding.js` and `decoding.js`.

use bytes::BufMut;

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
    /// A number does not fit the 32 bits that its place has.
    Range,
    /// An `any` value has an unknown tag, or holds others deeper than the reader allows.
    Any,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::End => "the bytes end too early",
            Self::VarUint => "a number is longer than 8 bytes or above 2^53-1",
            Self::Utf8 => "a string is not UTF-8",
            Self::Range => "a number does not fit 32 bits",
            Self::Any => "a value has an unknown tag or is nested too deep",
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

    /// A varUint of at most 32 bits: a clock or a length of Yjs.
    ///
    /// # Errors
    /// As [`Self::var_uint`], or [`ReadError::Range`].
    pub fn var_u32(&mut self) -> Result<u32, ReadError> {
        u32::try_from(self.var_uint()?).map_err(|_| ReadError::Range)
    }

    /// Passes over a varInt: bit 6 of the first byte is the sign, its six low bits and seven of
    /// each further byte are the value.
    ///
    /// # Errors
    /// [`ReadError::End`], or [`ReadError::VarUint`] when it is beyond what a JavaScript number
    /// holds exactly: lib0 itself throws there.
    pub fn skip_var_int(&mut self) -> Result<(), ReadError> {
        let first = self.byte()?;
        let mut value = u64::from(first & 0x3f);
        let mut more = first >= 0x80;
        for shift in (6..62).step_by(7) {
            if !more {
                break;
            }
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            more = byte >= 0x80;
        }
        if more || value > VAR_UINT_MAX {
            return Err(ReadError::VarUint);
        }
        Ok(())
    }

    /// Passes over one `any` value (lib0 `readAny`) that holds others at most `depth` deep.
    /// A reader that recurses without a bound ends the process on 100 KB of `[[[[`.
    ///
    /// # Errors
    /// [`ReadError::Any`], or as the readers of the parts.
    pub fn skip_any(&mut self, depth: usize) -> Result<(), ReadError> {
        match self.byte()? {
            // Undefined, null, false, true.
            127 | 126 | 121 | 120 => Ok(()),
            125 => self.skip_var_int(),
            124 => self.bytes(4).map(drop),
            123 | 122 => self.bytes(8).map(drop),
            119 => self.var_string().map(drop),
            118 => {
                let inner = depth.checked_sub(1).ok_or(ReadError::Any)?;
                for _ in 0..self.count(2)? {
                    self.var_string()?;
                    self.skip_any(inner)?;
                }
                Ok(())
            }
            117 => {
                let inner = depth.checked_sub(1).ok_or(ReadError::Any)?;
                for _ in 0..self.count(1)? {
                    self.skip_any(inner)?;
                }
                Ok(())
            }
            116 => self.var_bytes().map(drop),
            _ => Err(ReadError::Any),
        }
    }

    /// A varUint that counts entries of at least `entry_bytes` bytes each: a claim that the
    /// remaining bytes cannot hold is refused before anything is made ready for it.
    ///
    /// # Errors
    /// As [`Self::var_uint`], or [`ReadError::End`].
    pub fn count(&mut self, entry_bytes: usize) -> Result<usize, ReadError> {
        let n = usize::try_from(self.var_uint()?).map_err(|_| ReadError::End)?;
        if n > self.remaining() / entry_bytes {
            return Err(ReadError::End);
        }
        Ok(n)
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
pub fn put_var_uint(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes a length and `bytes`.
pub fn put_var_bytes(out: &mut impl BufMut, bytes: &[u8]) {
    put_var_uint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// How many bytes [`put_var_uint`] writes.
#[must_use]
pub const fn var_uint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
