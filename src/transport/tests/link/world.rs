//! An area with an authority, its agents, and peers that speak the protocol by hand.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mf2c_actors::ports::{AuthorityTransport as _, LinkReply, LinkService, OpenLink, World};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::leadership::LeadershipMessage;
use mf2c_fabric::wire::{
    Answer, Ask, AuthorityTrust, Bytes, Code, Decoder, Enrolled, Hello, Message, Notice, TrustNews, WireError, encode,
};
use mf2c_pki::area::{
    AgentKey, ApiIdentity, Authority, Credentials, Issued, Membership, PeerIdentity, Profile, Request, Serial, Trust,
};
use mf2c_transport::link::{LinkLimits, LinkNet, LinkSettings};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const MAX: u32 = 1 << 20;

/// A wall clock that is set by hand, and runs.
pub(crate) struct Hands {
    start: Instant,
    ahead: AtomicI64,
}

impl Hands {
    pub(crate) fn new(ahead: i64) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), ahead: AtomicI64::new(ahead) })
    }

    /// Sets it so many seconds ahead of the others.
    pub(crate) fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let start = Timestamp::parse("2026-11-22T12:00:00Z").unwrap().nanos();
        let ahead = i128::from(self.ahead.load(Ordering::Relaxed)) * 1_000_000_000;
        Timestamp::from_nanos(start + ahead + i128::try_from(self.elapsed().as_nanos()).unwrap())
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Different bytes for serial numbers, and the shortest pauses.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        if buffer.len() > 8 {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            buffer[..8].copy_from_slice(&[1; 8]);
            buffer[8..16].copy_from_slice(&number);
        }
    }
}

/// A root with the authority of one area.
pub(crate) struct Area {
    pub(crate) name: String,
    pub(crate) clock: Arc<Hands>,
    pub(crate) entropy: Arc<Counter>,
    pub(crate) root: Arc<Authority>,
    authority: Authority,
    number: AtomicU64,
    pub(crate) lists: Mutex<Vec<Vec<u8>>>,
}

impl Area {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        let (clock, entropy) = (Hands::new(0), Arc::<Counter>::default());
        let root = Arc::new(Authority::new_root("d", clock.now(), &*entropy).unwrap());
        Self::below(root, name, clock, entropy)
    }

    /// Another area below the same root.
    pub(crate) fn sister(&self, name: &str) -> Arc<Self> {
        Self::below(Arc::clone(&self.root), name, Arc::clone(&self.clock), Arc::clone(&self.entropy))
    }

    fn below(root: Arc<Authority>, name: &str, clock: Arc<Hands>, entropy: Arc<Counter>) -> Arc<Self> {
        let id: SpiffeId = format!("spiffe://d/area/{name}").parse().unwrap();
        let mut authority = Authority::new_area(&id).unwrap();
        let request = Request::from_der(&authority.request().unwrap()).unwrap();
        let serial = Serial::random(&*entropy);
        let certificate = root.certify_area(&request, &id, &[], serial, clock.now()).unwrap();
        authority.set_certificates(vec![certificate.der]).unwrap();
        let (number, lists) = (AtomicU64::new(1), Mutex::default());
        Arc::new(Self { name: name.to_owned(), clock, entropy, root, authority, number, lists })
    }

    pub(crate) fn id(&self, device: &str) -> SpiffeId {
        format!("spiffe://d/area/{}/agent/{device}", self.name).parse().unwrap()
    }

    pub(crate) fn issue(&self, key: &AgentKey, device: &str, unit: &'static str, life: Duration) -> Issued {
        let request = Request::from_der(&key.request(None, device).unwrap()).unwrap();
        let profile = Profile { id: self.id(device), unit, names: vec![], server: true, life };
        self.authority.issue(&request, &profile, Serial::random(&*self.entropy), self.clock.now()).unwrap()
    }

    pub(crate) fn membership(&self, device: &str, unit: &'static str, life: Duration) -> Membership {
        let key = AgentKey::generate().unwrap();
        let certificate = self.issue(&key, device, unit, life).der;
        let own = PeerIdentity::of(&certificate).unwrap();
        Membership { key, certificate, own, leader: self.id("leader") }
    }

    pub(crate) fn message(&self) -> AuthorityTrust {
        let many = |parts: &[Vec<u8>]| parts.iter().cloned().map(Into::into).collect();
        AuthorityTrust {
            sequence: 1,
            roots: many(self.root.certificates()),
            intermediates: many(self.authority.certificates()),
            lists: many(&self.lists.lock().unwrap()),
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust_with(1, &[])
    }

    /// The same with the roots of others.
    pub(crate) fn trust_with(&self, sequence: u64, others: &[&Self]) -> Trust {
        let raw = |parts: Vec<Bytes>| parts.into_iter().map(|part| part.0).collect::<Vec<_>>();
        let AuthorityTrust { roots, intermediates, lists, .. } = self.message();
        let mut roots = raw(roots);
        roots.extend(others.iter().flat_map(|other| other.root.certificates().iter().cloned()));
        Trust::new(sequence, roots, raw(intermediates), raw(lists), self.clock.now()).unwrap().0
    }

    /// A new revocation list with these.
    pub(crate) fn revoke(&self, serials: &[Serial]) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let until = Timestamp::from_nanos(now.nanos() + 3_600_000_000_000);
        let revoked: Vec<_> = serials.iter().map(|serial| (serial.clone(), now)).collect();
        let list = self.authority.revocation_list(number, &revoked, now, until).unwrap();
        *self.lists.lock().unwrap() = vec![list];
    }

    /// What an agent without a membership shows; nothing of it is used on links.
    fn credentials(&self, clock: Arc<Hands>) -> Credentials {
        let folder = tempfile::tempdir().unwrap();
        let own = mf2c_pki::load_or_create(folder.path(), &[], clock.now()).unwrap().0;
        Credentials::new(ApiIdentity::SelfMade(own), clock, false).unwrap()
    }
}

/// Answers peers as an authority does, without deciding anything.
pub(crate) struct Answers {
    area: Arc<Area>,
    pub(crate) notices: Mutex<Vec<(Notice, SpiffeId)>>,
    /// Secrets that were sent here.
    pub(crate) secrets: Mutex<Vec<Vec<u8>>>,
    /// What was told of links, in its order.
    pub(crate) told: Mutex<Vec<Told>>,
}

/// What the actors of an area are told of links.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Opened(OpenLink),
    Heard(u64, Box<Notice>),
    Closed(u64),
    Cloned([SocketAddr; 2]),
}

impl LinkService for Answers {
    fn opened(&self, link: OpenLink) {
        self.told.lock().unwrap().push(Told::Opened(link));
    }

    fn closed(&self, number: u64) {
        self.told.lock().unwrap().push(Told::Closed(number));
    }

    fn heard(&self, link: u64, notice: Notice) -> Result<(), WireError> {
        let unwelcome = matches!(&notice, Notice::Leadership(LeadershipMessage::Raft { area, .. }) if area == "wrong");
        self.told.lock().unwrap().push(Told::Heard(link, Box::new(notice)));
        if unwelcome { Err(WireError::new(Code::Forbidden, "this is not said here")) } else { Ok(()) }
    }

    fn cloned(&self, _: &SpiffeId, addresses: [SocketAddr; 2]) {
        self.told.lock().unwrap().push(Told::Cloned(addresses));
    }

    fn answer(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>, _: IpAddr) -> LinkReply {
        let refused = WireError::new(Code::Forbidden, "not here");
        let answer = match ask {
            Ask::Bundle => Ok(Answer::Trust(self.area.message())),
            // As many bytes as the number says.
            Ask::Trust { have } if have.bundle > 1000 => {
                return Box::pin(async move {
                    let lists = vec![vec![1; usize::try_from(have.bundle).unwrap()].into()];
                    Ok(Answer::Trust(AuthorityTrust { lists, ..AuthorityTrust::default() }))
                });
            }
            Ask::Trust { .. } => Ok(Answer::Trust(self.area.message())),
            Ask::Enrol { secret, request, role, device, .. } => {
                self.secrets.lock().unwrap().push(secret.0);
                let request = Request::from_der(&request.0).unwrap();
                Ok(self.enrolled(&request, &device, role))
            }
            Ask::RenewExpired { request, .. } => {
                let request = Request::from_der(&request.0).unwrap();
                Ok(self.enrolled(&request, "c1", MemberRole::Agent))
            }
            Ask::CertifyUser { .. } => {
                let certificate = peer.map(|peer| peer.serial.to_string().into_bytes()).unwrap_or_default();
                Ok(Answer::User { certificate: certificate.into() })
            }
            _ => Err(refused),
        };
        Box::pin(async { answer })
    }

    fn notice(&self, notice: Notice, peer: Arc<PeerIdentity>) {
        self.notices.lock().unwrap().push((notice, peer.id.clone()));
    }
}

impl Answers {
    pub(crate) fn new(area: &Arc<Area>) -> Arc<Self> {
        let (notices, secrets, told) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { area: Arc::clone(area), notices, secrets, told })
    }

    /// The links that are open by what was told, the oldest first.
    pub(crate) fn open(&self) -> Vec<OpenLink> {
        let mut open: Vec<OpenLink> = vec![];
        for told in self.told.lock().unwrap().iter() {
            match told {
                Told::Opened(link) => {
                    assert!(open.iter().all(|other| other.number != link.number));
                    open.push(link.clone());
                }
                Told::Heard(number, _) => assert!(open.iter().any(|link| link.number == *number), "{told:?}"),
                Told::Closed(number) => {
                    let before = open.len();
                    open.retain(|link| link.number != *number);
                    assert_eq!(open.len() + 1, before, "{told:?}");
                }
                Told::Cloned(_) => {}
            }
        }
        open
    }

    /// The words that were heard on links, of which there may be many.
    pub(crate) fn words(&self) -> Vec<(u64, Notice)> {
        let told = self.told.lock().unwrap();
        let heard = told.iter().filter_map(|told| match told {
            Told::Heard(number, notice) => Some((*number, Notice::clone(notice))),
            _ => None,
        });
        heard.collect()
    }

    /// Where clones were seen.
    pub(crate) fn clones(&self) -> Vec<[SocketAddr; 2]> {
        let told = self.told.lock().unwrap();
        told.iter().filter_map(|told| if let Told::Cloned(at) = told { Some(*at) } else { None }).collect()
    }

    fn enrolled(&self, request: &Request, device: &str, role: MemberRole) -> Answer {
        let area = &self.area;
        let profile = Profile { id: area.id(device), unit: "agent", names: vec![], server: true, life: DAY };
        let serial = Serial::random(&*area.entropy);
        let certificate = area.authority.issue(request, &profile, serial, area.clock.now()).unwrap();
        Answer::Enrolled(Enrolled {
            certificate: certificate.der.into(),
            trust: area.message(),
            leader: area.id("leader").to_string(),
            role,
        })
    }
}

/// An agent of an area with its links.
pub(crate) struct Agent {
    pub(crate) net: LinkNet,
    pub(crate) credentials: Credentials,
    pub(crate) answers: Arc<Answers>,
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<Hands>,
}

impl Agent {
    /// Without a membership, and with nothing open.
    pub(crate) fn new(area: &Arc<Area>, clock: Arc<Hands>, limits: LinkLimits) -> Self {
        let credentials = area.credentials(Arc::clone(&clock));
        let world = World { clock: Arc::clone(&clock) as _, entropy: Arc::clone(&area.entropy) as _ };
        let net = LinkNet::start(world, credentials.clone(), LinkSettings { limits, ..LinkSettings::new("agent") });
        let answers = Answers::new(area);
        net.serve(Arc::clone(&answers) as _);
        Self { net, credentials, answers, address: ([127, 0, 0, 1], 0).into(), clock }
    }

    pub(crate) fn member(area: &Arc<Area>, device: &str, unit: &'static str) -> Self {
        Self::with(area, device, unit, Arc::clone(&area.clock), LinkLimits::default())
    }

    pub(crate) fn with(
        area: &Arc<Area>,
        device: &str,
        unit: &'static str,
        clock: Arc<Hands>,
        limits: LinkLimits,
    ) -> Self {
        let agent = Self::new(area, clock, limits);
        agent.credentials.install(area.membership(device, unit, DAY), area.trust()).unwrap();
        agent
    }

    /// The leader of an area, which listens.
    pub(crate) fn leader(area: &Arc<Area>) -> Self {
        Self::leader_with(area, LinkLimits::default())
    }

    pub(crate) fn leader_with(area: &Arc<Area>, limits: LinkLimits) -> Self {
        let mut agent = Self::with(area, "leader", "leader", Arc::clone(&area.clock), limits);
        agent.address = agent.net.listen(agent.address).unwrap();
        agent
    }

    pub(crate) fn follow(&self, leader: &Self) {
        let id = leader.credentials.membership().unwrap().own.id.clone();
        self.net.lead_to(Some((leader.address.to_string(), id)));
    }

    /// The serial number with which the leader knows this agent.
    pub(crate) async fn ask_serial(&self) -> Result<String, mf2c_actors::ports::LinkError> {
        let ask = Ask::CertifyUser { request: vec![].into(), name: "jane".into(), ttl: 1 };
        match self.net.ask(ask).await? {
            Answer::User { certificate } => Ok(String::from_utf8(certificate.0).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn serial(&self) -> Serial {
        self.credentials.membership().unwrap().own.serial.clone()
    }

    pub(crate) fn hello(&self) -> Hello {
        let own = &self.credentials.membership().unwrap().own.id;
        Hello {
            v: vec![1],
            node: own.to_string(),
            area: own.area().unwrap().to_owned(),
            role: "agent".into(),
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: vec![].into(),
            listen: String::new(),
            clock: self.clock.now().millis(),
            features: vec![],
            max_frame: MAX,
            trust: TrustNews { bundle: 1, lists: vec![] },
        }
    }

    /// A peer that shows this agent's certificate and speaks by hand.
    pub(crate) async fn by_hand(&self, to: &Self) -> Hand {
        let config = self.credentials.link_client(&to.credentials.membership().unwrap().own.id).unwrap();
        Hand::connect(to.address, config).await.unwrap()
    }

    /// The same after the Hellos.
    pub(crate) async fn greeted(&self, to: &Self) -> Hand {
        self.greeted_at(to.address, &to.credentials.membership().unwrap().own.id).await
    }

    pub(crate) async fn greeted_at(&self, address: SocketAddr, leader: &SpiffeId) -> Hand {
        let config = self.credentials.link_client(leader).unwrap();
        let mut hand = Hand::connect(address, config).await.unwrap();
        hand.send(&Message::Hello(self.hello())).await;
        assert!(matches!(hand.next().await, Some(Message::Hello(_))));
        hand
    }
}

/// One end of a connection, by hand.
pub(crate) struct Hand {
    pub(crate) io: TlsStream<TcpStream>,
    decoder: Decoder,
}

impl Hand {
    pub(crate) async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("agent.mf2c.internal").unwrap();
        let io = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self { io, decoder: Decoder::new(MAX) })
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        self.io.write_all(&encode(message, MAX).unwrap()).await.unwrap();
        self.io.flush().await.unwrap();
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
        self.io.flush().await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return Some(message);
            }
            let mut chunk = [0; 4096];
            match self.io.read(&mut chunk).await {
                Ok(read) if read > 0 => self.decoder.feed(&chunk[..read]),
                _ => return None,
            }
        }
    }

    /// The reason with which the other end closes; other messages are passed over.
    pub(crate) async fn closed(&mut self) -> Code {
        soon(async {
            loop {
                match self.next().await {
                    Some(Message::Close(error)) => return error.code,
                    Some(_) => {}
                    None => panic!("closed without a reason"),
                }
            }
        })
        .await
    }
}

/// A word that can be told apart from others.
pub(crate) fn word(number: u64, length: usize) -> Notice {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(length.max(8), 0);
    Notice::Leadership(LeadershipMessage::Raft { area: "a1".into(), stamp: 0, message: message.into(), founded: 0 })
}

/// Its number.
pub(crate) fn number(word: &Notice) -> u64 {
    let Notice::Leadership(LeadershipMessage::Raft { message, .. }) = word else { panic!("{word:?}") };
    u64::from_be_bytes(message.0[..8].try_into().unwrap())
}

/// Resident memory of this process, in bytes.
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// What must happen within some seconds.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("this takes too long")
}

/// Waits for a state.
pub(crate) async fn eventually(mut state: impl FnMut() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    soon(async {
        while !state() {
            ticks.tick().await;
        }
    })
    .await;
}
