//! `ClientStream`: a client's connection, plain or TLS, whose request lines are mended before the application reads them.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::Protocol;
use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;

use super::{
    boundary::{Limits, RequestLines},
    certified::{Certified, CertifiedAgent, CertifiedClusterUser, ReadCertificate},
    refusal::Refusal,
};
use crate::certificates::Bearer;

/// Rewritten bytes come in a buffer of their own; one that grew larger than this is given back when it is empty.
const KEEP_BUFFER: usize = 8192;

/// Of what a refused client still sends, this much is read before the connection is cut, so that the answer is not lost:
/// a close with unread bytes resets the connection.
const LINGER_BYTES: usize = 1 << 20;

/// As [`LINGER_BYTES`], in time.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What a handler may know of the connection, by `request.conn_data::<Peer>()`.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The client's address.
    pub address: SocketAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
    /// The user whom the client's certificate names, where it showed one.
    pub user: Option<Arc<Bearer>>,
    /// The agent of the area that the client's certificate names, where it showed such a one.
    pub agent: Option<CertifiedAgent>,
    /// The API user of a cluster of Flocker's whom the client's certificate names, at the door for those.
    pub cluster_user: Option<Arc<CertifiedClusterUser>>,
    /// Whether the client has left.
    pub departure: Departure,
}

/// Tells whether a client will send no more. Whoever gets an answer that has no end has left then.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<AtomicBool>);

impl Departure {
    /// Whether the client has ended its side of the connection.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn see(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection below HTTP.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// The protocol agreed on; without TLS it is HTTP/1.x.
    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    /// Who is at the other end.
    pub(super) fn peer(&self, address: SocketAddr, users: Option<&ReadCertificate>) -> Peer {
        let certificate = match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.get_ref().1.peer_certificates().and_then(|chain| chain.first()),
        };
        let secure = matches!(self, Self::Tls(_));
        let mut peer =
            Peer { address, secure, user: None, agent: None, cluster_user: None, departure: Departure::default() };
        match certificate.zip(users).and_then(|(der, read)| read(der)) {
            Some(Certified::User(user)) => peer.user = Some(Arc::new(Bearer::new(user))),
            Some(Certified::Agent(agent)) => peer.agent = Some(agent),
            Some(Certified::ClusterUser(user)) => peer.cluster_user = Some(Arc::new(user)),
            None => {}
        }
        peer
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, data),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, data),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From a head's first byte to its last.
    pub head: Duration,
    /// From one byte that it takes of an answer to the next.
    pub stall: Duration,
}

/// A client's connection as the application reads it.
pub struct ClientStream<S> {
    inner: S,
    peer: Peer,
    lines: RequestLines,
    /// What the application shall read before anything else is read from the connection.
    pending: BytesMut,
    times: Times,
    /// Runs while the client takes nothing of what is there for it.
    stall: Option<Pin<Box<Sleep>>>,
    /// Runs while a head has begun and is not complete, and during a close after a refusal.
    timer: Option<Pin<Box<Sleep>>>,
    lingered: usize,
    shut_down: bool,
}

impl ClientStream<Transport> {
    /// A connection that has just been accepted.
    pub(super) fn accepted(inner: Transport, peer: Peer, limits: Limits, times: Times) -> Self {
        let lines = match inner.protocol() {
            Protocol::Http2 => RequestLines::pass_through(),
            _ => RequestLines::new(limits),
        };
        Self::new(inner, peer, lines, times)
    }
}

impl<S> ClientStream<S> {
    /// A connection over any stream.
    pub fn new(inner: S, peer: Peer, lines: RequestLines, times: Times) -> Self {
        let pending = BytesMut::new();
        Self { inner, peer, lines, pending, times, stall: None, timer: None, lingered: 0, shut_down: false }
    }

    /// Who is on the other side.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Hands out rewritten bytes; false where there are none.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let length = self.pending.len().min(buf.remaining());
        buf.put_slice(&self.pending[..length]);
        self.pending.advance(length);
        if self.pending.is_empty() {
            // An emptied buffer is taken back to its beginning, one that grew large is given back.
            self.pending.clear();
            if self.pending.capacity() > KEEP_BUFFER {
                self.pending = BytesMut::new();
            }
        }
        true
    }

    /// Whether the time for the head that has begun is over.
    fn head_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
    }

    /// Starts or stops the clock of a head after bytes have arrived.
    fn watch_head(&mut self) {
        if !self.lines.is_mid_head() {
            self.timer = None;
        } else if self.timer.is_none() {
            self.timer = Some(Box::pin(sleep(self.times.head)));
        }
    }
}

impl<S> ClientStream<S> {
    /// Passes on how a write went, and gives up a client that has taken nothing for too long: the application, which
    /// waits until it may write again, would hold what is meant for it for ever.
    fn or_stalled<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.times.stall;
        let timer = self.stall.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl<S: AsyncRead + Unpin> ClientStream<S> {
    /// Reads and drops what a refused client still sends, up to a bound in bytes and in time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(LINGER_TIME)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while self.lingered < LINGER_BYTES {
            let mut scratch = [0; 4096];
            let mut buf = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                break;
            }
            self.lingered += buf.filled().len();
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if buf.remaining() == 0 || this.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            if this.lines.passes_through() {
                ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
                if buf.filled().len() == before {
                    this.peer.departure.see();
                }
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut this.inner).poll_read(cx, buf) {
                Poll::Pending if this.head_is_late(cx) => {
                    this.timer = None;
                    this.lines.refuse(Refusal::HeadTimeout, &mut this.pending);
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {
                    let read = &buf.filled()[before..];
                    if read.is_empty() {
                        this.peer.departure.see();
                        return Poll::Ready(Ok(()));
                    }
                    let kept = this.lines.filter(read, &mut this.pending);
                    buf.set_filled(before + kept);
                    this.watch_head();
                    if kept > 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, data);
        self.or_stalled(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Over TLS, a write may be taken whole and sent later.
        let written = Pin::new(&mut self.inner).poll_flush(cx);
        self.or_stalled(written, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut_down {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.shut_down = true;
        }
        if this.lines.is_dropping() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, data);
        self.or_stalled(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
