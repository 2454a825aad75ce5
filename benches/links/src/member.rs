//! A member with a link to its leader, made of the agent's own parts.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mf2c_actors::ports::{AuthorityTransport as _, EnrolAsk, LinkError, LinkReply, LinkService, World};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::entropy::{Entropy, uuid_v4};
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::{Answer, Ask, Code, Notice, TrustNews, WireError};
use mf2c_pki::area::{AgentKey, ApiIdentity, Credentials, Membership, PeerIdentity, Trust};
use mf2c_transport::link::{LinkNet, LinkSettings};

use crate::Outcome;

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or_default())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) struct RealEntropy;

impl Entropy for RealEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness there is nothing to measure.
        if getrandom::fill(buffer).is_err() {
            std::process::abort();
        }
    }
}

pub(crate) fn world() -> World {
    World { clock: Arc::new(RealClock(Instant::now())), entropy: Arc::new(RealEntropy) }
}

/// Runs on a runtime with one thread, as an agent's links do.
pub(crate) fn run(work: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Members are asked nothing.
struct Nobody;

impl LinkService for Nobody {
    fn answer(&self, _: Ask, _: Option<Arc<PeerIdentity>>, _: IpAddr) -> LinkReply {
        Box::pin(async { Err(WireError::new(Code::Forbidden, "a member of a measurement answers nothing")) })
    }

    fn notice(&self, _: Notice, _: Arc<PeerIdentity>) {}
}

type Asked = Pin<Box<dyn Future<Output = Result<Answer, LinkError>> + Send>>;

pub(crate) struct Member {
    pub(crate) credentials: Credentials,
    pub(crate) leader: SpiffeId,
    pub(crate) address: String,
    pub(crate) device: String,
    pub(crate) links: LinkNet,
}

impl Member {
    /// Joins with a token as a device of its own, and opens the link.
    pub(crate) async fn join(token: &str) -> Outcome<Self> {
        Self::join_as(token, LinkSettings::new("agent"), Arc::new(Nobody), true).await
    }

    /// The same with what its links say and hear; the link is opened now, or by [`Member::lead`].
    pub(crate) async fn join_as(
        token: &str,
        settings: LinkSettings,
        service: Arc<dyn LinkService>,
        lead: bool,
    ) -> Outcome<Self> {
        let token: JoinToken = token.parse()?;
        let world = world();
        let now = world.clock.now();
        let folder = tempfile::tempdir()?;
        let (own, _) = mf2c_pki::load_or_create(folder.path(), &[], now)?;
        let credentials = Credentials::new(ApiIdentity::SelfMade(own), Arc::clone(&world.clock), false)?;
        let device = uuid_v4(&*world.entropy).replace('-', "");
        let links = LinkNet::start(world, credentials.clone(), settings);
        links.serve(service);
        let key = AgentKey::generate()?;
        let request = key.request(None, "links")?;
        let address = token.address.clone();
        let ask = EnrolAsk { request, role: MemberRole::Agent, device: device.clone(), area: None, names: vec![] };
        let enrolled = links.enrol(token, ask).await?;
        let bytes = |all: Vec<mf2c_fabric::wire::Bytes>| all.into_iter().map(|bytes| bytes.0).collect();
        let trust = enrolled.trust;
        let (trust, _) =
            Trust::new(trust.sequence, bytes(trust.roots), bytes(trust.intermediates), bytes(trust.lists), now)?;
        let leader: SpiffeId = enrolled.leader.parse()?;
        let certificate = enrolled.certificate.0;
        let own = PeerIdentity::of(&certificate)?;
        credentials.install(Membership { key, certificate, own, leader: leader.clone() }, trust)?;
        let member = Self { credentials, leader, address, device, links };
        if lead {
            member.lead();
        }
        Ok(member)
    }

    /// Opens the link to the leader.
    pub(crate) fn lead(&self) {
        self.links.lead_to(Some((self.address.clone(), self.leader.clone())));
    }

    pub(crate) fn ask(&self, ask: Ask) -> Asked {
        self.links.ask(ask)
    }

    pub(crate) fn news(&self) -> TrustNews {
        let trust = self.credentials.trust();
        TrustNews { bundle: trust.sequence(), lists: trust.list_numbers() }
    }
}
