//! What waits to be sent on a link, within bounds, and how far the first of it has gone.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// Frames in the order in which they leave. Frames for many peers share their bytes.
#[derive(Debug)]
pub(super) struct Outbox {
    frames: VecDeque<Bytes>,
    waiting: usize,
    max_frames: usize,
    max_bytes: usize,
    /// Something of the first frame has left: it must be finished whatever happens.
    begun: bool,
    /// TLS may hold bytes that have not left yet.
    unflushed: bool,
}

/// What a write has achieved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

impl Outbox {
    pub(super) fn new(max_frames: usize, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), waiting: 0, max_frames, max_bytes, begun: false, unflushed: false }
    }

    /// Whether nothing more shall be asked, answered or read before some of it has left.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= self.max_frames || self.waiting >= self.max_bytes
    }

    /// Whether everything has left.
    pub(super) fn is_done(&self) -> bool {
        self.frames.is_empty() && !self.unflushed
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.waiting += frame.len();
        self.frames.push_back(frame);
    }

    /// Keeps nothing but the frame that has begun to leave, and `last`.
    pub(super) fn end_with(&mut self, last: Option<Bytes>) {
        self.frames.truncate(usize::from(self.begun));
        self.waiting = self.frames.iter().map(Bytes::len).sum();
        if let Some(last) = last {
            self.push(last);
        }
    }

    /// Writes as much as is taken. Ready once everything has left; `written` grows in any case.
    pub(super) fn poll_write<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        written: &mut Written,
    ) -> Poll<std::io::Result<()>> {
        while let Some(frame) = self.frames.front_mut() {
            let taken = ready!(Pin::new(&mut *io).poll_write(cx, frame))?;
            if taken == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            frame.advance(taken);
            self.waiting -= taken;
            written.bytes += taken;
            self.begun = true;
            self.unflushed = true;
            if frame.is_empty() {
                self.frames.pop_front();
                self.begun = false;
                written.frames += 1;
            }
        }
        if self.frames.capacity() > 16 {
            self.frames = VecDeque::new();
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
