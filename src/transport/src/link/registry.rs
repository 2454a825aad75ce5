//! The links that are open, and how the rest of the agent speaks to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use mf2c_actors::ports::{LinkError, OpenLink, SendError};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::hello::Agreement;
use mf2c_fabric::wire::{Answer, Ask, Code, Hello, WireError};
use mf2c_pki::area::PeerIdentity;
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use super::LinkView;

/// Commands that wait for a link; they hold little.
const COMMANDS: usize = 64;

/// What a link is told to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Ask the peer.
    Ask(Box<Asking>),
    /// Send a frame that is ready.
    Send(Bytes),
    /// Look whether there is somebody now who answers peers.
    Look,
    /// End when the questions that are open have been answered; take no more.
    Finish,
}

/// A question and who waits for its answer.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) ask: Ask,
    /// In milliseconds.
    pub(super) deadline: u32,
    pub(super) reply: oneshot::Sender<Result<Answer, LinkError>>,
}

/// Who is at the other end, and what both agreed on.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) identity: Arc<PeerIdentity>,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) address: SocketAddr,
    /// Whether the peer called.
    pub(super) accepted: bool,
    pub(super) agreement: Agreement,
    /// What the peer said of itself when the link was made.
    pub(super) hello: Arc<Hello>,
}

/// The handle of an open link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) peer: Peer,
    pub(super) since: Timestamp,
    /// The sequence number of the trust that its chain was checked with last.
    pub(super) checked_with: AtomicU64,
    /// When the last frame of the peer came: a stamp of [`super::base::Base::stamp`].
    pub(super) heard: AtomicU64,
    /// Bytes of frames that wait for the link's task.
    waiting: AtomicUsize,
    commands: mpsc::Sender<Command>,
    end: Mutex<Option<oneshot::Sender<WireError>>>,
}

/// The other side of a [`Link`]'s handle.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) end: oneshot::Receiver<WireError>,
}

impl Link {
    pub(super) fn new(number: u64, peer: Peer, since: Timestamp, checked_with: u64) -> (Arc<Self>, Orders) {
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (end, ended) = oneshot::channel();
        let (checked_with, end) = (AtomicU64::new(checked_with), Mutex::new(Some(end)));
        let (heard, waiting) = (AtomicU64::new(0), AtomicUsize::new(0));
        let link = Self { number, peer, since, checked_with, heard, waiting, commands, end };
        (Arc::new(link), Orders { commands: orders, end: ended })
    }

    /// Ends the link at once, whatever waits, telling the peer why.
    pub(super) fn close(&self, why: WireError) {
        if let Some(end) = self.end.lock().take() {
            let _ = end.send(why);
        }
    }

    /// For those who are told of links.
    pub(super) fn open_link(&self) -> OpenLink {
        let Peer { identity, address, accepted, agreement, hello, .. } = &self.peer;
        OpenLink {
            number: self.number,
            peer: Arc::clone(identity),
            hello: Arc::clone(hello),
            address: *address,
            accepted: *accepted,
            scope: agreement.scope,
        }
    }

    /// Whether frames up to `most` bytes wait for the link's task already.
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.waiting.load(Ordering::Relaxed) >= most
    }

    /// Queues a frame that is ready.
    pub(super) fn queue(&self, frame: Bytes) -> Result<(), SendError> {
        let length = frame.len();
        self.waiting.fetch_add(length, Ordering::Relaxed);
        self.order(Command::Send(frame)).map_err(|_| {
            self.taken(length);
            if self.has_ended() { SendError::Gone } else { SendError::Full }
        })
    }

    /// The link's task has taken so many bytes.
    pub(super) fn taken(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Hands over a command; gives it back where too many wait or the link has ended.
    pub(super) fn order(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) | mpsc::error::TrySendError::Closed(command) => command,
        })
    }

    /// Whether its task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.commands.is_closed()
    }

    /// Waits for the end of its task.
    pub(super) async fn ended(&self) {
        self.commands.closed().await;
    }

    fn view(&self) -> LinkView {
        LinkView {
            number: self.number,
            role: self.peer.hello.role.clone(),
            peer: self.peer.identity.id.clone(),
            serial: self.peer.identity.serial.to_string(),
            address: self.peer.address,
            accepted: self.peer.accepted,
            since: self.since,
        }
    }
}

/// All open links by number, which grows.
#[derive(Debug)]
pub(super) struct Registry {
    links: Mutex<BTreeMap<u64, Arc<Link>>>,
    next: AtomicU64,
    most: usize,
    most_per_peer: usize,
}

impl Registry {
    pub(super) fn new(most: usize, most_per_peer: usize) -> Self {
        Self { links: Mutex::default(), next: AtomicU64::new(1), most, most_per_peer }
    }

    /// Registers a new link. The oldest of too many links of one peer gives way to it. Those that this agent opens itself
    /// are few, and not counted.
    ///
    /// # Errors
    /// [`Code::Busy`] where there are too many links of others.
    pub(super) fn open(
        &self,
        peer: Peer,
        since: Timestamp,
        checked_with: u64,
    ) -> Result<(Arc<Link>, Orders), WireError> {
        let (link, orders) = Link::new(self.next.fetch_add(1, Ordering::Relaxed), peer, since, checked_with);
        let mut links = self.links.lock();
        let id = &link.peer.identity.id;
        let of_peer: Vec<u64> =
            links.values().filter(|it| it.peer.accepted && it.peer.identity.id == *id).map(|it| it.number).collect();
        let mut crowd = vec![];
        if !link.peer.accepted {
            // The way to the own leader is never closed by the own members.
        } else if of_peer.len() >= self.most_per_peer.max(1) {
            crowd.extend(of_peer.first().and_then(|oldest| links.remove(oldest)));
        } else if links.len() >= self.most {
            let text = format!("{} links are open here, as many as may be: come back later", self.most);
            return Err(WireError { retry_after: Some(60_000), ..WireError::new(Code::Busy, text) });
        }
        links.insert(link.number, Arc::clone(&link));
        drop(links);
        for old in crowd {
            old.close(WireError::new(Code::Busy, "a newer link of the same agent takes the place of this one"));
        }
        Ok((link, orders))
    }

    /// Forgets a link that has ended.
    pub(super) fn remove(&self, number: u64) {
        self.links.lock().remove(&number);
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Link>> {
        self.links.lock().get(&number).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        self.links.lock().values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.links.lock().len()
    }

    pub(super) fn views(&self) -> Vec<LinkView> {
        self.links.lock().values().map(|link| link.view()).collect()
    }
}
