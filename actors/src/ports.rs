//! What the actors need of the world, given to them at start.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::people::mail::Mail;
use mf2c_domain::time::Clock;
use mf2c_domain::webhook::attempt;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, Enrolled, Hello, Notice, WireError};
use mf2c_pki::area::{PeerIdentity, Trust};
use thiserror::Error;

/// Time and randomness: the machine's in production, seeded ones in the simulation.
#[derive(Clone)]
pub struct World {
    /// Wall-clock and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// Where work is done that would hold a thread of actors up, such as reading all that a store holds.
pub trait Workshop: Send + Sync {
    /// Does it; over when it is done.
    fn work(&self, work: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// The threads of the runtime that may wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockingThreads;

impl Workshop for BlockingThreads {
    fn work(&self, work: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()>>> {
        let done = tokio::task::spawn_blocking(work);
        Box::pin(async move { drop(done.await) })
    }
}

/// On the spot: a simulation has one thread, and what is done elsewhere would be done at another time in each run.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnTheSpot;

impl Workshop for OnTheSpot {
    fn work(&self, work: Box<dyn FnOnce() + Send>) -> Pin<Box<dyn Future<Output = ()>>> {
        work();
        Box::pin(std::future::ready(()))
    }
}

/// One delivery to a webhook, ready to be sent by POST.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// Where to.
    pub url: String,
    /// The header `webhook-id`: the same for every attempt.
    pub id: String,
    /// The header `webhook-timestamp`: when this attempt was signed, in seconds since 1970.
    pub timestamp: u64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// The way to the receivers of webhooks.
pub trait WebhookTransport: Send + Sync {
    /// Sends one delivery and waits for the answer, not for ever.
    fn deliver(&self, request: WebhookRequest) -> Pin<Box<dyn Future<Output = attempt::Answer> + Send>>;
}

/// Hands a mail to the server that takes it from there.
pub trait MailTransport: Send + Sync {
    /// Tries once. Whoever waits gives up when it takes too long.
    fn deliver(&self, mail: Mail) -> Delivery;
}

/// A delivery on its way.
pub type Delivery = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

/// Why a mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// It may be taken later: the server is away or busy.
    #[error("{0}")]
    Temporary(String),
    /// It never will be: the server refuses the address, the sender or the password.
    #[error("{0}")]
    Permanent(String),
}

/// The way to the agent that leads the area, whose authority certifies.
pub trait AuthorityTransport: Send + Sync {
    /// Joins with a token: fetches the roots, compares them with the token, and only then sends the secret (vector V6).
    fn enrol(&self, token: JoinToken, ask: EnrolAsk) -> LinkAnswer<Enrolled>;

    /// Renews a certificate that has expired, with a proof of its key.
    fn renew_expired(&self, address: String, trust: Arc<Trust>, leader: SpiffeId, ask: Ask) -> LinkAnswer<Enrolled>;

    /// Asks over the standing link to the leader; opens one where there is none.
    fn ask(&self, ask: Ask) -> LinkAnswer<Answer>;

    /// Where the leader is, and who it must be. Links to others are closed.
    fn lead_to(&self, leader: Option<(String, SpiffeId)>);

    /// Lets other agents in from now on, where they are not already. An agent with an authority does so.
    fn open_door(&self) {}

    /// Closes every link whose peer is revoked or expired by what is believed now.
    fn close_unbelieved(&self);

    /// Tells every peer.
    fn tell(&self, notice: Notice);
}

/// The links of this agent to others of its area and above, as the actors of the area use them.
pub trait AreaNet: Send + Sync {
    /// Keeps a link to each of these open from now on, besides the one of [`AuthorityTransport::lead_to`]; links that were
    /// dialled to others are closed.
    fn keep(&self, targets: Vec<AreaPeer>);

    /// What this agent says of itself in every Hello from now on.
    fn introduce(&self, introduction: Introduction);

    /// Queues a notice on one link. It never waits.
    ///
    /// # Errors
    /// [`SendError`]; the notice was not queued.
    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError>;

    /// Asks over one link.
    fn ask_over(&self, link: u64, ask: Ask, within: Duration) -> LinkAnswer<Answer>;

    /// Closes one link.
    fn close(&self, link: u64, why: WireError);

    /// Where else agents may be found that are looked for, by what was discovered: hints, never trusted.
    fn hint(&self, id: &SpiffeId, address: String);

    /// Calls whoever is at an address. The link is opened only where that is an agent of the own area, by its certificate, and
    /// says that it leads the area in this term or a later one; it ends by itself in a while. Whether this agent follows is for
    /// those who hear what is said on it. Where links stand on no certificates, nobody is visited.
    fn visit(&self, address: String, _term: u64) -> LinkAnswer<()> {
        let reason = "nobody is called here who is not known".to_owned();
        Box::pin(std::future::ready(Err(LinkError::Unreachable { address, reason })))
    }
}

/// See [`AreaNet::introduce`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Introduction {
    /// `agent`, `backup`, `leader` or `cloud`.
    pub role: String,
    /// The highest term of leadership that it knows.
    pub term: u64,
}

/// Why a notice was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The link has ended.
    #[error("the link has ended")]
    Gone,
    /// Too much waits on the link: it is to be tried again when something was taken.
    #[error("too much waits on the link")]
    Full,
    /// The notice does not fit into a frame of the peer.
    #[error("{0} bytes are more than the peer takes")]
    TooLarge(usize),
}

/// A link that is open.
#[derive(Debug, Clone)]
pub struct OpenLink {
    /// Its number, which no other link of this agent ever has.
    pub number: u64,
    /// Whom the certificate of the other end names.
    pub peer: Arc<PeerIdentity>,
    /// What the other end said of itself. It agrees with the certificate.
    pub hello: Arc<Hello>,
    /// The address of the other end.
    pub address: SocketAddr,
    /// Whether the other end opened it.
    pub accepted: bool,
    /// What it is for.
    pub scope: Scope,
}

/// What a joiner says of itself.
#[derive(Debug, Clone)]
pub struct EnrolAsk {
    /// A PKCS#10 request in DER.
    pub request: Vec<u8>,
    /// As what.
    pub role: MemberRole,
    /// The `deviceID`.
    pub device: String,
    /// The area it believes to join, if it believes anything.
    pub area: Option<String>,
    /// Host names and addresses that the certificate shall hold besides.
    pub names: Vec<String>,
}

/// An answer on its way over a link.
pub type LinkAnswer<T> = Pin<Box<dyn Future<Output = Result<T, LinkError>> + Send>>;

/// Why a link gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Nobody there, or the connection broke: later.
    #[error("no connection to {address}: {reason}")]
    Unreachable {
        /// Whom was called.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// Whoever answers there is not the one who was meant. The secret was not sent.
    #[error("who answers at {address} is not to be trusted: {reason}")]
    Untrusted {
        /// Whom was called.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The peer refuses.
    #[error("refused: {0}")]
    Refused(#[from] WireError),
    /// This agent belongs to no area.
    #[error("this agent belongs to no area: join one with `mf2c join TOKEN`, or make one with `mf2c ca init`")]
    NoMembership,
}

/// What answers the questions of peers: implemented over the actors, called by the transport.
pub trait LinkService: Send + Sync {
    /// Answers a question. `peer` is whom the certificate of the link names; none before enrolment.
    fn answer(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>, source: IpAddr) -> LinkReply;

    /// A peer tells something.
    fn notice(&self, notice: Notice, peer: Arc<PeerIdentity>);

    /// A link was opened. It is called before anything is heard on it.
    fn opened(&self, _link: OpenLink) {}

    /// A link has ended. Nothing is heard on it any more.
    fn closed(&self, _number: u64) {}

    /// Two processes show one identity at the same time, from these addresses: a copy of an agent runs beside it. Called
    /// once a minute at most for each.
    fn cloned(&self, _id: &SpiffeId, _addresses: [SocketAddr; 2]) {}

    /// A word on a stream or on who leads. It must not wait.
    ///
    /// # Errors
    /// Why the link must be closed: the peer says more than it may, or what makes no sense.
    fn heard(&self, _link: u64, _notice: Notice) -> Result<(), WireError> {
        Ok(())
    }
}

/// An answer in the making.
pub type LinkReply = Pin<Box<dyn Future<Output = Result<Answer, WireError>> + Send>>;

/// Looks whether somebody answers at an address of this machine, for the health of services.
pub trait Prober: Send + Sync {
    /// Whether a connection can be opened.
    fn tcp(&self, address: SocketAddr, within: Duration) -> Pin<Box<dyn Future<Output = bool> + Send>>;

    /// Whether `GET path` is answered with a status below 400.
    fn http(&self, address: SocketAddr, path: &str, within: Duration) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

/// Fetches what a service names by a URL, and speaks with the COMPSs agents in containers.
pub trait Fetcher: Send + Sync {
    /// The text behind `http` or `https`, at most `most` bytes. Addresses that are not public are refused unless the operator allows
    /// them.
    ///
    /// # Errors
    /// A sentence for whoever named it.
    fn fetch(&self, url: &str, most: usize) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

    /// Sends XML by PUT to a container of this machine or of another agent, and returns what is answered, at most 64 KiB.
    ///
    /// # Errors
    /// A sentence for people.
    fn put_xml(&self, url: &str, body: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;
}
