//! The write half of one connection, shared by all who write to it: rooms write from their own
//! tasks, without awaiting, and only when the socket is full the connection's task finishes.
//!
//! A room that found it full keeps its further frames to itself, leaves a token, and is handed
//! the token back by the connection's task once everything has left:
//!
//! ```text
//! room's task                          connection's task
//! write(frames) -> Blocked             flush_rest() wakes, writes as the socket takes it
//! wait(token)                          -> Drained([token]): tell that room
//! write(frames) -> All
//! ```

mod sink;

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use sink::{Mode, Sink};

/// What became of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// They are with the operating system.
    All,
    /// They are kept until [`ConnWriter::push`], which is due.
    Kept,
    /// The socket is full. What was taken from the frames leaves later; write no more before
    /// the token given to [`ConnWriter::wait`] comes back.
    Blocked,
    /// The connection is closing, closed or broken; the frames were not taken.
    Closed,
}

/// How [`ConnWriter::flush_rest`] ended.
#[derive(Debug)]
pub enum Flushed<W> {
    /// Nothing is left over; those who wait may write again.
    Drained(Vec<W>),
    /// The close frame has left and the write side is shut down.
    Closed,
    /// The transport failed; there is nobody to tell.
    Broken(io::Error),
}

/// The write half of one connection; `W` is what a writer waits with, see [`wait`](Self::wait).
#[derive(Debug)]
pub struct ConnWriter<W> {
    /// Rooms and the connection's task share it; held for one non-blocking write, never across
    /// an await.
    state: Mutex<State<W>>,
}

impl<W> ConnWriter<W> {
    /// Writes to a TCP stream. Nagle's algorithm should be off.
    #[must_use]
    pub const fn tcp(stream: OwnedWriteHalf) -> Self {
        Self::new(Sink::Tcp(stream))
    }

    /// Writes to any other stream, such as TLS.
    #[must_use]
    pub fn other(stream: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::new(Sink::Other(Box::new(stream)))
    }

    const fn new(sink: Sink) -> Self {
        Self {
            state: Mutex::new(State {
                sink,
                phase: Phase::Open,
                rest: Vec::new(),
                waiting: Vec::new(),
                task: None,
            }),
        }
    }

    /// Writes `frames`, whole frames in their order, without blocking. When nothing was left over
    /// from before they are all taken: what the socket does not take is kept, and the
    /// connection's task is woken to finish. When something was, none is taken and the answer is
    /// [`Written::Blocked`]: so no more is kept than what one call gave.
    pub fn write(&self, frames: &mut Vec<Bytes>) -> Written {
        let mut state = self.lock();
        let stuck = matches!(state.phase, Phase::Kept) && state.push().is_pending();
        let refused = match state.phase {
            Phase::Open => None,
            Phase::Kept | Phase::Blocked => Some(Written::Blocked),
            Phase::Closing | Phase::Closed | Phase::Broken(_) => Some(Written::Closed),
        };
        if let Some(refused) = refused {
            if stuck {
                wake(state);
            }
            return refused;
        }
        let result = state.sink.write_frames(frames, &mut Mode::Try);
        let result = match result {
            Poll::Ready(Ok(())) => state.sink.flush(&mut Mode::Try),
            other => other,
        };
        let written = match result {
            Poll::Ready(Ok(())) => {
                frames.clear();
                return Written::All;
            }
            Poll::Ready(Err(error)) => {
                state.fail(Some(error));
                Written::Closed
            }
            Poll::Pending => {
                state.rest.append(frames);
                state.phase = Phase::Blocked;
                Written::Blocked
            }
        };
        wake(state);
        written
    }

    /// Keeps `frames`, whole frames in their order, for a call of [`push`](Self::push) that follows
    /// soon. Where something is kept or left over already this writes, as [`write`](Self::write)
    /// does: so no more is kept than what one call gave.
    pub fn keep(&self, frames: &mut Vec<Bytes>) -> Written {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            drop(state);
            return self.write(frames);
        }
        std::mem::swap(&mut state.rest, frames);
        state.phase = Phase::Kept;
        Written::Kept
    }

    /// Writes what was kept, without blocking; what the socket does not take the
    /// connection's task sends.
    pub fn push(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Kept) && state.push().is_pending() {
            wake(state);
        }
    }

    /// Leaves `token` to be handed out by [`flush_rest`](Self::flush_rest) once everything has
    /// left. Gives it back when that is so already, or the connection is closed: write again, and
    /// see. Each writer waits once at a time, so that there are no more tokens than sessions.
    #[must_use = "a token that comes back is not kept"]
    pub fn wait(&self, token: W) -> Option<W> {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Blocked) {
            return Some(token);
        }
        state.waiting.push(token);
        None
    }

    /// Sends `frame`, a close frame, behind what is left over, and then shuts the write side
    /// down; later writes are answered with [`Written::Closed`]. What does not leave at once
    /// [`flush_rest`](Self::flush_rest) sends: give that a deadline. Nothing happens when the
    /// connection is closing already.
    pub fn close(&self, frame: Bytes) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open | Phase::Kept | Phase::Blocked) {
            return;
        }
        state.rest.push(frame);
        state.phase = Phase::Closing;
        state.waiting.clear();
        if let Poll::Ready(Err(error)) = state.drive(&mut Mode::Try) {
            state.fail(Some(error));
        }
        wake(state);
    }

    /// For the connection's task: waits until something is left over, writes it as the socket
    /// takes it, and says how that ended. Call it again after [`Flushed::Drained`], not after the
    /// others. Cancel-safe: what was not written is still there for the next call. One task at a
    /// time.
    pub async fn flush_rest(&self) -> Flushed<W> {
        poll_fn(|cx| self.lock().poll_rest(cx)).await
    }

    /// How many bytes are left over.
    #[must_use]
    pub fn rest_bytes(&self) -> usize {
        let state = self.lock();
        state.rest.iter().map(Bytes::len).sum()
    }

    // A panic under the lock is a bug of this module; the frames may be torn, yet the connection
    // still has to be closed.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the connection's task, after the lock is free.
fn wake<W>(mut state: MutexGuard<'_, State<W>>) {
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

#[derive(Debug)]
enum Phase {
    /// Nothing is left over.
    Open,
    /// Frames are kept for [`ConnWriter::push`]; nobody waits.
    Kept,
    /// Frames are left over, or the transport holds bytes back.
    Blocked,
    /// As blocked, and the last frame left over is the close frame.
    Closing,
    /// All has left and the write side is shut down.
    Closed,
    /// The transport failed; the error until it is told.
    Broken(Option<io::Error>),
}

struct State<W> {
    sink: Sink,
    phase: Phase,
    /// Frames left over or kept; those that left are empty, the one behind may be a part. No heap
    /// when open.
    rest: Vec<Bytes>,
    /// Who waits for the rest to leave; empty unless blocked.
    waiting: Vec<W>,
    /// The connection's task while it is in `flush_rest`. Whoever changes the phase or touches
    /// the sink wakes it, because a try may take its place as the one that the transport wakes.
    task: Option<Waker>,
}

impl<W> State<W> {
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Flushed<W>> {
        let result = match &mut self.phase {
            Phase::Open => Poll::Pending,
            Phase::Kept | Phase::Blocked | Phase::Closing => self.drive(&mut Mode::Wait(cx)),
            Phase::Closed => Poll::Ready(Ok(())),
            Phase::Broken(error) => Poll::Ready(Err(told(error))),
        };
        match result {
            Poll::Ready(Ok(())) if matches!(self.phase, Phase::Open) => {
                Poll::Ready(Flushed::Drained(std::mem::take(&mut self.waiting)))
            }
            Poll::Ready(Ok(())) => Poll::Ready(Flushed::Closed),
            Poll::Ready(Err(error)) => {
                self.fail(None);
                Poll::Ready(Flushed::Broken(error))
            }
            Poll::Pending => {
                match &mut self.task {
                    Some(task) => task.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// Writes the rest, then goes on to the next phase: open or closed.
    fn drive(&mut self, mode: &mut Mode<'_, '_>) -> Poll<io::Result<()>> {
        ready!(self.sink.write_frames(&mut self.rest, mode))?;
        ready!(self.sink.flush(mode))?;
        self.rest = Vec::new();
        if matches!(self.phase, Phase::Closing) {
            ready!(self.sink.shut_down(mode))?;
            self.phase = Phase::Closed;
        } else {
            self.phase = Phase::Open;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what was kept, as the socket takes it at once; pending when the task is to be woken.
    fn push(&mut self) -> Poll<()> {
        match self.drive(&mut Mode::Try) {
            Poll::Ready(Ok(())) => return Poll::Ready(()),
            Poll::Ready(Err(error)) => self.fail(Some(error)),
            Poll::Pending => self.phase = Phase::Blocked,
        }
        Poll::Pending
    }

    fn fail(&mut self, error: Option<io::Error>) {
        self.phase = Phase::Broken(error);
        self.rest = Vec::new();
        self.waiting = Vec::new();
    }
}

fn told(error: &mut Option<io::Error>) -> io::Error {
    error
        .take()
        .unwrap_or_else(|| io::ErrorKind::NotConnected.into())
}

impl<W> std::fmt::Debug for State<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("phase", &self.phase)
            .field("rest_frames", &self.rest.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
