//! An area in one process: agents with their own stores, authorities and certificates, and links that are calls.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::ca_client::{
    CaClient, CaClientError, CaClientSettings, HearTrust, Join, Member, MembershipView, ShowMembership, Surroundings,
    Tick,
};
use mf2c_actors::certificate_authority::{
    self, AnswerPeer, AuthoritySettings, CertificateAuthority, CreateToken, InitAuthority,
};
use mf2c_actors::ports::{AuthorityTransport, EnrolAsk, LinkAnswer, LinkError, World};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, Enrolled, Notice, WireError};
use mf2c_pki::area::{ApiIdentity, Credentials, MemberFiles, Membership, PeerIdentity, Trust};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Store, StoreOptions};
use tempfile::TempDir;

/// Where every agent calls from.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One time for all agents, which moves when a test says so.
pub(crate) struct Time(Mutex<(Timestamp, Duration)>);

impl Time {
    pub(crate) fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = (later(now.0, time), now.1 + time);
    }

    /// Somebody sets the clock.
    pub(crate) fn jump(&self, to: Timestamp) {
        self.0.lock().unwrap().0 = to;
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }
    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(at.nanos() + i128::try_from(by.as_nanos()).unwrap())
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let bytes = (next ^ (next >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

pub(crate) fn world() -> (Arc<Time>, World) {
    let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let time = Arc::new(Time(Mutex::new((start, Duration::from_secs(1)))));
    let clock: Arc<dyn Clock> = Arc::clone(&time) as Arc<dyn Clock>;
    (time, World { clock, entropy: Arc::new(Counter(AtomicU64::new(1))) })
}

/// One agent.
pub(crate) struct Agent {
    pub(crate) device: String,
    pub(crate) store: Arc<Store>,
    pub(crate) credentials: Credentials,
    pub(crate) authority: Addr<CertificateAuthority>,
    pub(crate) client: Addr<CaClient>,
    pub(crate) link: Arc<Link>,
    pub(crate) folder: Arc<TempDir>,
    world: World,
    settings: AuthoritySettings,
}

/// The way of one agent to the one it was told of.
pub(crate) struct Link {
    world: World,
    own: Credentials,
    /// Who answers, as who; none: nobody is there.
    other: Mutex<Option<(Addr<CertificateAuthority>, Credentials)>>,
    pub(crate) cut: AtomicBool,
    /// Attempts to ask anything of the other.
    pub(crate) asked: AtomicU64,
    pub(crate) led: Mutex<Vec<Option<SpiffeId>>>,
    pub(crate) told: Mutex<Vec<Notice>>,
    pub(crate) closings: AtomicU64,
}

impl Link {
    fn unreachable(reason: &str) -> LinkError {
        LinkError::Unreachable { address: "leader:1".to_owned(), reason: reason.to_owned() }
    }

    /// Both check the certificate of the other, as they do in a handshake.
    fn shake(&self, as_member: bool) -> Result<(Addr<CertificateAuthority>, Option<Arc<PeerIdentity>>), LinkError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let other = self.other.lock().unwrap().clone();
        let (authority, theirs) =
            other.filter(|_| !self.cut.load(Ordering::Relaxed)).ok_or_else(|| Self::unreachable("cut"))?;
        if !as_member {
            return Ok((authority, None));
        }
        let now = self.world.clock.now();
        let chain = |credentials: &Credentials| -> Option<Vec<Vec<u8>>> {
            let own = vec![credentials.membership()?.certificate.clone()];
            Some(own.into_iter().chain(credentials.trust().intermediates().to_vec()).collect())
        };
        let check = |trust: &Trust, chain: Vec<Vec<u8>>, as_server| {
            let chain: Vec<_> = chain.iter().map(|der| der.as_slice().into()).collect();
            trust.check(&chain, as_server, false, now)
        };
        let shown = chain(&theirs).ok_or_else(|| Self::unreachable("it has no certificate"))?;
        check(&self.own.trust(), shown, true)
            .map_err(|error| LinkError::Untrusted { address: "leader:1".to_owned(), reason: error.to_string() })?;
        let shown = chain(&self.own).ok_or(LinkError::NoMembership)?;
        if self.own.membership().is_some_and(|own| theirs.trust().is_revoked(&own.own)) {
            return Err(LinkError::Refused(WireError::new(Code::Revoked, "revoked")));
        }
        let peer = check(&theirs.trust(), shown, false).map_err(|error| Self::unreachable(&error.to_string()))?;
        Ok((authority, Some(Arc::new(peer))))
    }

    fn carry(&self, ask: Ask, as_member: bool) -> LinkAnswer<Answer> {
        let shaken = self.shake(as_member);
        Box::pin(async move {
            let (authority, peer) = shaken?;
            let answer = authority.send(AnswerPeer { ask, peer, source: SOURCE }).await;
            Ok(answer.map_err(|_| Self::unreachable("it stops"))??)
        })
    }

    fn carry_enrolled(&self, ask: Ask) -> LinkAnswer<Enrolled> {
        let answer = self.carry(ask, false);
        Box::pin(async move {
            match answer.await? {
                Answer::Enrolled(enrolled) => Ok(enrolled),
                other => panic!("{other:?}"),
            }
        })
    }
}

impl AuthorityTransport for Link {
    fn enrol(&self, token: JoinToken, ask: EnrolAsk) -> LinkAnswer<Enrolled> {
        let EnrolAsk { request, role, device, area, names } = ask;
        let (secret, request) = (Bytes(token.secret.bytes().to_vec()), Bytes(request));
        self.carry_enrolled(Ask::Enrol { token: token.id, secret, request, role, device, area, names })
    }

    fn renew_expired(&self, _: String, _: Arc<Trust>, _: SpiffeId, ask: Ask) -> LinkAnswer<Enrolled> {
        self.carry_enrolled(ask)
    }

    fn ask(&self, ask: Ask) -> LinkAnswer<Answer> {
        self.carry(ask, true)
    }

    fn lead_to(&self, leader: Option<(String, SpiffeId)>) {
        self.led.lock().unwrap().push(leader.map(|(_, id)| id));
    }

    fn close_unbelieved(&self) {
        self.closings.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, notice: Notice) {
        self.told.lock().unwrap().push(notice);
    }
}

impl Agent {
    /// An agent with nothing yet.
    pub(crate) fn start(device: &str, world: &World, settings: AuthoritySettings) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), device, world, settings)
    }

    fn start_in(folder: Arc<TempDir>, device: &str, world: &World, settings: AuthoritySettings) -> Self {
        let options = StoreOptions { name: PathBuf::from(device), ..StoreOptions::default() };
        let engine = Arc::new(MemoryEngine::new());
        let (store, writer) = Store::open(engine, options, Arc::clone(&world.clock), &*world.entropy).unwrap();
        let writer = ResourceStore::new(writer, 64).start();
        let own = mf2c_pki::load_or_create(folder.path(), &[], world.clock.now()).unwrap().0;
        let credentials = Credentials::new(ApiIdentity::SelfMade(own), Arc::clone(&world.clock), false).unwrap();
        let seat = AuthoritySettings { device: Some(device.to_owned()), ..settings.clone() };
        let authority =
            CertificateAuthority::open(folder.path(), seat, Arc::clone(&store), writer.clone(), world.clone());
        let authority = authority.unwrap().start();
        let link = Arc::new(Link {
            world: world.clone(),
            own: credentials.clone(),
            other: Mutex::default(),
            cut: AtomicBool::default(),
            asked: AtomicU64::default(),
            led: Mutex::default(),
            told: Mutex::default(),
            closings: AtomicU64::default(),
        });
        let kept = MemberFiles::new(folder.path()).load(world.clock.now()).unwrap();
        let member = kept.map(|kept| {
            let member = Member::kept(&kept.membership, kept.role, kept.address, world);
            credentials.install(kept.membership, kept.trust).unwrap();
            member
        });
        let told = CaClientSettings {
            leader: None,
            device: device.to_owned(),
            names: vec![],
            own_names: Arc::new(Vec::new),
            data_dir: folder.path().to_owned(),
        };
        let surroundings = Surroundings {
            credentials: credentials.clone(),
            transport: Arc::clone(&link) as Arc<dyn AuthorityTransport>,
            authority: authority.clone(),
            writer,
            world: world.clone(),
        };
        let client = CaClient::new(told, member, surroundings).start();
        Self {
            device: device.to_owned(),
            store,
            credentials,
            authority,
            client,
            link,
            folder,
            world: world.clone(),
            settings,
        }
    }

    /// The same agent at its next start, with what is on disk; its documents are gone.
    pub(crate) fn restart(&self) -> Self {
        let next = Self::start_in(Arc::clone(&self.folder), &self.device, &self.world, self.settings.clone());
        *next.link.other.lock().unwrap() = self.link.other.lock().unwrap().clone();
        next
    }

    /// `mf2c ca init`.
    pub(crate) async fn init(&self, area: &str) {
        let init = InitAuthority { trust_domain: "mf2c.internal".to_owned(), area: area.to_owned(), domains: vec![] };
        self.authority.send(init).await.unwrap().unwrap();
        self.view().await.unwrap();
    }

    /// `mf2c token create`.
    pub(crate) async fn token(&self, role: MemberRole, area: Option<&str>, device: Option<&str>) -> JoinToken {
        let create = CreateToken {
            role,
            area: area.map(str::to_owned),
            ttl: Duration::from_secs(600),
            device: device.map(str::to_owned),
            names: vec![],
            address: "leader:1".to_owned(),
            without_secret: false,
        };
        self.authority.send(create).await.unwrap().unwrap()
    }

    /// `mf2c join`.
    pub(crate) async fn join(
        &self,
        leader: &Self,
        token: JoinToken,
        role: MemberRole,
    ) -> Result<MembershipView, CaClientError> {
        self.turn_to(leader);
        self.client.send(Join { token, role }).await.unwrap()
    }

    /// From now on this one answers where the leader is called.
    pub(crate) fn turn_to(&self, leader: &Self) {
        *self.link.other.lock().unwrap() = Some((leader.authority.clone(), leader.credentials.clone()));
    }

    /// Joins as an ordinary member.
    pub(crate) async fn join_as_agent(&self, leader: &Self) -> MembershipView {
        let token = leader.token(MemberRole::Agent, None, None).await;
        self.join(leader, token, MemberRole::Agent).await.unwrap()
    }

    pub(crate) async fn view(&self) -> Option<MembershipView> {
        self.client.send(ShowMembership).await.unwrap()
    }

    /// What the timers of both actors do.
    pub(crate) async fn tick(&self) {
        self.authority.send(certificate_authority::Tick).await.unwrap();
        self.client.send(Tick).await.unwrap();
    }

    pub(crate) fn membership(&self) -> Arc<Membership> {
        self.credentials.membership().unwrap()
    }

    /// Hears what another tells everybody, as over a link to it.
    pub(crate) async fn hear(&self, other: &Self) -> Result<(), CaClientError> {
        let told = other.link.told.lock().unwrap().last().cloned();
        let Some(Notice::Trust(trust)) = told else { panic!("nothing was told") };
        let peer = Arc::new(other.membership().own.clone());
        self.client.send(HearTrust { trust, peer }).await.unwrap()
    }
}
