//! What peers do wrong, and the close code for it.

/// What a peer did against RFC 6455 or the limits; the connection is to be closed with
/// [`close_code`](Self::close_code), and the display is a close text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A reserved bit is set, though no extension was agreed on that gives it a meaning there.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode that RFC 6455 does not define.
    #[error("a reserved opcode")]
    ReservedOpcode,
    /// A frame without a mask.
    #[error("a frame is not masked")]
    Unmasked,
    /// A fragment of a close, ping or pong.
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A close, ping or pong with more than 125 bytes.
    #[error("a control frame has more than 125 bytes")]
    ControlTooLong,
    /// A length in more bytes than it needs.
    #[error("a length takes more bytes than it needs")]
    LengthNotMinimal,
    /// A length of 2^63 or more.
    #[error("a length has its highest bit set")]
    LengthHighBit,
    /// A continuation, though no message is under way.
    #[error("a continuation of nothing")]
    ContinuationOfNothing,
    /// A new message, though another is under way.
    #[error("a message begins within another")]
    MessageWithinMessage,
    /// A close payload of one byte.
    #[error("a close code of one byte")]
    CloseTooShort,
    /// A close code that may not be sent.
    #[error("a close code that may not be sent")]
    CloseCode,
    /// A text message or a close text is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A compressed message is not DEFLATE data, or in more streams than any sender makes.
    #[error("a compressed message cannot be read")]
    Deflate,
    /// A frame larger than [`CodecLimits::frame_bytes_max`](super::CodecLimits::frame_bytes_max).
    #[error("a frame is too large")]
    FrameTooLarge,
    /// A message larger than [`CodecLimits::message_bytes_max`](super::CodecLimits::message_bytes_max),
    /// as it came or inflated.
    #[error("a message is too large")]
    MessageTooLarge,
    /// A message in more frames than [`CodecLimits::fragments_max`](super::CodecLimits::fragments_max).
    #[error("a message has too many fragments")]
    TooManyFragments,
}

impl CodecError {
    /// The close code for it: 1002 protocol error, 1007 not UTF-8 or not DEFLATE, 1009 too large (RFC 6455,
    /// section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 | Self::Deflate => 1007,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::TooManyFragments => 1009,
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::ContinuationOfNothing
            | Self::MessageWithinMessage
            | Self::CloseTooShort
            | Self::CloseCode => 1002,
        }
    }
}
