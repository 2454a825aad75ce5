//! One open link: frames in, frames out, questions both ways, signs of life, and its end.
//!
//! It is one task with one future, written by hand so that an idle link holds no buffer and its clocks are one timer.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, Stream as _};
use mf2c_actors::ports::LinkError;
use mf2c_fabric::wire::{Answer, Code, Decoder, Message, Notice, WireError, encode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::oneshot;

use super::base::{Base, ahead};
use super::clocks::{Clocks, Due};
use super::counters::{add, count};
use super::outbox::{Outbox, Written};
use super::registry::{Asking, Command, Link, Orders};
use super::rights::{self, Heard};

/// Bytes that are read at once.
const CHUNK: usize = 8192;
/// Steps after which other tasks of the thread come first.
const STEPS: usize = 128;
/// Bytes that are read while nothing is taken up.
const OVERHEARD: usize = 64 << 10;
/// Bytes that are thrown away while a refusal travels.
const LEFTOVERS: usize = 256 << 10;

/// Why a link ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The peer said why.
    Told(WireError),
    /// The connection broke, or the peer left.
    Gone(String),
    /// We end it, and the peer is told why.
    Refuse(WireError),
    /// Everything was answered and it is no longer needed.
    Done,
}

impl End {
    /// For those who still wait for answers.
    pub(super) fn to_error(&self, address: String) -> LinkError {
        match self {
            Self::Told(error) | Self::Refuse(error) => LinkError::Refused(error.clone()),
            Self::Gone(reason) => LinkError::Unreachable { address, reason: reason.clone() },
            Self::Done => LinkError::Unreachable { address, reason: "the link was closed".to_owned() },
        }
    }
}

type Served = Pin<Box<dyn Future<Output = (u64, Result<Answer, WireError>)> + Send>>;

/// An open link.
pub(super) struct Session<T> {
    io: T,
    base: Arc<Base>,
    link: Arc<Link>,
    orders: Orders,
    decoder: Decoder,
    outbox: Outbox,
    /// Our open questions.
    asked: BTreeMap<u64, oneshot::Sender<Result<Answer, LinkError>>>,
    next_question: u64,
    /// The peer's open questions.
    serving: FuturesUnordered<Served>,
    served: Vec<u64>,
    notices: u32,
    clocks: Clocks,
    /// Whether those who are told of links were told of this one.
    announced: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Session<T> {
    /// A link whose Hellos have agreed. `decoder` may hold what the peer sent behind its Hello.
    pub(super) fn new(io: T, decoder: Decoder, link: Arc<Link>, orders: Orders, base: Arc<Base>) -> Self {
        let limits = &base.limits;
        let clocks = Clocks::new(limits, &link.peer, base.until(link.peer.identity.not_after));
        link.heard.store(base.stamp(clocks.heard), Ordering::Relaxed);
        let outbox = Outbox::new(limits.queue_frames, limits.queue_bytes);
        let serving = FuturesUnordered::new();
        let asked = BTreeMap::new();
        let (next_question, served, notices) = (1, vec![], 0);
        let announced = false;
        Self {
            io,
            base,
            link,
            orders,
            decoder,
            outbox,
            asked,
            next_question,
            serving,
            served,
            notices,
            clocks,
            announced,
        }
    }

    /// Runs until the end, and says why it ended.
    pub(super) async fn run(mut self) -> End {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.serving.clear();
        if self.announced
            && let Some(service) = self.base.service.get()
        {
            service.closed(self.link.number);
        }
        for (_, reply) in std::mem::take(&mut self.asked) {
            let _ = reply.send(Err(end.to_error(self.link.peer.address.to_string())));
        }
        // What is rare does not make the task of every link larger.
        Box::pin(self.part(end)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..STEPS {
            match self.step(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One thing that can be done now.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if !self.announced
            && let Some(service) = self.base.service.get()
        {
            self.announced = true;
            service.opened(self.link.open_link());
        }
        if let Poll::Ready(Ok(why)) = Pin::new(&mut self.orders.end).poll(cx) {
            return Poll::Ready(Err(End::Refuse(why)));
        }
        self.write(cx)?;
        if !self.outbox.is_full() {
            // After the order to finish come those that were on their way already, and then none.
            match self.orders.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => return Poll::Ready(self.obey(command)),
                Poll::Ready(None) if self.is_idle() => return Poll::Ready(Err(End::Done)),
                Poll::Ready(None) | Poll::Pending => {}
            }
            if !self.serving.is_empty()
                && let Poll::Ready(Some((id, result))) = Pin::new(&mut self.serving).poll_next(cx)
            {
                self.served.retain(|open| *open != id);
                return Poll::Ready(self.reply(id, result));
            }
            if let Poll::Ready(read) = self.read(cx) {
                return Poll::Ready(read);
            }
        } else if let Poll::Ready(read) = self.overhear(cx) {
            return Poll::Ready(read);
        }
        self.time(cx)
    }

    /// Whether nobody waits for anything.
    fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.serving.is_empty() && self.outbox.is_done()
    }

    /// Sends what can be sent.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.outbox.is_done() {
            return Ok(());
        }
        let mut written = Written::default();
        let poll = self.outbox.poll_write(&mut self.io, cx, &mut written);
        add(&self.base.counting.frames_out, written.frames);
        add(&self.base.counting.bytes_out, written.bytes);
        match poll {
            Poll::Ready(Ok(())) => self.clocks.stall = None,
            Poll::Ready(Err(error)) => return Err(self.last_words(cx).unwrap_or(End::Gone(error.to_string()))),
            // Each frame has its time anew.
            Poll::Pending if self.clocks.stall.is_none() || written.frames > 0 => {
                self.clocks.stall = Some(ahead(self.base.limits.write_stall));
            }
            Poll::Pending => {}
        }
        Ok(())
    }

    /// What the peer said before it stopped to take anything.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Option<End> {
        let mut left = LEFTOVERS;
        loop {
            while let Some(message) = self.decoder.next().ok()? {
                if let Message::Close(why) = message {
                    return Some(End::Told(why));
                }
            }
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.io).poll_read(cx, &mut chunk) {
                Poll::Ready(Ok(())) if !chunk.filled().is_empty() && left > 0 => {
                    left = left.saturating_sub(chunk.filled().len());
                    self.decoder.feed(chunk.filled());
                }
                _ => return None,
            }
        }
    }

    /// Takes one message, or some bytes of it.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if let Some(message) = self.decoder.next().map_err(End::Refuse)? {
            return Poll::Ready(self.take_up(message));
        }
        if self.decoder.is_inside() {
            self.clocks.frame.get_or_insert_with(|| ahead(self.base.limits.frame));
        }
        match ready!(self.fill(cx)) {
            // Most often that is one message.
            Ok(()) => match self.decoder.next().map_err(End::Refuse)? {
                Some(message) => Poll::Ready(self.take_up(message)),
                None => Poll::Ready(Ok(())),
            },
            Err(end) => Poll::Ready(Err(end)),
        }
    }

    fn take_up(&mut self, message: Message) -> Result<(), End> {
        count(&self.base.counting.frames_in);
        self.lives();
        self.clocks.frame = None;
        self.take(message)
    }

    /// Takes up nothing while so much waits to be sent: then it is not the peer that is slow in sending. That something
    /// comes from it is a sign of life all the same; where too much has come, its silence cannot be judged.
    fn overhear(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.clocks.frame = None;
        if self.decoder.capacity() >= OVERHEARD {
            self.lives();
            return Poll::Pending;
        }
        let read = self.fill(cx);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.lives();
        }
        read
    }

    /// The peer has given a sign of life.
    fn lives(&mut self) {
        self.clocks.hear();
        self.link.heard.store(self.base.stamp(self.clocks.heard), Ordering::Relaxed);
    }

    /// Reads what has come.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        // Many looks find nothing: the memory is not written before something comes.
        let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        match Pin::new(&mut self.io).poll_read(cx, &mut chunk) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(End::Gone(error.to_string()))),
            Poll::Ready(Ok(())) if chunk.filled().is_empty() => {
                let inside = if self.decoder.is_inside() { " in the middle of a frame" } else { "" };
                Poll::Ready(Err(End::Gone(format!("the peer closed the connection{inside}"))))
            }
            Poll::Ready(Ok(())) => {
                add(&self.base.counting.bytes_in, chunk.filled().len());
                self.decoder.feed(chunk.filled());
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Does what a message says.
    fn take(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Hello(_) => {
                Err(End::Refuse(WireError::new(Code::BadFrame, "a second Hello, expected one at the beginning")))
            }
            Message::Ping(number) => self.send(&Message::Pong(number)),
            Message::Pong(_) => Ok(()),
            Message::Close(error) => Err(End::Told(error)),
            Message::Reply { re, result } => {
                // Nobody waits any more for an answer that comes late.
                if let Some(reply) = self.asked.remove(&re) {
                    let _ = reply.send(result.map_err(LinkError::Refused));
                }
                Ok(())
            }
            Message::Notice(notice) => self.hear(notice),
            Message::Request { id, deadline, ask } => {
                if self.served.contains(&id) {
                    let text = "a question with the number of one that is open, expected a new number";
                    return Err(End::Refuse(WireError::new(Code::BadFrame, text)));
                }
                if let Err(refused) = rights::may_ask(&self.link.peer, &ask) {
                    return self.reply(id, Err(refused));
                }
                if self.served.len() >= self.base.limits.in_flight || self.clocks.finish.is_some() {
                    return self.reply(id, Err(WireError::new(Code::Busy, "too many open questions: ask again later")));
                }
                let peer = &self.link.peer;
                let within = Duration::from_millis(deadline.into());
                let answer = self.base.answer(ask, Some(Arc::clone(&peer.identity)), peer.address.ip(), within);
                self.served.push(id);
                self.serving.push(Box::pin(async move { (id, answer.await) }));
                Ok(())
            }
        }
    }

    /// Passes a notice on to who shall hear it.
    fn hear(&mut self, notice: Notice) -> Result<(), End> {
        if matches!(notice, Notice::Trust(_)) {
            if self.clocks.count_anew() {
                self.notices = 0;
            }
            self.notices = self.notices.saturating_add(1);
        }
        let Some(service) = self.base.service.get() else { return Ok(()) };
        match rights::notice(&self.link.peer, notice, self.notices) {
            Heard::Trust(notice) => service.notice(notice, Arc::clone(&self.link.peer.identity)),
            Heard::Word(notice) => return service.heard(self.link.number, notice).map_err(End::Refuse),
            Heard::Nothing => {}
        }
        Ok(())
    }

    /// Does what the agent wants.
    fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Ask(asking) => self.ask(*asking),
            Command::Send(frame) => {
                self.link.taken(frame.len());
                self.outbox.push(frame);
                Ok(())
            }
            Command::Look => Ok(()),
            Command::Finish => {
                self.orders.commands.close();
                self.clocks.finish = Some(ahead(self.base.limits.answer));
                Ok(())
            }
        }
    }

    fn ask(&mut self, asking: Asking) -> Result<(), End> {
        let Asking { ask, deadline, reply } = asking;
        if self.asked.len() >= self.base.limits.in_flight {
            self.asked.retain(|_, reply| !reply.is_closed());
        }
        if self.asked.len() >= self.base.limits.in_flight {
            let busy = WireError::new(Code::Busy, "too many questions to this peer are open: ask again later");
            let _ = reply.send(Err(LinkError::Refused(busy)));
            return Ok(());
        }
        let id = self.next_question;
        self.next_question += 1;
        match encode(&Message::Request { id, deadline, ask }, self.link.peer.agreement.max_frame) {
            Ok(frame) => {
                self.asked.insert(id, reply);
                self.outbox.push(frame.into());
            }
            Err(error) => {
                let _ = reply.send(Err(LinkError::Refused(error)));
            }
        }
        Ok(())
    }

    fn reply(&mut self, re: u64, result: Result<Answer, WireError>) -> Result<(), End> {
        let max_frame = self.link.peer.agreement.max_frame;
        let frame = encode(&Message::Reply { re, result }, max_frame)
            .or_else(|error| encode(&Message::Reply { re, result: Err(error) }, max_frame));
        self.outbox.push(frame.map_err(End::Refuse)?.into());
        Ok(())
    }

    fn send(&mut self, message: &Message) -> Result<(), End> {
        let frame = encode(message, self.link.peer.agreement.max_frame).map_err(End::Refuse)?;
        self.outbox.push(frame.into());
        Ok(())
    }

    /// Looks at the clocks.
    fn time(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let left = self.base.until(self.link.peer.identity.not_after);
        let end = |code, text: &str| Poll::Ready(Err(End::Refuse(WireError::new(code, text))));
        match ready!(self.clocks.poll(cx, left)) {
            Due::Look => Poll::Ready(Ok(())),
            Due::Ping => Poll::Ready(self.send(&Message::Ping(0))),
            Due::Expired => end(Code::Auth, "the certificate of this link has expired: come back with a new one"),
            Due::Stalled => {
                count(&self.base.counting.stalled);
                end(Code::Busy, "a frame was not taken in time: read faster, or come back later")
            }
            Due::Dribbled => end(Code::BadFrame, "a frame did not arrive whole in time"),
            Due::Finished => Poll::Ready(Err(End::Done)),
            Due::Dead(silence) => {
                count(&self.base.counting.stalled);
                Poll::Ready(Err(End::Gone(format!("no sign of life for {} s", silence.as_secs()))))
            }
        }
    }

    /// Tells the peer why, if it is told anything, and leaves so that this can arrive.
    async fn part(mut self, end: End) -> End {
        let last = match &end {
            End::Refuse(why) => {
                encode(&Message::Close(why.clone()), self.link.peer.agreement.max_frame).ok().map(Bytes::from)
            }
            End::Done => None,
            End::Told(_) | End::Gone(_) => return end,
        };
        self.outbox.end_with(last);
        let Self { mut io, mut outbox, base, .. } = self;
        let farewell = async {
            let mut written = Written::default();
            std::future::poll_fn(|cx| outbox.poll_write(&mut io, cx, &mut written)).await?;
            add(&base.counting.frames_out, written.frames);
            linger(&mut io).await
        };
        let _ = tokio::time::timeout(base.limits.linger, farewell).await;
        end
    }
}

/// Ends the own direction and waits for the end of the other: a connection that is closed over unread bytes is reset, and a
/// reset may overtake the reason. The caller bounds the time.
pub(super) async fn linger<T: AsyncRead + AsyncWrite + Unpin>(io: &mut T) -> std::io::Result<()> {
    io.shutdown().await?;
    let mut left = LEFTOVERS;
    let mut chunk = [0; 1024];
    while left > 0 {
        match io.read(&mut chunk).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
