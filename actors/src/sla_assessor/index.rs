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
    /// Whose document it is.
    pub(super) origin: NodeId,
    /// When this revision was made.
    pub(super) since: Timestamp,
    /// When it is looked at next by the clock, in nanoseconds.
    pub(super) planned: Option<i128>,
}

/// One service instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// What stands in its `agreement`.
    pub(super) link: Box<str>,
    /// The service's id.
    pub(super) service: Box<str>,
    /// The service's name.
    pub(super) called: Box<str>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    pub(super) agreements: HashMap<Arc<str>, Entry>,
    /// Name, whether it is not started, id: of one name the best comes first. Terminated ones are not there.
    named: BTreeSet<(Arc<str>, bool, Arc<str>)>,
    pub(super) instances: HashMap<Box<str>, Known>,
    /// Own instances that name no agreement.
    pub(super) unlinked: BTreeSet<Box<str>>,
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
    /// Takes in an agreement that is new or was edited at `since`. Its book goes on.
    pub(super) fn agreement(&mut self, agreement: Agreement, origin: NodeId, since: Timestamp, out: &mut Vec<Finding>) {
        let id = Arc::clone(agreement.id());
        let before = self.agreements.remove(&id);
        if let Some(before) = &before {
            self.named.remove(&place(&before.agreement));
        }
        if agreement.state() != State::Terminated {
            self.named.insert(place(&agreement));
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
        self.agreements.insert(id, Entry { agreement, book, origin, since, planned });
    }

    /// Forgets an agreement; when it was planned to be looked at.
    pub(super) fn no_agreement(&mut self, id: &str) -> Option<i128> {
        let gone = self.agreements.remove(id)?;
        self.named.remove(&place(&gone.agreement));
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
        let bare = format!("agreement/{}", known.link);
        if !known.link.is_empty()
            && let Some((id, _)) = self.agreements.get_key_value(bare.as_str())
        {
            return Some(Arc::clone(id));
        }
        let names = [&*known.called, &*known.service, "*"];
        let best = names.iter().filter(|name| !name.is_empty()).filter_map(|name| self.best(name));
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

    /// The first agreement of this name.
    fn best(&self, name: &str) -> Option<&Arc<str>> {
        let from: (Arc<str>, bool, Arc<str>) = (name.into(), false, "".into());
        self.named.range(from..).next().filter(|(found, ..)| **found == *name).map(|(_, _, id)| id)
    }

    /// The instances that are held against an agreement. It looks at all.
    pub(super) fn instances_of(&self, agreement: &str) -> Vec<Box<str>> {
        let of = |known: &Known| self.attached(known).is_some_and(|attached| *attached == *agreement);
        let mut found: Vec<_> =
            self.instances.iter().filter(|(_, known)| of(known)).map(|(id, _)| id.clone()).collect();
        found.sort_unstable();
        found
    }
}

fn place(agreement: &Agreement) -> (Arc<str>, bool, Arc<str>) {
    (Arc::clone(agreement.name()), agreement.state() != State::Started, Arc::clone(agreement.id()))
}

#[cfg(test)]
mod tests {
    use mf2c_sla::Expressions;
    use serde_json::json;

    use super::*;

    fn with(index: &mut Index, id: &str, name: &str, state: &str) {
        let body = json!({"state": state, "name": name, "details": {"name": name, "creation": "2018-01-16T17:09:45Z",
            "guarantees": [{"name": "*", "constraint": "execution_time < 10"}]}});
        let agreement = Agreement::read(id, body.to_string().as_bytes(), &mut Expressions::default()).unwrap();
        index.agreement(agreement, [0; 16], Timestamp::default(), &mut Vec::new());
    }

    fn chosen(index: &Index, link: &str, called: &str) -> Option<String> {
        let known = Known { link: link.into(), service: "service/5".into(), called: called.into() };
        index.attached(&known).map(|id| id.to_string())
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
    }
}
