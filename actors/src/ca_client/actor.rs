//! The actor: what it holds, its timer, and its handlers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::area::upkeep::{LOOK_EVERY, Pace, Step};
use mf2c_fabric::wire::Answer;
use mf2c_pki::area::{Credentials, MemberFiles};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::member::Member;
use super::trusting::Forged;
use super::{
    CaClientError, CertifyUser, HearTrust, Join, MembershipView, ShowMembership, TakeTrust, Tick, UserCertificate,
};
use crate::certificate_authority::{CertificateAuthority, Follow};
use crate::ports::{AuthorityTransport, LinkError, World};
use crate::resource_store::ResourceStore;

/// The pause between two looks for what needs no clock of its own.
const USUAL: Duration = LOOK_EVERY;

/// The same while a certificate is to be exchanged.
const SOON: Duration = Duration::from_secs(5);

/// What the client is told at start.
#[derive(Clone)]
pub struct CaClientSettings {
    /// Where the operator says that the leader is, which counts where the address of a join token does not answer.
    pub leader: Option<String>,
    /// The `deviceID`, which stands in the certificate.
    pub device: String,
    /// Host names and addresses that the certificate shall hold besides.
    pub names: Vec<String>,
    /// Finds more of them, for an agent whose certificate is made by its own authority; as far as that may vouch for them.
    /// It may wait for the machine.
    pub own_names: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Where membership and authority are kept.
    pub data_dir: PathBuf,
}

/// What the client works with.
pub struct Surroundings {
    /// What the agent shows and believes.
    pub credentials: Credentials,
    /// The way to the leader.
    pub transport: Arc<dyn AuthorityTransport>,
    /// The authority of this agent, which may be none.
    pub authority: Addr<CertificateAuthority>,
    /// Who writes documents.
    pub writer: Addr<ResourceStore>,
    /// Time and randomness.
    pub world: World,
}

/// See the module.
pub struct CaClient {
    pub(super) settings: CaClientSettings,
    /// One at a time writes.
    pub(super) files: Arc<Mutex<MemberFiles>>,
    pub(super) credentials: Credentials,
    pub(super) transport: Arc<dyn AuthorityTransport>,
    pub(super) authority: Addr<CertificateAuthority>,
    pub(super) writer: Addr<ResourceStore>,
    pub(super) world: World,
    pub(super) member: Option<Member>,
    /// Whether the own authority has spoken: this agent leads an area.
    pub(super) leads: bool,
    /// Whether a certificate is on its way.
    pub(super) busy: bool,
    /// When the agent asks for an authority, or for another certificate of it.
    pub(super) area: Pace,
    /// When the leader is asked for news.
    pub(super) news: Pace,
    /// Whether what is believed is being written down, and whether it has changed since.
    pub(super) saving: bool,
    pub(super) unsaved: bool,
    /// Who leads, as the agent was told by those who know; none before they spoke.
    pub(super) pinned: Option<AreaPeer>,
    /// Whether who leads is being written down, and whether it has changed since.
    pub(super) keeping: bool,
    pub(super) unkept: bool,
    /// Whether the certificate shall be exchanged for one that says what this agent is now, and when that is tried.
    pub(super) redress: bool,
    pub(super) dressing: Pace,
    /// Who waits for the first certificate.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
    /// The forged revocation lists that were told of.
    pub(super) forged: Forged,
    timer: Option<SpawnHandle>,
}

impl CaClient {
    /// A client with the membership that was kept, which `credentials` shows already.
    #[must_use]
    pub fn new(settings: CaClientSettings, member: Option<Member>, surroundings: Surroundings) -> Self {
        let Surroundings { credentials, transport, authority, writer, world } = surroundings;
        let files = Arc::new(Mutex::new(MemberFiles::new(&settings.data_dir)));
        Self {
            settings,
            files,
            credentials,
            transport,
            authority,
            writer,
            world,
            member,
            leads: false,
            busy: false,
            area: Pace::default(),
            news: Pace::default(),
            saving: false,
            unsaved: false,
            pinned: None,
            keeping: false,
            unkept: false,
            redress: false,
            dressing: Pace::default(),
            waiting: Vec::new(),
            forged: Forged::default(),
            timer: None,
        }
    }

    /// Looks again when something is due, and soon enough to notice that the clock was set.
    pub(super) fn plan(&mut self, ctx: &mut Context<Self>) {
        let wait = match self.next() {
            Some(Step::Wait(wait)) => wait,
            // On its way, or nothing to do.
            _ => USUAL,
        };
        let wait = if self.redress { wait.min(SOON) } else { wait };
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = Some(ctx.run_later(wait, |_, ctx| ctx.notify(Tick)));
    }

    /// What to do about the certificate now.
    pub(super) fn next(&self) -> Option<Step> {
        let (now, elapsed) = (self.world.clock.now(), self.world.clock.elapsed());
        self.member.as_ref().map(|member| member.upkeep.next(now, elapsed))
    }
}

impl Actor for CaClient {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(member) = &self.member {
            self.transport.lead_to(member.above(self.credentials.membership().as_deref()));
        }
        // An earlier start may have ended before it was written.
        self.tell_revoked(ctx);
        // From now on the authority tells what it changes; where there is one it does so at once.
        let follow = Follow(ctx.address().recipient());
        let followed = self.authority.send(follow).into_actor(self).map(|_, client, ctx| client.plan(ctx));
        // What is wrong between this agent and its leader is told now, not at the first look, a minute from now.
        ctx.spawn(followed.then(|(), client, _| client.ask_news()));
    }
}

impl Drop for CaClient {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Everybody holds its address, and without it the certificate would end unnoticed.
            tracing::error!("the certificate's keeper has failed; ending the process, the next start recovers");
            std::process::abort();
        }
    }
}

impl Handler<Tick> for CaClient {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) -> Self::Result {
        self.plan(ctx);
        if self.busy {
            return Box::pin(actix::fut::ready(()));
        }
        let renewed = match self.next() {
            Some(Step::Renew) => self.renew(false),
            Some(Step::RenewExpired) => self.renew(true),
            None if self.is_without() => self.renew(false),
            _ => Box::pin(actix::fut::ready(())),
        };
        let dressed = renewed.then(|(), client, _| client.dress());
        let tended = dressed.then(|(), client, _| client.tend_area()).then(|(), client, _| client.ask_news());
        Box::pin(tended.map(|(), client: &mut Self, ctx| client.plan(ctx)))
    }
}

impl Handler<Join> for CaClient {
    type Result = ResponseActFuture<Self, Result<MembershipView, CaClientError>>;

    fn handle(&mut self, join: Join, _: &mut Context<Self>) -> Self::Result {
        self.join(join)
    }
}

impl Handler<TakeTrust> for CaClient {
    type Result = Result<(), CaClientError>;

    fn handle(&mut self, TakeTrust(trust): TakeTrust, ctx: &mut Context<Self>) -> Self::Result {
        self.take_trust(trust, ctx)
    }
}

impl Handler<HearTrust> for CaClient {
    type Result = Result<(), CaClientError>;

    fn handle(&mut self, HearTrust { trust, peer }: HearTrust, ctx: &mut Context<Self>) -> Self::Result {
        self.hear_trust(trust, &peer, ctx)
    }
}

impl Handler<CertifyUser> for CaClient {
    type Result = ResponseActFuture<Self, Result<UserCertificate, CaClientError>>;

    fn handle(&mut self, certify: CertifyUser, _: &mut Context<Self>) -> Self::Result {
        self.certify_user(certify)
    }
}

impl Handler<ShowMembership> for CaClient {
    type Result = ResponseActFuture<Self, Option<MembershipView>>;

    fn handle(&mut self, _: ShowMembership, _: &mut Context<Self>) -> Self::Result {
        let (done, wait) = oneshot::channel();
        if self.busy && self.member.is_none() {
            self.waiting.push(done);
        }
        // Where nobody keeps the other end, this is over at once.
        Box::pin(async { wait.await.is_ok() }.into_actor(self).map(|_, client, _| client.view()))
    }
}

/// An answer of the kind that was asked for.
pub(super) fn expected<T>(answer: Answer, pick: impl Fn(Answer) -> Option<T>) -> Result<T, CaClientError> {
    pick(answer).ok_or_else(|| CaClientError::Unusable("the authority answered something else".to_owned()))
}

/// What a question to the own authority comes to, as if it had come over a link.
pub(super) async fn ask_own(
    authority: Addr<CertificateAuthority>,
    ask: mf2c_fabric::wire::Ask,
) -> Result<Answer, LinkError> {
    let own = crate::certificate_authority::AnswerOwn { ask };
    match authority.send(own).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LinkError::Unreachable { address: "this agent".to_owned(), reason: "it is stopping".to_owned() }),
    }
}
