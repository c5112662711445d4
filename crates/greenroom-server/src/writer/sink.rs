//! Where a connection's bytes go, and how a run of frames becomes few system calls.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::coop::unconstrained;

/// Frames up to this size, in bytes, are copied together: that is cheaper than a slice of their
/// own, of which the kernel copies a list and walks it.
const SMALL_BYTES_MAX: usize = 1 << 10;

/// The most that is copied together for one system call, in bytes.
const JOINED_BYTES_MAX: usize = 32 << 10;

/// Slices in one system call; Linux takes 1,024, but what does not fit the socket is in vain.
const SLICES_MAX: usize = 64;

thread_local! {
    /// Borrowed only within one write, which calls nothing that could write another.
    static JOINED: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(JOINED_BYTES_MAX));
}

/// How to go about a write that would block.
#[derive(Debug)]
pub(super) enum Mode<'a, 'b> {
    /// Give up; nobody is woken.
    Try,
    /// Wake this task once it would not.
    Wait(&'a mut Context<'b>),
}

/// The write half of the transport.
pub(super) enum Sink {
    Tcp(OwnedWriteHalf),
    Other(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Sink {
    /// Writes `frames` in order. Whatever is written is gone from them: a frame that left is
    /// empty, the one behind is what is left of it.
    pub(super) fn write_frames(
        &mut self,
        frames: &mut [Bytes],
        mode: &mut Mode<'_, '_>,
    ) -> Poll<io::Result<()>> {
        let mut done = 0;
        loop {
            done += frames[done..].iter().take_while(|f| f.is_empty()).count();
            if done == frames.len() {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.write_run(&frames[done..], mode)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(written) => done += advance(&mut frames[done..], written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes as many of `frames`, which are not empty, as one system call should take.
    fn write_run(&mut self, frames: &[Bytes], mode: &mut Mode<'_, '_>) -> Poll<io::Result<usize>> {
        if let [one] = frames {
            return self.write(&[IoSlice::new(one)], mode);
        }
        let small = frames.iter().take_while(|f| f.len() <= SMALL_BYTES_MAX);
        let joined = small.scan(0, |sum, frame| {
            *sum += frame.len();
            (*sum <= JOINED_BYTES_MAX).then_some(frame)
        });
        let joined_frames = joined.clone().count();
        if joined_frames >= 2 {
            return JOINED.with_borrow_mut(|buf| {
                buf.clear();
                joined.for_each(|frame| buf.extend_from_slice(frame));
                self.write(&[IoSlice::new(buf)], mode)
            });
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = frames.len().min(SLICES_MAX);
        for (slice, frame) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(frame);
        }
        self.write(&slices[..count], mode)
    }

    // A TCP stream is tried directly: polling would take from the budget that tokio gives a task,
    // and a room that writes to hundreds would find sockets full that are not. What tokio knows of
    // the socket is far from the cache then, so the system is asked; tokio finds out by itself when
    // somebody waits. Another stream has only polling, hence without the budget and with a waker
    // that wakes nobody.
    fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        mode: &mut Mode<'_, '_>,
    ) -> Poll<io::Result<usize>> {
        match (self, mode) {
            (Self::Tcp(stream), Mode::Try) => {
                let result = match slices {
                    // A peer that is gone is no signal: Rust programs ignore SIGPIPE.
                    [one] => SockRef::from(stream.as_ref()).send(one),
                    many => stream.try_write_vectored(many),
                };
                match result {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
                    result => Poll::Ready(result),
                }
            }
            (Self::Tcp(stream), Mode::Wait(cx)) => Pin::new(stream).poll_write_vectored(cx, slices),
            (Self::Other(stream), mode) => poll(mode, |cx| {
                Pin::new(&mut *stream).poll_write_vectored(cx, slices)
            }),
        }
    }

    /// Pushes on what the transport itself holds back, such as a TLS record.
    pub(super) fn flush(&mut self, mode: &mut Mode<'_, '_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(stream) => poll(mode, |cx| Pin::new(&mut *stream).poll_flush(cx)),
        }
    }

    /// Tells the peer that nothing more comes.
    pub(super) fn shut_down(&mut self, mode: &mut Mode<'_, '_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => poll(mode, |cx| Pin::new(&mut *stream).poll_shutdown(cx)),
            Self::Other(stream) => poll(mode, |cx| Pin::new(&mut *stream).poll_shutdown(cx)),
        }
    }
}

fn poll<T>(mode: &mut Mode<'_, '_>, mut step: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    match mode {
        Mode::Wait(cx) => step(cx),
        Mode::Try => {
            let mut cx = Context::from_waker(Waker::noop());
            pin!(unconstrained(poll_fn(step))).poll(&mut cx)
        }
    }
}

/// Counts the frames that `written` bytes finish, frees them, and advances the one behind.
fn advance(frames: &mut [Bytes], mut written: usize) -> usize {
    for (done, frame) in frames.iter_mut().enumerate() {
        if written < frame.len() {
            frame.advance(written);
            return done;
        }
        written -= frame.len();
        *frame = Bytes::new();
    }
    frames.len()
}
