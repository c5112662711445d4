//! The read half of one connection: no buffer of its own, so that an idle connection costs next
//! to nothing. Bytes are read into the thread's scratch buffer once they are there, and decoded
//! at once; only a partial frame is kept, by the decoder.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use crate::codec::{CodecError, Decoder, Item};

/// The most that one read takes, in bytes: of a fast sender many frames per system call, yet
/// small enough for the cache and for the others on this thread.
const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    /// Borrowed only within one poll, and empty of meaning between them.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes; what they made whole was added to the items.
    Bytes(usize),
    /// The peer sends no more.
    End,
}

/// Why a connection cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer broke the protocol or a limit; close with its code.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The transport failed; there is nobody to tell.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// The read half of one connection.
#[derive(Debug)]
pub struct ConnReader {
    stream: Source,
    decoder: Decoder,
}

impl ConnReader {
    /// Reads from a TCP stream.
    #[must_use]
    pub const fn tcp(stream: OwnedReadHalf, decoder: Decoder) -> Self {
        Self {
            stream: Source::Tcp(stream),
            decoder,
        }
    }

    /// Reads from any other stream, such as TLS.
    #[must_use]
    pub fn other(stream: impl AsyncRead + Send + Unpin + 'static, decoder: Decoder) -> Self {
        Self {
            stream: Source::Other(Box::new(stream)),
            decoder,
        }
    }

    /// Decodes what was received already: the HTTP server may have read past the handshake.
    ///
    /// # Errors
    /// As [`Decoder::feed`].
    pub fn feed(&mut self, received: &mut [u8], out: &mut Vec<Item>) -> Result<(), CodecError> {
        self.decoder.feed(received, out)
    }

    /// Waits for bytes, reads once, and adds what is whole now to `out`, at most what 64 KiB
    /// hold; how fast it is called is how fast the peer may send. Cancel-safe: a call that is
    /// dropped has read nothing.
    ///
    /// # Errors
    /// [`ReadError`]; `out` has what came before.
    pub async fn read(&mut self, out: &mut Vec<Item>) -> Result<Received, ReadError> {
        poll_fn(|cx| self.poll_read(cx, out)).await
    }

    /// The heap that partial frames and messages take now, in bytes.
    #[must_use]
    pub const fn kept_bytes(&self) -> usize {
        self.decoder.kept_bytes()
    }

    // Reading and decoding are one step, because the scratch buffer may not outlive the poll.
    // `poll_read`, not `try_read`: a short read tells tokio that the socket is empty, which saves
    // the read that would find it so.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<Item>,
    ) -> Poll<Result<Received, ReadError>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(self.stream.poll_read(cx, &mut buf))?;
            let received = buf.filled_mut();
            if received.is_empty() {
                return Poll::Ready(Ok(Received::End));
            }
            self.decoder.feed(received, out)?;
            Poll::Ready(Ok(Received::Bytes(received.len())))
        })
    }
}

/// Where bytes come from.
enum Source {
    Tcp(OwnedReadHalf),
    Other(Box<dyn AsyncRead + Send + Unpin>),
}

impl Source {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Other(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Other(_) => "Other",
        })
    }
}
