//! What the assessor knows: agreements with their books, instances, and which belongs to which. Pure; it is filled from the store and
//! kept up to date from the change log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use mf2c_sla::{Agreement, Book, Candidate, Finding, Instance, State, attach};
use mf2c_store::record::NodeId;

/// One agreement.
pub(super) struct Entry {
    pub(super) agreement: Agreement,
    /// What was seen of it; none before there was anything.
    pub(super) book: Option<Box<Book>>,
    /// Which agent's document it is.
    pub(super) origin: NodeId,
    /// Who owns it.
    pub(super) owner: Owner,
    /// When this revision was made.
    pub(super) since: Timestamp,
    /// When it is looked at next by the clock, in nanoseconds.
    pub(super) planned: Option<i128>,
}

/// The owner of a document, as `USER jane` or [`ADMIN`].
pub(super) type Owner = Arc<str>;

/// The owner of what belongs to the administrators.
pub(super) const ADMIN: &str = "ROLE ADMIN";

/// One service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// What stands in its `agreement`.
    pub(super) link: Arc<str>,
    /// The service's id.
    pub(super) service: Arc<str>,
    /// The service's name.
    pub(super) called: Arc<str>,
    /// Who runs it.
    pub(super) owner: Owner,
    /// Who offers the service.
    pub(super) provider: Owner,
}

impl Known {
    /// Whether it names an agreement: then it is held against no other, even if that one is not known.
    fn names_one(&self) -> bool {
        self.link.starts_with("agreement/")
    }

    /// The ids and names of agreements that it may be held against.
    fn words(&self) -> Vec<Arc<str>> {
        if self.names_one() {
            return vec![Arc::clone(&self.link)];
        }
        let names = [&self.called, &self.service].into_iter().filter(|name| !name.is_empty()).cloned();
        let bare = (!self.link.is_empty()).then(|| format!("agreement/{}", self.link).into());
        names.chain(bare).chain([Arc::from("*")]).collect()
    }
}

type Place = (Arc<str>, Owner, bool, Arc<str>);

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    pub(super) agreements: HashMap<Arc<str>, Entry>,
    /// Name, owner, whether it is not started, id: of one name and owner the best comes first. Terminated ones are not there.
    named: BTreeSet<Place>,
    instances: HashMap<Arc<str>, Known>,
    /// Each id or name of an agreement, with the instances that may be held against it.
    words: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Own instances that name no agreement.
    pub(super) unlinked: BTreeSet<Arc<str>>,
}

impl Entry {
    /// The book, opened where it was not.
    pub(super) fn book(&mut self) -> (&Agreement, &mut Book) {
        let book = self.book.get_or_insert_with(|| Box::new(Book::open(&self.agreement, self.since)));
        (&self.agreement, book)
    }

    /// When it is looked at next by the clock.
    pub(super) fn due(&self) -> Option<i128> {
        match &self.book {
            Some(book) => book.due(&self.agreement).map(Timestamp::nanos),
            None if self.agreement.state() == State::Terminated => None,
            None => self.agreement.expiration().map(|expiration| expiration.nanos() + 1_000_000),
        }
    }
}

impl Index {
    /// Takes in an agreement that is new or was edited at `since`. Its book goes on. Gives back the instances that were held against
    /// none, and are held against it now.
    pub(super) fn agreement(
        &mut self,
        agreement: Agreement,
        (origin, owner): (NodeId, Owner),
        since: Timestamp,
        out: &mut Vec<Finding>,
    ) -> Vec<Arc<str>> {
        let id = Arc::clone(agreement.id());
        let is_same = self.agreements.get(&id).is_some_and(|entry| {
            let known = &entry.agreement;
            known.name() == agreement.name()
                && entry.owner == owner
                && (known.state() != State::Terminated || agreement.state() == State::Terminated)
        });
        let mut waiting = if is_same { Vec::new() } else { self.named_by(&id, agreement.name()) };
        waiting.retain(|instance| self.agreement_of(instance).is_none());
        let before = self.agreements.remove(&id);
        if let Some(before) = &before {
            self.named.remove(&place(&before.owner, &before.agreement));
        }
        if agreement.state() != State::Terminated {
            self.named.insert(place(&owner, &agreement));
        }
        let (book, planned) = match before {
            None => (None, None),
            Some(mut before) => {
                // The book remembers when it was stopped.
                if before.agreement.state() != agreement.state() {
                    before.book();
                }
                if let Some(book) = &mut before.book {
                    book.follow(&before.agreement, &agreement, since, out);
                }
                (before.book, before.planned)
            }
        };
        self.agreements.insert(Arc::clone(&id), Entry { agreement, book, origin, owner, since, planned });
        waiting.retain(|instance| self.agreement_of(instance).is_some());
        waiting
    }

    pub(super) fn knows(&self, instance: &str) -> bool {
        self.instances.contains_key(instance)
    }

    /// Takes in an instance. Whether it was held against no agreement, and is held against one now.
    pub(super) fn instance(&mut self, id: &str, known: Known) -> bool {
        let was = self.agreement_of(id).is_some();
        self.no_instance(id);
        let id: Arc<str> = id.into();
        self.words.extend(known.words().into_iter().map(|word| (word, Arc::clone(&id))));
        let is = self.attached(&known).is_some();
        self.instances.insert(id, known);
        is && !was
    }

    /// Forgets an instance; whether it was known.
    pub(super) fn no_instance(&mut self, id: &str) -> bool {
        let Some((id, gone)) = self.instances.remove_entry(id) else { return false };
        for word in gone.words() {
            self.words.remove(&(word, Arc::clone(&id)));
        }
        true
    }

    /// A service has another name or belongs to somebody else. The instances that were held against no agreement, and are held against one now.
    pub(super) fn service(&mut self, id: &str, name: &str, provider: &Owner) -> Vec<Arc<str>> {
        let mut attached = Vec::new();
        for instance in self.of_service(id) {
            let Some(known) =
                self.instances.get(&instance).filter(|known| *known.called != *name || known.provider != *provider)
            else {
                continue;
            };
            let known = Known { called: name.into(), provider: Arc::clone(provider), ..known.clone() };
            if self.instance(&instance, known) {
                attached.push(instance);
            }
        }
        attached
    }

    /// The instances of a service.
    pub(super) fn of_service(&self, id: &str) -> Vec<Arc<str>> {
        let bare = id.split_once('/').map_or(id, |(_, bare)| bare);
        [id, bare].into_iter().flat_map(|word| self.with_word(word)).collect()
    }

    fn with_word(&self, word: &str) -> impl Iterator<Item = Arc<str>> + use<'_> {
        let word: Arc<str> = word.into();
        let from = (Arc::clone(&word), Arc::from(""));
        self.words.range(from..).take_while(move |(found, _)| *found == word).map(|(_, instance)| Arc::clone(instance))
    }

    /// The instances that may be held against an agreement of this id and name.
    fn named_by(&self, id: &str, name: &str) -> Vec<Arc<str>> {
        let mut named: Vec<_> = self.with_word(id).chain(self.with_word(name)).collect();
        named.sort_unstable();
        named.dedup();
        named
    }

    /// An agreement that is known came into another state; its id.
    pub(super) fn turn(&mut self, id: &str, state: State, at: Timestamp, out: &mut Vec<Finding>) -> Option<Arc<str>> {
        let (id, entry) = self.agreements.get_key_value(id)?;
        let (id, was) = (Arc::clone(id), place(&entry.owner, &entry.agreement));
        let entry = self.agreements.get_mut(&id)?;
        if entry.agreement.state() == State::Terminated || entry.agreement.state() == state {
            return None;
        }
        entry.book();
        if let Some(book) = &mut entry.book {
            book.turn(&mut entry.agreement, state, at, out);
        }
        self.named.remove(&was);
        if state != State::Terminated {
            self.named.insert(place(&entry.owner, &entry.agreement));
        }
        Some(id)
    }

    /// Forgets an agreement; when it was planned to be looked at.
    pub(super) fn no_agreement(&mut self, id: &str) -> Option<i128> {
        let gone = self.agreements.remove(id)?;
        self.named.remove(&place(&gone.owner, &gone.agreement));
        gone.planned
    }

    /// The agreement that an instance is held against.
    pub(super) fn agreement_of(&self, instance: &str) -> Option<Arc<str>> {
        let known = self.instances.get(instance)?;
        self.attached(known)
    }

    /// The same of an instance that is described by what matters.
    pub(super) fn attached(&self, known: &Known) -> Option<Arc<str>> {
        if let Some((id, _)) = self.agreements.get_key_value(&*known.link) {
            return Some(Arc::clone(id));
        }
        if known.names_one() {
            return None;
        }
        let bare = format!("agreement/{}", known.link);
        if !known.link.is_empty()
            && let Some((id, _)) = self.agreements.get_key_value(bare.as_str())
        {
            return Some(Arc::clone(id));
        }
        let names = [&*known.called, &*known.service, "*"];
        let best = names.iter().filter(|name| !name.is_empty()).filter_map(|name| self.best(name, known));
        let candidates = best.filter_map(|id| {
            let entry = self.agreements.get(id)?;
            Some(Candidate { id, name: entry.agreement.name(), state: entry.agreement.state() })
        });
        let instance = Instance {
            id: String::new(),
            agreement: String::new(),
            service: known.service.to_string(),
            service_type: String::new(),
            status: String::new(),
            agents: Vec::new(),
        };
        let id = attach(&instance, &known.called, candidates)?;
        self.agreements.get_key_value(id).map(|(id, _)| Arc::clone(id))
    }

    /// The best agreement of this name: started before others; of these the own of whoever runs the instance, then that of the
    /// service's provider, then the administrators'. Nobody else's: names are free, and would reach what is not theirs.
    fn best(&self, name: &str, known: &Known) -> Option<&Arc<str>> {
        let name: Arc<str> = name.into();
        let admin: Owner = ADMIN.into();
        // What a provider calls `*` is about his own instances.
        let provider = Some(&known.provider).filter(|_| *name != *"*");
        let owners = std::iter::once(&known.owner).chain(provider).chain([&admin]);
        let first = |owner: &Owner| {
            let from: Place = (Arc::clone(&name), Arc::clone(owner), false, "".into());
            self.named.range(from..).next().filter(|(found, whose, ..)| *found == name && whose == owner)
        };
        // Of equal ones the first counts.
        owners.filter_map(first).min_by_key(|(_, _, idle, _)| *idle).map(|(.., id)| id)
    }

    /// The instances that may be held against another agreement than before when this one is taken in.
    pub(super) fn near(&self, agreement: &Agreement, owner: &Owner) -> Vec<Arc<str>> {
        let before = self.agreements.get(agreement.id());
        if before.is_some_and(|before| {
            let is_named_alike = place(&before.owner, &before.agreement) == place(owner, agreement);
            let is_terminated = |agreement: &Agreement| agreement.state() == State::Terminated;
            is_named_alike
                && is_terminated(&before.agreement) == is_terminated(agreement)
                && before.agreement.watches_availability() == agreement.watches_availability()
        }) {
            return Vec::new();
        }
        let mut near = self.named_by(agreement.id(), agreement.name());
        near.extend(before.into_iter().flat_map(|before| self.with_word(before.agreement.name())));
        near
    }

    /// The instances that are held against an agreement.
    pub(super) fn instances_of(&self, agreement: &str) -> Vec<Arc<str>> {
        let Some(entry) = self.agreements.get(agreement) else { return Vec::new() };
        let mut found = self.named_by(agreement, entry.agreement.name());
        found.retain(|instance| self.agreement_of(instance).is_some_and(|attached| *attached == *agreement));
        found
    }
}

fn place(owner: &Owner, agreement: &Agreement) -> Place {
    (Arc::clone(agreement.name()), Arc::clone(owner), agreement.state() != State::Started, Arc::clone(agreement.id()))
}

#[cfg(test)]
mod tests {
    use mf2c_sla::Expressions;
    use serde_json::json;

    use super::*;

    fn with(index: &mut Index, id: &str, name: &str, state: &str) -> Vec<String> {
        of(index, ADMIN, id, name, state)
    }

    fn of(index: &mut Index, owner: &str, id: &str, name: &str, state: &str) -> Vec<String> {
        let body = json!({"state": state, "name": name, "details": {"name": name, "creation": "2018-01-16T17:09:45Z",
            "guarantees": [{"name": "*", "constraint": "execution_time < 10"}]}});
        let agreement = Agreement::read(id, body.to_string().as_bytes(), &mut Expressions::default()).unwrap();
        let attached = index.agreement(agreement, ([0; 16], owner.into()), Timestamp::default(), &mut Vec::new());
        attached.iter().map(ToString::to_string).collect()
    }

    fn known(link: &str, called: &str) -> Known {
        let [owner, provider] = ["USER jane", "USER paul"].map(Owner::from);
        Known { link: link.into(), service: "service/5".into(), called: called.into(), owner, provider }
    }

    #[test]
    fn names_reach_the_instances_of_their_owner_of_his_services_and_of_nobody_else() {
        let mut index = Index::default();
        for (id, name) in [("agreement/1", "*"), ("agreement/2", "foo")] {
            of(&mut index, "USER bob", id, name, "started");
        }
        assert_eq!(chosen(&index, "", "foo"), None, "bob has nothing to do with it");
        assert_eq!(chosen(&index, "agreement/1", "foo").as_deref(), Some("agreement/1"), "but where it is named");
        of(&mut index, "USER paul", "agreement/3", "*", "started");
        assert_eq!(chosen(&index, "", "foo"), None, "what a provider calls so is about his own");
        with(&mut index, "agreement/4", "*", "started");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/4"));
        of(&mut index, "USER paul", "agreement/5", "foo", "started");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/5"));
        of(&mut index, "USER jane", "agreement/6", "foo", "stopped");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/5"), "a started one goes first");
        of(&mut index, "USER jane", "agreement/6", "foo", "started");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/6"));
    }

    #[test]
    fn an_instance_is_held_against_an_agreement_as_soon_as_both_are_known() {
        let mut index = Index::default();
        assert!(!index.instance("i/linked", known("agreement/1", "foo")));
        assert!(!index.instance("i/named", known("", "foo")));
        assert!(!index.instance("i/other", known("", "bar")));
        assert_eq!(with(&mut index, "agreement/1", "x", "stopped"), ["i/linked"]);
        assert_eq!(with(&mut index, "agreement/2", "foo", "started"), ["i/named"]);
        assert_eq!(with(&mut index, "agreement/3", "*", "started"), ["i/other"]);
        assert_eq!(with(&mut index, "agreement/3", "*", "stopped"), [""; 0], "it is held against it already");
        assert!(index.instance("i/new", known("", "bar")) && !index.instance("i/new", known("agreement/1", "")));
        let held = |index: &Index, id| index.instances_of(id).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(held(&index, "agreement/1"), ["i/linked", "i/new"]);
        assert_eq!(held(&index, "agreement/3"), ["i/other"]);
        index.no_agreement("agreement/3");
        assert_eq!(index.service("service/5", "foo", &"USER paul".into()), ["i/other".into()]);
        assert!(index.no_instance("i/other") && !index.no_instance("i/other"));
        assert_eq!(held(&index, "agreement/2"), ["i/named"]);
    }

    fn chosen(index: &Index, link: &str, called: &str) -> Option<String> {
        index.attached(&known(link, called)).map(|id| id.to_string())
    }

    #[test]
    fn a39_the_link_the_services_name_and_the_star_are_found_in_this_order() {
        let mut index = Index::default();
        assert_eq!(chosen(&index, "", "foo"), None);
        with(&mut index, "agreement/1", "*", "started");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/1"));
        with(&mut index, "agreement/2", "foo", "stopped");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/2"));
        with(&mut index, "agreement/3", "foo", "started");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/3"), "a started one goes first");
        assert_eq!(chosen(&index, "agreement/1", "foo").as_deref(), Some("agreement/1"));
        assert_eq!(chosen(&index, "1", "foo").as_deref(), Some("agreement/1"));
        with(&mut index, "agreement/3", "foo", "terminated");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/2"));
        index.no_agreement("agreement/2");
        assert_eq!(chosen(&index, "", "foo").as_deref(), Some("agreement/1"));
        assert_eq!(chosen(&index, "", "").as_deref(), Some("agreement/1"));
        assert_eq!(chosen(&index, "agreement/9", "foo"), None, "another is not meant");
        assert_eq!(chosen(&index, "sla-template/9", "foo").as_deref(), Some("agreement/1"));
    }
}
