//! One end of a connection, as a program holds it.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use xxhash_rust::xxh3::xxh3_64;

use super::way::Found;
use super::{Connection, Network};
use crate::clock::instant;

/// What a slow reader takes at once, in bytes.
const SIP: usize = 1024;

/// See the module. Dropping it closes the connection.
pub struct Stream {
    network: Network,
    connection: Arc<Connection>,
    /// Which of the two hosts holds it: that is also the way on which it sends.
    side: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(network: Network, connection: Arc<Connection>, side: usize) -> Self {
        Self { network, connection, side, timer: None }
    }

    /// The host that holds this end.
    #[must_use]
    pub fn host(&self) -> usize {
        self.connection.hosts[self.side]
    }

    /// The host at the other end.
    #[must_use]
    pub fn peer(&self) -> usize {
        self.connection.hosts[1 - self.side]
    }

    /// Sets the timer, and tells whether the instant has come.
    fn wait(&mut self, until: Instant, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let connection = Arc::clone(&self.connection);
            let host = self.host();
            let rate = self.network.0.state.lock().weather.reads(host);
            let mut way = connection.ways[1 - self.side].lock();
            let now = instant();
            if rate.is_some() && way.rest > now {
                let rest = way.rest;
                drop(way);
                if !self.wait(rest, cx) {
                    return Poll::Pending;
                }
                continue;
            }
            let most = rate.map_or(buffer.remaining(), |_| buffer.remaining().min(SIP));
            match way.take(most, now, |bytes| buffer.put_slice(bytes)) {
                Found::Taken(count) => {
                    if let Some(rate) = rate {
                        way.rest = now + Duration::from_millis(count as u64 * 1000 / rate.max(1));
                    }
                    return Poll::Ready(Ok(()));
                }
                Found::End => return Poll::Ready(Ok(())),
                Found::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Found::Nothing => {
                    way.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Found::Later(due) => {
                    // A reset may overtake what is on its way.
                    way.reader = Some(cx.waker().clone());
                    drop(way);
                    if !self.wait(due, cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (network, connection, side) = (&self.network, &self.connection, self.side);
        let now = instant();
        let path = network.path_of(connection, side);
        let mut way = connection.ways[side].lock();
        if way.is_ended() || connection.ways[1 - side].lock().is_reset(now) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(way.room());
        if count == 0 && !bytes.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let sent = bytes.get(..count).unwrap_or_default();
        way.send(sent, path, now);
        let abandoned = way.abandoned;
        drop(way);
        if !path.blocked && (abandoned || network.is_unknown(connection, side)) {
            network.answer_with_reset(connection, side, now);
        }
        network.0.trace.event(self.host(), "send", connection.number, xxh3_64(sent));
        network.0.trace.bytes(sent);
        let mut state = network.0.state.lock();
        state.figures.writes += 1;
        state.figures.bytes += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(false);
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    fn end(&self, reset: bool) {
        let path = self.network.path_of(&self.connection, self.side);
        self.connection.ways[self.side].lock().end(reset, path, instant());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let (network, connection) = (self.network.clone(), Arc::clone(&self.connection));
        // Who closes without having read everything resets the connection.
        let unread = connection.ways[1 - self.side].lock().is_unread();
        if network.is_dark(self.host()) {
            // No power, no last words.
            connection.ways[self.side].lock().writer = None;
        } else {
            self.end(unread);
        }
        let mut own = connection.ways[1 - self.side].lock();
        (own.reader, own.abandoned) = (None, true);
        let writer = own.writer.take();
        drop(own);
        if let Some(writer) = writer {
            writer.wake();
        }
        let both = connection.ways.iter().all(|way| way.lock().abandoned);
        if both {
            network.0.state.lock().connections.remove(&connection.number);
        }
    }
}
