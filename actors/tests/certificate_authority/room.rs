//! A room with an authority in it: a store in memory, files in a folder of their own, a clock that goes when it is told to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::ca_client::{CaClientError, TakeTrust};
use mf2c_actors::certificate_authority::*;
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::{AddResource, DeleteResource, ResourceStore};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft};
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Bytes, Code, Enrolled, TrustNews, WireError};
use mf2c_pki::area::{AgentKey, PeerIdentity, Trust};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
pub(crate) const OWN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A clock that goes only when it is told to.
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }
}

/// SplitMix64.
pub(crate) struct Seeded(pub(crate) AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..part.len()]);
        }
    }
}

/// Hears what the authority announces.
struct Ear(mpsc::UnboundedSender<AuthorityTrust>);

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<TakeTrust> for Ear {
    type Result = Result<(), CaClientError>;

    fn handle(&mut self, TakeTrust(trust): TakeTrust, _: &mut Context<Self>) -> Self::Result {
        let _ = self.0.send(trust);
        Ok(())
    }
}

pub(crate) struct Room {
    hands: Arc<Hands>,
    pub(crate) world: World,
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Addr<ResourceStore>,
    pub(crate) folder: TempDir,
    pub(crate) settings: AuthoritySettings,
    pub(crate) authority: Addr<CertificateAuthority>,
}

/// A room without an authority, on a machine that is described.
pub(crate) async fn bare(settings: AuthoritySettings, device: &str) -> Room {
    let hands = Arc::new(Hands(0.into()));
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(&hands);
    // Rooms meet: their serial numbers must differ.
    static ROOMS: AtomicU64 = AtomicU64::new(1);
    let seed = ROOMS.fetch_add(1, Ordering::SeqCst) << 40;
    let world = World { clock, entropy: Arc::new(Seeded(AtomicU64::new(seed))) };
    let engine = Arc::new(MemoryEngine::new());
    let clock = Arc::clone(&world.clock);
    let shared = Arc::<MemoryEngine>::clone(&engine);
    let (store, writer) = Store::open(shared, StoreOptions::default(), clock, &*world.entropy).unwrap();
    let writer = ResourceStore::new(writer, 1024).start();
    let folder = tempfile::tempdir().unwrap();
    let authority = start(&folder, &settings, &store, &writer, &world);
    let room = Room { hands, world, engine, store, writer, folder, settings, authority };
    let attributes = json!({"deviceID": device}).as_object().cloned().unwrap();
    let draft = Draft { attributes, acl: None, name: Some(room.store.identity().name()) };
    room.add("device", draft).await;
    room
}

fn start(
    folder: &TempDir,
    settings: &AuthoritySettings,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) -> Addr<CertificateAuthority> {
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    CertificateAuthority::open(folder.path(), settings.clone(), store, writer, world).unwrap().start()
}

/// A room with the authority of the area `a1`.
pub(crate) async fn room() -> Room {
    room_with(AuthoritySettings::default()).await
}

pub(crate) async fn room_with(settings: AuthoritySettings) -> Room {
    let room = bare(settings, OWN).await;
    room.authority.send(init("a1")).await.unwrap().unwrap();
    room
}

pub(crate) fn init(area: &str) -> InitAuthority {
    InitAuthority { trust_domain: "fog.example".into(), area: area.into(), domains: vec!["edge.example".into()] }
}

/// What `mf2c token create` asks for.
pub(crate) fn token() -> CreateToken {
    CreateToken {
        role: MemberRole::Agent,
        area: None,
        ttl: Duration::from_secs(600),
        device: None,
        names: vec![],
        address: "fog.example:8444".into(),
        without_secret: false,
    }
}

pub(crate) fn enrol(token: &JoinToken, key: &AgentKey, device: &str) -> Ask {
    Ask::Enrol {
        token: token.id.clone(),
        secret: token.secret.bytes().to_vec().into(),
        request: request(key),
        role: MemberRole::Agent,
        device: device.to_owned(),
        area: None,
        names: vec![],
    }
}

pub(crate) fn request(key: &AgentKey) -> Bytes {
    key.request(None, "").unwrap().into()
}

pub(crate) fn key() -> AgentKey {
    AgentKey::generate().unwrap()
}

/// The serial number of a certificate.
pub(crate) fn serial(certificate: &Bytes) -> String {
    PeerIdentity::of(&certificate.0).unwrap().serial.to_string()
}

pub(crate) fn peer(certificate: &Bytes) -> Arc<PeerIdentity> {
    Arc::new(PeerIdentity::of(&certificate.0).unwrap())
}

pub(crate) fn code(outcome: Result<Answer, WireError>) -> Code {
    outcome.expect_err("it was allowed").code
}

impl Room {
    async fn add(&self, kind: &str, draft: Draft) {
        let spec = resource::find(kind).unwrap();
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.world.entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap();
    }

    pub(crate) fn later(&self, time: Duration) {
        self.hands.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// The same authority after a restart of its agent.
    pub(crate) fn restarted(self) -> Self {
        let authority = start(&self.folder, &self.settings, &self.store, &self.writer, &self.world);
        Self { authority, ..self }
    }

    pub(crate) async fn token(&self, asked: CreateToken) -> JoinToken {
        self.authority.send(asked).await.unwrap().unwrap()
    }

    pub(crate) async fn ask(&self, ask: Ask, peer: Option<Arc<PeerIdentity>>) -> Result<Answer, WireError> {
        self.authority.send(AnswerPeer { ask, peer, source: SOURCE }).await.unwrap()
    }

    pub(crate) async fn ask_own(&self, ask: Ask) -> Result<Answer, WireError> {
        self.authority.send(AnswerOwn { ask }).await.unwrap()
    }

    pub(crate) async fn enrol(&self, token: &JoinToken, key: &AgentKey, device: &str) -> Result<Enrolled, WireError> {
        match self.ask(enrol(token, key, device), None).await? {
            Answer::Enrolled(enrolled) => Ok(enrolled),
            other => panic!("{other:?}"),
        }
    }

    /// An agent that has joined with a token of its own.
    pub(crate) async fn member(&self, device: &str) -> (AgentKey, Enrolled) {
        let (token, key) = (self.token(token()).await, key());
        let enrolled = self.enrol(&token, &key, device).await.unwrap();
        (key, enrolled)
    }

    pub(crate) async fn trust(&self) -> Trust {
        self.believe(self.wire_trust().await)
    }

    pub(crate) async fn wire_trust(&self) -> AuthorityTrust {
        match self.ask(Ask::Trust { have: TrustNews::default() }, None).await.unwrap() {
            Answer::Trust(trust) => trust,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn believe(&self, trust: AuthorityTrust) -> Trust {
        let plain = |all: Vec<Bytes>| all.into_iter().map(|bytes| bytes.0).collect();
        let AuthorityTrust { sequence, roots, intermediates, lists } = trust;
        let made = Trust::new(sequence, plain(roots), plain(intermediates), plain(lists), self.now()).unwrap();
        assert!(made.1.is_empty(), "{:?}", made.1);
        made.0
    }

    pub(crate) async fn view(&self) -> AuthorityView {
        self.authority.send(ShowAuthority).await.unwrap().unwrap()
    }

    pub(crate) async fn revoke(&self, target: RevokeTarget) -> Result<Vec<String>, AuthorityError> {
        self.authority.send(Revoke { target, reason: Some("lost".into()), by: Caller::agent() }).await.unwrap()
    }

    /// What is announced from now on; what holds at this moment comes first.
    pub(crate) async fn listen(&self) -> mpsc::UnboundedReceiver<AuthorityTrust> {
        let (ear, heard) = mpsc::unbounded_channel();
        self.authority.send(Follow(Ear(ear).start().recipient())).await.unwrap();
        heard
    }

    /// A document as it is stored.
    pub(crate) fn read(&self, id: &str) -> Option<Map<String, Value>> {
        let document = self.store.get(id)?;
        let body = self.store.body(&document).unwrap()?;
        serde_json::from_slice(&body).unwrap()
    }

    pub(crate) async fn delete(&self, id: &str) {
        let (id, by) = (ResourceId::parse(id).unwrap(), Caller::agent());
        self.writer.send(DeleteResource { id, if_match: None, by }).await.unwrap().unwrap();
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<String> {
        self.store.all(kind).iter().map(|document| document.id.to_string()).collect()
    }

    /// Waits until a document has this value.
    pub(crate) async fn until(&self, id: &str, attribute: &str, value: &str) {
        let waiting = async {
            while self.read(id).is_none_or(|found| found.get(attribute).is_none_or(|found| found != value)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    }
}
