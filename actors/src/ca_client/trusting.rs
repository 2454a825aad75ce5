//! Whom the agent believes: what of the news it takes, keeps and passes on.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::token::root_hash;
use mf2c_domain::area::upkeep::LOOK_EVERY;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Bytes, Notice, TrustNews};
use mf2c_pki::area::{ListError, PeerIdentity, Trust};

use super::actor::expected;
use super::member::Member;
use super::{CaClient, CaClientError};
use crate::certificate_authority::{HearOwnList, HearRevoked, TakeUpper};

/// The pause between two questions for news. What is urgent is told without being asked for, but not to an agent that has
/// been shut out: that one learns it by asking.
const ASK_EVERY: Duration = LOOK_EVERY;
/// The most forged lists that are told of.
const MOST_FORGED: usize = 64;

/// What of the news is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Everything.
    All,
    /// Roots and lists; the authority of the own area is not the one of whom it comes from.
    Roots,
    /// Lists.
    Lists,
}

/// What came, as it is.
pub(super) fn read(news: AuthorityTrust, now: Timestamp) -> Result<Trust, CaClientError> {
    let (trust, refused) =
        Trust::new(news.sequence, plain(news.roots), plain(news.intermediates), plain(news.lists), now)
            .map_err(unusable)?;
    for error in refused {
        tracing::debug!(%error, "left out a revocation list");
    }
    Ok(trust)
}

/// The forged lists that were told of: a peer that has one sends it again and again.
#[derive(Default)]
pub(super) struct Forged(RefCell<BTreeSet<[u8; 32]>>);

impl Forged {
    /// A list with a wrong signature is somebody's attempt, and told of once; the others are of no interest.
    fn refuse(&self, list: &[u8], error: &ListError) {
        let mut told = self.0.borrow_mut();
        if *error == ListError::Forged && told.len() < MOST_FORGED && told.insert(root_hash(list)) {
            tracing::warn!(%error, "ignored a revocation list");
        } else {
            tracing::debug!(%error, "ignored a revocation list");
        }
    }
}

/// What is believed after the news; none if nothing has changed.
pub(super) fn merge(
    known: &Trust,
    news: AuthorityTrust,
    take: News,
    now: Timestamp,
    forged: &Forged,
) -> Result<Option<Trust>, CaClientError> {
    let newer = take != News::Lists && news.sequence > known.sequence();
    let (roots, sequence) =
        if newer { (plain(news.roots), news.sequence) } else { (known.roots().to_vec(), known.sequence()) };
    let current = news.sequence >= known.sequence() && !news.intermediates.is_empty();
    let intermediates =
        if take == News::All && current { plain(news.intermediates) } else { known.intermediates().to_vec() };
    let mut changed = newer || intermediates != known.intermediates();
    let mut trust = if changed {
        if roots.is_empty() {
            return Err(CaClientError::Unusable("there are no roots in what came".to_owned()));
        }
        let (mut trust, _) = Trust::new(sequence, roots, intermediates, vec![], now).map_err(unusable)?;
        trust.keep_lists_of(known);
        trust
    } else {
        known.clone()
    };
    for list in news.lists {
        match trust.take_list(&list.0, now) {
            Ok(()) => changed = true,
            Err(error) => forged.refuse(&list.0, &error),
        }
    }
    Ok(changed.then_some(trust))
}

fn unusable(error: impl std::fmt::Display) -> CaClientError {
    CaClientError::Unusable(format!("what came of roots and authorities is not usable: {error}"))
}

fn plain(all: Vec<Bytes>) -> Vec<Vec<u8>> {
    all.into_iter().map(|bytes| bytes.0).collect()
}

/// Everything that is believed, for others.
pub(super) fn whole(trust: &Trust) -> AuthorityTrust {
    let bytes = |all: &[Vec<u8>]| all.iter().cloned().map(Bytes).collect();
    AuthorityTrust {
        sequence: trust.sequence(),
        roots: bytes(trust.roots()),
        intermediates: bytes(trust.intermediates()),
        lists: bytes(&trust.lists()),
    }
}

impl CaClient {
    /// The own authority speaks.
    pub(super) fn take_trust(&mut self, news: AuthorityTrust, ctx: &mut Context<Self>) -> Result<(), CaClientError> {
        self.leads = true;
        let area =
            news.intermediates.first().and_then(|der| PeerIdentity::of(&der.0).ok()?.id.area().map(str::to_owned));
        let Some(membership) = self.credentials.membership() else {
            self.obtain(ctx);
            return Ok(());
        };
        let believed = self.believe(news, News::All, ctx);
        if area.is_some() && membership.own.id.area() != area.as_deref() {
            // Admitted by the authority above, and now at the head of an area of its own.
            self.obtain(ctx);
        } else {
            self.transport.open_door();
        }
        believed
    }

    /// A peer speaks.
    pub(super) fn hear_trust(
        &mut self,
        news: AuthorityTrust,
        peer: &PeerIdentity,
        ctx: &mut Context<Self>,
    ) -> Result<(), CaClientError> {
        let from_leader = self.above().is_some_and(|(_, leader)| leader == peer.id);
        self.hear(news, from_leader, ctx)
    }

    fn hear(&mut self, news: AuthorityTrust, from_leader: bool, ctx: &mut Context<Self>) -> Result<(), CaClientError> {
        let take = match (from_leader, self.leads) {
            (false, _) => News::Lists,
            (true, true) => News::Roots,
            (true, false) => News::All,
        };
        if from_leader && self.leads {
            let told = self.authority.send(TakeUpper(news.clone())).into_actor(self);
            ctx.spawn(told.map(|told, _, _| match told {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the area's authority did not take what the one above sent"),
                Err(_) => tracing::debug!("the area's authority is stopping"),
            }));
        }
        self.believe(news, take, ctx)
    }

    fn believe(&mut self, news: AuthorityTrust, take: News, ctx: &mut Context<Self>) -> Result<(), CaClientError> {
        let known = self.credentials.trust();
        let Some(trust) = merge(&known, news, take, self.world.clock.now(), &self.forged)? else { return Ok(()) };
        if trust.sequence() > known.sequence() {
            tracing::info!(sequence = trust.sequence(), roots = trust.roots().len(), "believing other roots");
        }
        let notice = self.leads.then(|| Notice::Trust(whole(&trust)));
        if self.leads {
            let heard = self.authority.send(HearOwnList(whole(&trust))).into_actor(self);
            ctx.spawn(heard.map(|_, _, _| ()));
        }
        self.credentials.set_trust(trust).map_err(super::arrival::failed)?;
        self.transport.close_unbelieved();
        self.tell_revoked(ctx);
        self.save_trust(ctx);
        if let Some(notice) = notice {
            self.transport.tell(notice);
        }
        Ok(())
    }

    /// Has what is revoked written into the documents of this agent: open connections of users are judged by them.
    pub(super) fn tell_revoked(&self, ctx: &mut Context<Self>) {
        let serials: Vec<_> = self.credentials.trust().revoked_serials().cloned().collect();
        if !serials.is_empty() {
            let told = self.authority.send(HearRevoked(serials)).into_actor(self);
            ctx.spawn(told.map(|_, _, _| ()));
        }
    }

    /// Writes down what is believed, one after the other.
    pub(super) fn save_trust(&mut self, ctx: &mut Context<Self>) {
        if self.saving {
            self.unsaved = true;
            return;
        }
        self.saving = true;
        let (files, credentials) = (Arc::clone(&self.files), self.credentials.clone());
        // What is newest is read when it is this one's turn.
        let saved = tokio::task::spawn_blocking(move || files.lock().save_trust(&credentials.trust()));
        ctx.spawn(saved.into_actor(self).map(|saved, client, ctx| {
            client.saving = false;
            if let Ok(Err(error)) = saved {
                tracing::error!(%error, "what is believed could not be kept; after a restart the old counts");
            }
            if std::mem::take(&mut client.unsaved) {
                client.save_trust(ctx);
            }
        }));
    }

    /// What the leader knows of trust.
    pub(super) fn ask_for_news(&self) -> impl Future<Output = Result<AuthorityTrust, CaClientError>> + use<> {
        let trust = self.credentials.trust();
        let have = TrustNews { bundle: trust.sequence(), lists: trust.list_numbers() };
        let asked = self.transport.ask(Ask::Trust { have });
        async move { expected(asked.await?, |answer| if let Answer::Trust(trust) = answer { Some(trust) } else { None }) }
    }

    /// Asks the leader for news, where it is time.
    pub(super) fn ask_news(&mut self) -> ResponseActFuture<Self, ()> {
        let elapsed = self.world.clock.elapsed();
        let now = self.world.clock.now();
        let has_expired = self.member.as_ref().is_none_or(|member| member.upkeep.has_expired(now));
        let is_due = self.news.is_due(elapsed) && !has_expired;
        let Some((_, leader)) = self.above().filter(|_| is_due) else {
            return Box::pin(actix::fut::ready(()));
        };
        self.news.begin(elapsed, ASK_EVERY);
        let asked = self.ask_for_news();
        Box::pin(asked.into_actor(self).map(move |news, client, ctx| {
            let taken = news.and_then(|news| {
                // The link was to this leader; meanwhile another may have taken its place.
                let still = client.above().is_some_and(|(_, now)| now == leader);
                client.hear(news, still, ctx)
            });
            match taken {
                Ok(()) => {
                    client.news.succeeded();
                    client.member.iter_mut().for_each(Member::is_welcome);
                }
                Err(error) => {
                    tracing::debug!(%error, "no news of the leader");
                    client.is_unwelcome(&error);
                    client.news.failed(client.world.clock.elapsed(), &*client.world.entropy);
                }
            }
        }))
    }
}
