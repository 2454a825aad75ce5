//! The actor: what it holds, and its handlers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, WireError};
use mf2c_pki::area::{AuthorityFiles, MemberFiles, list_pem};
use mf2c_store::Store;

use super::answer::Outcome;
use super::change::Answered;
use super::load::{self, Loaded};
use super::register::Register;
use super::seat::Seat;
use super::sweep::Swept;
use super::tokens::Tokens;
use super::*;
use crate::ports::World;
use crate::resource_store::{AddResource, ResourceStore};

/// Messages that may wait before their senders do.
const MAILBOX: usize = 1024;
/// The longest pause between two looks at what is due.
const TICK: Duration = Duration::from_secs(60);
/// Pause between two searches for what nobody needs.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Pause between two attempts to read the documents.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// The most who are told of changes.
const MOST_FOLLOWERS: usize = 16;

/// See the module.
pub struct CertificateAuthority {
    pub(super) settings: AuthoritySettings,
    pub(super) store: Arc<Store>,
    pub(super) writer: Addr<ResourceStore>,
    pub(super) world: World,
    pub(super) files: AuthorityFiles,
    pub(super) members: MemberFiles,
    pub(super) seat: Option<Seat>,
    /// The keys that are kept while another agent leads the area.
    pub(super) kept: Option<Seat>,
    pub(super) register: Register,
    pub(super) tokens: Tokens,
    followers: Vec<Recipient<TakeTrust>>,
    /// To whom the keys were handed, and whether there is more to tell them.
    pub(super) heirs: Vec<HandAuthority>,
    pub(super) has_news: bool,
}

impl CertificateAuthority {
    /// The authority whose files are in `ca/` of the data directory, if there are any. It belongs on an arbiter of its own:
    /// signing takes the processor.
    ///
    /// # Errors
    /// Where files cannot be read, do not belong together, or others may read a key.
    pub fn open(
        data_dir: &Path,
        settings: AuthoritySettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        world: World,
    ) -> Result<Self, AuthorityError> {
        let (files, members) = (AuthorityFiles::new(data_dir), MemberFiles::new(data_dir));
        let (seat, kept) = match Seat::load(&files)? {
            Some(seat) if seat.state.kept => (None, Some(seat)),
            seat => (seat, None),
        };
        let (register, tokens) = (Register::default(), Tokens::new());
        Ok(Self {
            settings,
            store,
            writer,
            world,
            files,
            members,
            seat,
            kept,
            register,
            tokens,
            followers: Vec::new(),
            heirs: Vec::new(),
            has_news: false,
        })
    }

    /// Whether there is an authority here, as its files say.
    #[must_use]
    pub fn is_seated(&self) -> bool {
        self.seat.is_some()
    }

    pub(super) fn view(&self) -> Result<AuthorityView, AuthorityError> {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        Ok(seat.view(&self.register, &self.settings, self.now()))
    }

    /// Tells everybody what to believe from now on.
    pub(super) fn announce(&mut self, ctx: &mut Context<Self>) {
        self.has_news = true;
        self.followers.retain(Recipient::connected);
        for follower in &self.followers {
            self.tell(follower, ctx);
        }
    }

    fn tell(&self, follower: &Recipient<TakeTrust>, ctx: &mut Context<Self>) {
        let Some(seat) = &self.seat else { return };
        let telling = follower.send(TakeTrust(seat.trust()));
        let told = async move {
            if let Ok(Err(error)) = telling.await {
                tracing::warn!(%error, "what the authority says is not taken");
            }
        };
        ctx.spawn(told.into_actor(self));
    }

    /// Signs new lists and tells everybody.
    pub(super) fn sign_and_announce(&mut self, ctx: &mut Context<Self>) -> Result<(), AuthorityError> {
        let seat = self.seat.as_mut().ok_or(AuthorityError::None)?;
        seat.sign_lists(&self.register, &self.settings, &self.world)?;
        self.announce(ctx);
        Ok(())
    }

    /// Reads the documents; nothing is answered before. A disk that fails is tried again.
    fn read_documents(&self, ctx: &mut Context<Self>) {
        let store = Arc::clone(&self.store);
        let reading = async move {
            loop {
                let store = Arc::clone(&store);
                match tokio::task::spawn_blocking(move || load::look(&store)).await {
                    Ok(Ok(loaded)) => return loaded,
                    Ok(Err(error)) => tracing::error!(%error, "the certificates cannot be read; trying again"),
                    Err(error) => tracing::error!(%error, "the certificates cannot be read; trying again"),
                }
                tokio::time::sleep(READ_AGAIN).await;
            }
        };
        ctx.wait(reading.into_actor(self).map(|loaded, authority, ctx| {
            let Loaded { register, used, open, unmarked } = loaded;
            authority.register = register;
            if let Some(seat) = &authority.seat {
                seat.state.heritage.teach(&mut authority.register, authority.world.clock.now());
            }
            used.into_iter().for_each(|(id, used)| authority.tokens.release(&id, Some(used)));
            open.iter().for_each(|(id, device)| authority.tokens.opened(id, device));
            unmarked.iter().for_each(|(id, serial)| authority.mark_used(id, serial));
            authority.tick(ctx);
        }));
    }

    /// Does what is due.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        let (now, elapsed) = (self.now(), self.world.clock.elapsed());
        if self.rotation_is_over(now)
            && let Err(error) = self.end_rotation(ctx)
        {
            tracing::error!(%error, "the old root could not be dropped; it is tried again");
        }
        self.hand_news(ctx);
        let Some(seat) = &self.seat else { return };
        let renew = !seat.roots.is_empty() && seat.needs_certificate(now);
        if seat.lists_are_due(elapsed, &self.settings)
            && let Err(error) = self.sign_and_announce(ctx)
        {
            tracing::error!(%error, "the revocation lists could not be signed; it is tried again");
        }
        if renew {
            match self.renew_area(ctx) {
                Ok(renewing) => {
                    let renewed = renewing.map(|renewed, _, _| {
                        if let Err(error) = renewed {
                            tracing::error!(%error, "the area's authority could not be renewed; it is tried again");
                        }
                    });
                    ctx.spawn(renewed);
                }
                Err(error) => tracing::error!(%error, "the area's authority cannot be renewed; it is tried again"),
            }
        }
    }

    /// Hands out what is decided: at once, or when it is stored.
    fn hand_out(&self, outcome: Result<Outcome, WireError>) -> ResponseActFuture<Self, Result<Answer, WireError>> {
        let mut pending = match outcome {
            Ok(Outcome::Write(pending)) => pending,
            Ok(Outcome::Now(answer)) => return Box::pin(async { Ok(answer) }.into_actor(self)),
            Err(refusal) => return Box::pin(async { Err(refusal) }.into_actor(self)),
        };
        let writing = self.write(std::mem::take(&mut pending.documents)).into_actor(self);
        Box::pin(writing.map(move |written, authority, _| {
            if let Some((token, serial)) = pending.used_token().filter(|_| written.is_ok()) {
                authority.mark_used(token, serial);
            }
            authority.settle(*pending, written)
        }))
    }
}

impl Actor for CertificateAuthority {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.read_documents(ctx);
        ctx.run_interval(self.settings.list_every.min(TICK), |authority, ctx| authority.tick(ctx));
        ctx.run_interval(SWEEP_EVERY, |_, ctx| ctx.notify(Sweep));
    }
}

impl Drop for CertificateAuthority {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody can replace the address that everybody holds, and what it knew of tokens in use is lost.
            tracing::error!("the certificate authority has failed; ending the process");
            std::process::abort();
        }
    }
}

impl Handler<AnswerPeer> for CertificateAuthority {
    type Result = ResponseActFuture<Self, Result<Answer, WireError>>;

    fn handle(&mut self, AnswerPeer { ask, peer, source }: AnswerPeer, _: &mut Context<Self>) -> Self::Result {
        let outcome = self.answer(ask, peer, source);
        self.hand_out(outcome)
    }
}

impl Handler<AnswerOwn> for CertificateAuthority {
    type Result = ResponseActFuture<Self, Result<Answer, WireError>>;

    fn handle(&mut self, AnswerOwn { ask }: AnswerOwn, _: &mut Context<Self>) -> Self::Result {
        let outcome = self.answer_own(ask);
        self.hand_out(outcome)
    }
}

impl Handler<InitAuthority> for CertificateAuthority {
    type Result = Answered<AuthorityView>;

    fn handle(&mut self, init: InitAuthority, ctx: &mut Context<Self>) -> Self::Result {
        self.init(init, ctx)
    }
}

impl Handler<AdoptArea> for CertificateAuthority {
    type Result = Result<AuthorityView, AuthorityError>;

    fn handle(&mut self, adopt: AdoptArea, ctx: &mut Context<Self>) -> Self::Result {
        self.adopt(adopt, ctx)
    }
}

impl Handler<TakeUpper> for CertificateAuthority {
    type Result = Result<(), AuthorityError>;

    fn handle(&mut self, TakeUpper(trust): TakeUpper, ctx: &mut Context<Self>) -> Self::Result {
        self.take_upper(&trust, ctx)
    }
}

impl Handler<AreaRequest> for CertificateAuthority {
    type Result = Option<Vec<u8>>;

    fn handle(&mut self, _: AreaRequest, _: &mut Context<Self>) -> Self::Result {
        let seat = self.seat.as_ref().filter(|seat| seat.roots.is_empty() && seat.needs_certificate(self.now()))?;
        let request = seat.area.request();
        request.inspect_err(|error| tracing::error!(%error, "the area's authority cannot ask for a certificate")).ok()
    }
}

impl Handler<TakeAreaCertificates> for CertificateAuthority {
    type Result = Result<(), AuthorityError>;

    fn handle(&mut self, TakeAreaCertificates(all): TakeAreaCertificates, ctx: &mut Context<Self>) -> Self::Result {
        self.take_certificates(all, ctx)
    }
}

impl Handler<CreateToken> for CertificateAuthority {
    type Result = Answered<JoinToken>;

    fn handle(&mut self, asked: CreateToken, _: &mut Context<Self>) -> Self::Result {
        let made = self.make_token(&asked);
        let writer = self.writer.clone();
        let written = async move {
            let (token, document) = made?;
            writer.send(AddResource(document)).await.map_err(|_| StoreError::Stopping)??;
            Ok(token)
        };
        Box::pin(written.into_actor(self).map(move |written: Result<JoinToken, AuthorityError>, authority, _| {
            if let (Ok(token), Some(device), true) = (&written, &asked.device, asked.without_secret) {
                authority.tokens.opened(&token.id, device);
            }
            written
        }))
    }
}

impl Handler<Revoke> for CertificateAuthority {
    type Result = Answered<Vec<String>>;

    fn handle(&mut self, revoke: Revoke, _: &mut Context<Self>) -> Self::Result {
        let serials = match self.begin_revoking(&revoke) {
            Ok(serials) => serials,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        let writing = self.write_revoked(&serials, revoke.reason.as_deref(), &revoke.by).into_actor(self);
        Box::pin(writing.map(move |failed, authority, ctx| {
            let restored = authority.restore(&failed);
            let by = revoke.by.identity().unwrap_or_default();
            tracing::info!(certificates = serials.len() - failed.len(), by, "revoked");
            if authority.seat.is_some() {
                authority.sign_and_announce(ctx)?;
            }
            restored.map(|()| serials.iter().map(ToString::to_string).collect())
        }))
    }
}

impl Handler<HearRevoked> for CertificateAuthority {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, HearRevoked(serials): HearRevoked, _: &mut Context<Self>) -> Self::Result {
        let serials = self.begin_hearing(serials);
        let reason = "the authority of the area has revoked it";
        let writing = self.write_revoked(&serials, Some(reason), &Caller::agent()).into_actor(self);
        Box::pin(writing.map(move |failed, authority, _| {
            let certificates = serials.len() - failed.len();
            if certificates > 0 {
                tracing::info!(certificates, "heard that certificates of this agent were revoked");
            }
            if let Err(error) = authority.restore(&failed) {
                tracing::error!(%error, "it is tried again with the next list");
            }
        }))
    }
}

impl Handler<Rotate> for CertificateAuthority {
    type Result = Answered<AuthorityView>;

    fn handle(&mut self, Rotate { finish }: Rotate, ctx: &mut Context<Self>) -> Self::Result {
        if finish {
            let ended = self.end_rotation(ctx);
            return Box::pin(async { ended }.into_actor(self));
        }
        self.begin_rotation(ctx)
    }
}

impl Handler<ShowAuthority> for CertificateAuthority {
    type Result = Result<AuthorityView, AuthorityError>;

    fn handle(&mut self, _: ShowAuthority, _: &mut Context<Self>) -> Self::Result {
        self.view()
    }
}

impl Handler<RevocationList> for CertificateAuthority {
    type Result = Result<String, AuthorityError>;

    fn handle(&mut self, _: RevocationList, _: &mut Context<Self>) -> Self::Result {
        let seat = self.seat.as_ref().ok_or(AuthorityError::None)?;
        let unsigned =
            || AuthorityError::Failed("the revocation list could not be signed: the log tells why".to_owned());
        seat.area_list().map(list_pem).ok_or_else(unsigned)
    }
}

impl Handler<RecordForeign> for CertificateAuthority {
    type Result = Answered<()>;

    fn handle(&mut self, foreign: RecordForeign, _: &mut Context<Self>) -> Self::Result {
        let recording = match self.record_foreign(&foreign) {
            Ok(recording) => recording,
            Err(error) => return Box::pin(async { Err(error) }.into_actor(self)),
        };
        let writing = self.write(vec![recording.document]).into_actor(self);
        let (serial, token) = (recording.serial, recording.token);
        Box::pin(writing.map(move |written, authority, _| {
            if let Some((id, used)) = token {
                authority.tokens.release(&id, Some(used).filter(|_| written.is_ok()));
                if written.is_ok() {
                    authority.mark_used(&id, &serial.to_string());
                }
            }
            if written.is_err() {
                authority.register.remove(&serial);
            }
            Ok(written?)
        }))
    }
}

impl Handler<Follow> for CertificateAuthority {
    type Result = ();

    fn handle(&mut self, Follow(follower): Follow, ctx: &mut Context<Self>) {
        self.followers.retain(Recipient::connected);
        if self.followers.len() >= MOST_FOLLOWERS {
            tracing::error!("too many parts of the agent follow the authority");
            return;
        }
        self.tell(&follower, ctx);
        self.followers.push(follower);
    }
}

impl Handler<Sweep> for CertificateAuthority {
    type Result = ResponseActFuture<Self, usize>;

    fn handle(&mut self, _: Sweep, _: &mut Context<Self>) -> Self::Result {
        let sweeping = self.sweep().into_actor(self);
        Box::pin(sweeping.map(|Swept { certificates, tokens }, authority, _| {
            certificates.iter().for_each(|serial| authority.register.remove(serial));
            let store = Arc::clone(&authority.store);
            authority.tokens.forget(|id| store.get(&format!("{}/{id}", super::tokens::KIND)).is_some());
            let count = certificates.len() + tokens;
            if count > 0 {
                tracing::info!(count, "removed certificates and join tokens that had ended");
            }
            count
        }))
    }
}

impl Handler<Tick> for CertificateAuthority {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        self.tick(ctx);
    }
}
