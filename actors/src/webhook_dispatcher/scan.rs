//! Looks through the change log for what webhooks are to be told next. It reads from the disk and compares documents, so
//! it runs on a thread where that holds up nobody.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mf2c_domain::acl::{Principal, PrincipalKind};
use mf2c_domain::caller::Caller;
use mf2c_domain::filter;
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::query::{OrderKey, Query};
use mf2c_domain::resource::types::webhook_failure::{MAX_FAILURES, SPEC as FAILURE};
use mf2c_domain::time::Timestamp;
use mf2c_domain::webhook::news::{News, What, reset};
use mf2c_domain::webhook::{Webhook, owner};
use mf2c_store::engine::EngineError;
use mf2c_store::{Change, ChangeKind, Changes, Document, Store};
use serde_json::Value;

/// The most deliveries on their way at a time for the webhooks of one user.
const IN_FLIGHT_OF_ONE: usize = 4;
/// The most changes read at once for those who stand at the same position.
const READ: usize = 64;

/// A webhook that nothing is on its way to.
pub(super) struct Follower {
    pub(super) name: String,
    pub(super) webhook: Arc<Webhook>,
    /// Everything up to here is settled.
    pub(super) cursor: u64,
    /// Whether it may be told something new now; a queued failure may go in any case.
    pub(super) is_due: bool,
    /// The number of its last delivery: who was served longest ago comes first.
    pub(super) served: u64,
}

/// One delivery.
pub(super) struct Letter {
    /// The `webhook-id`.
    pub(super) event: String,
    pub(super) body: Vec<u8>,
    /// The change that it tells of.
    pub(super) position: u64,
    pub(super) origin: Origin,
}

/// Where a letter comes from.
pub(super) enum Origin {
    /// The change log; once settled, the webhook stands at the letter's position.
    Log,
    /// A gap in the log; the same.
    Gap,
    /// A failure that somebody wants to be tried again: its id and the attempts so far.
    Failure(ResourceId, u64),
}

/// What a scan found for one webhook.
pub(super) enum Found {
    /// Nothing for it up to this position.
    Settled(u64),
    /// Something is next behind this position, but too much is on its way already.
    Waits(u64),
    /// This is next, and nothing else up to the position before it.
    Due(u64, Letter),
}

/// What a scan found.
pub(super) struct Scanned {
    pub(super) found: Vec<(String, Found)>,
    /// Whether there is more to read.
    pub(super) more: bool,
}

/// How many more letters may go out.
pub(super) struct Slots {
    pub(super) free: usize,
    /// How many are on their way for each owner.
    pub(super) taken: HashMap<Principal, usize>,
}

/// Finds what each follower is to be told next, as many letters as there are slots for.
pub(super) fn scan(
    store: &Store,
    now: Timestamp,
    mut followers: Vec<Follower>,
    slots: Slots,
) -> Result<Scanned, EngineError> {
    let newest = *store.subscribe().borrow();
    let mut scan = Scan { store, now, newest, slots, owners: HashMap::new(), found: Vec::new(), more: false };
    scan.failures(&mut followers);
    let mut groups: BTreeMap<u64, Vec<Follower>> = BTreeMap::new();
    for follower in followers.into_iter().filter(|follower| follower.is_due) {
        groups.entry(follower.cursor).or_default().push(follower);
    }
    let first = |group: &[Follower]| group.iter().map(|follower| follower.served).min();
    let mut groups: Vec<(u64, Vec<Follower>)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| first(group));
    for (cursor, mut group) in groups {
        group.sort_by_key(|follower| follower.served);
        scan.group(cursor, group)?;
    }
    Ok(Scanned { found: scan.found, more: scan.more })
}

impl Slots {
    /// A user whose receivers hang leaves room for the others; the administrators together need not.
    fn has_one_for(&self, owner: &Principal) -> bool {
        let all = owner.kind == PrincipalKind::Role;
        self.free > 0 && (all || self.taken.get(owner).is_none_or(|taken| *taken < IN_FLIGHT_OF_ONE))
    }

    fn take(&mut self, owner: &Principal) {
        self.free = self.free.saturating_sub(1);
        *self.taken.entry(owner.clone()).or_default() += 1;
    }
}

struct Scan<'s> {
    store: &'s Store,
    now: Timestamp,
    /// The newest position at the start of the scan.
    newest: u64,
    slots: Slots,
    owners: HashMap<String, Option<Caller>>,
    found: Vec<(String, Found)>,
    more: bool,
}

impl Scan<'_> {
    /// Failures that somebody wants to be tried again go first, one for each webhook.
    fn failures(&mut self, followers: &mut Vec<Follower>) {
        for failure in failures(self.store, "state='QUEUED'") {
            let of = |follower: &Follower| failure_of(&follower.name, &failure.id);
            let Some(at) = followers.iter().position(of) else { continue };
            if !self.slots.has_one_for(&followers[at].webhook.owner) {
                continue;
            }
            if let Some(letter) = self.letter_again(&failure) {
                let follower = followers.swap_remove(at);
                let cursor = follower.cursor;
                self.give(follower, cursor, letter);
            }
        }
    }

    fn letter_again(&self, failure: &Document) -> Option<Letter> {
        let body = self.store.body(failure).ok()??;
        let whole: Value = serde_json::from_slice(&body).ok()?;
        Some(Letter {
            event: whole.get("eventId")?.as_str()?.to_owned(),
            body: serde_json::to_vec(whole.get("payload")?).ok()?,
            position: whole.get("position")?.as_u64()?,
            origin: Origin::Failure(failure.id.clone(), whole.get("attempts")?.as_u64()?),
        })
    }

    /// Those who stand at the same position read the log together.
    fn group(&mut self, cursor: u64, mut group: Vec<Follower>) -> Result<(), EngineError> {
        let changes = match self.store.changes_after(cursor, READ)? {
            Changes::Next(changes) => changes,
            Changes::Trimmed { .. } => {
                self.gap(cursor, group);
                return Ok(());
            }
        };
        for change in &changes {
            if group.is_empty() {
                return Ok(());
            }
            group = self.tell(change, group);
        }
        let end = changes.last().map_or(cursor, |change| change.position);
        self.more |= end < self.newest && !group.is_empty();
        self.found.extend(group.into_iter().map(|follower| (follower.name, Found::Settled(end))));
        Ok(())
    }

    /// Tells those who want to know of a change, and gives the others back.
    fn tell(&mut self, change: &Change, group: Vec<Follower>) -> Vec<Follower> {
        let Some(news) = news(change) else { return group };
        let mut body = None;
        let mut left = Vec::with_capacity(group.len());
        for follower in group {
            let wanted = self.owner(&follower.webhook).is_some_and(|owner| follower.webhook.wants(&owner, &news));
            if !wanted {
                left.push(follower);
                continue;
            }
            let body = body.get_or_insert_with(|| news.body()).clone();
            let event = self.event(news.position, "");
            let letter = Letter { event, body, position: news.position, origin: Origin::Log };
            self.give(follower, news.position - 1, letter);
        }
        left
    }

    /// The log no longer goes back to where they stand.
    fn gap(&mut self, cursor: u64, group: Vec<Follower>) {
        let position = self.newest;
        for follower in group {
            let (event, body) = (self.event(cursor, "_reset"), reset(self.now, position));
            self.give(follower, cursor, Letter { event, body, position, origin: Origin::Gap });
        }
    }

    fn give(&mut self, follower: Follower, cursor: u64, letter: Letter) {
        let owner = &follower.webhook.owner;
        let found = if self.slots.has_one_for(owner) {
            self.slots.take(owner);
            Found::Due(cursor, letter)
        } else {
            Found::Waits(cursor)
        };
        self.found.push((follower.name, found));
    }

    /// The same for each attempt, also after a restart; another after a restore, when positions are used anew.
    fn event(&self, position: u64, kind: &str) -> String {
        format!("msg_{:x}_{position:x}{kind}", self.store.identity().incarnation)
    }

    fn owner(&mut self, webhook: &Webhook) -> Option<Caller> {
        let key = format!("{:?} {}", webhook.owner.kind, webhook.owner.principal);
        let store = self.store;
        let look = || {
            owner(&webhook.owner, |name| {
                let document = store.get(&format!("user/{name}"))?;
                store.body(&document).ok()?.map(std::borrow::Cow::into_owned)
            })
        };
        self.owners.entry(key).or_insert_with(look).clone()
    }
}

/// What a change says.
fn news(change: &Change) -> Option<News> {
    let what = match change.kind {
        ChangeKind::Created => What::Created,
        ChangeKind::Edited => What::Updated,
        ChangeKind::Deleted => What::Deleted,
    };
    News::read(change.position, change.time.wall(), change.id.clone(), what, &change.document)
}

/// Up to as many failures as one webhook may have, those of the oldest changes first.
pub(super) fn failures(store: &Store, which: &str) -> Vec<Arc<Document>> {
    let order = Path::parse("position").map(|path| OrderKey { path, descending: false });
    let query = Query {
        filter: filter::parse(which).ok(),
        order: order.into_iter().collect(),
        last: Some(MAX_FAILURES as u64),
        ..Query::everything()
    };
    match store.find(&FAILURE, &query, &Caller::agent()) {
        Ok(found) => found.documents,
        Err(error) => {
            tracing::warn!(%error, "the failures of webhooks cannot be read");
            Vec::new()
        }
    }
}

/// Whether this failure is one of this webhook: its name begins with the webhook's.
pub(super) fn failure_of(webhook: &str, failure: &ResourceId) -> bool {
    failure.name().rsplit_once('-').is_some_and(|(name, _)| name == webhook)
}
