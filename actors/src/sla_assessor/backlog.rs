//! Documents that are read from their collections and not from the log: to remember what reports said, because the log has moved on,
//! or because it was for somebody else to assess them.

use std::collections::HashMap;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::area::standing::Standing;
use mf2c_store::Document;

use super::SlaAssessor;
use super::writing::MOST_WAITING;

/// Documents that are read at a time.
const PAGE: usize = 512;

/// Why they are read.
pub(super) enum Why {
    /// They were assessed before: only what is remembered of them is built anew, for these agreements from these times on, in
    /// nanoseconds.
    Remember(HashMap<Arc<str>, i128>),
    /// They were not.
    Assess,
    /// They were not for this agent to assess, as it stood before.
    TakeOver(Box<Standing>),
}

/// See the module.
pub(super) struct Backlog {
    /// In the order of their places in the log.
    pub(super) documents: std::vec::IntoIter<(u64, Arc<Document>)>,
    pub(super) why: Why,
    /// The cursor stays here until all are read.
    pub(super) holds: Option<u64>,
}

impl Backlog {
    /// These documents in the order of their places; none where there are none.
    pub(super) fn of(mut documents: Vec<(u64, Arc<Document>)>, why: Why, holds: Option<u64>) -> Option<Self> {
        documents.sort_unstable_by(|(one, first), (other, second)| (one, &first.id).cmp(&(other, &second.id)));
        (!documents.is_empty()).then(|| Self { documents: documents.into_iter(), why, holds })
    }
}

impl SlaAssessor {
    /// How far the cursor may go.
    pub(super) fn mark(&self) -> u64 {
        let held = self.backlogs.iter().filter_map(|backlog| backlog.holds).min();
        held.map_or(self.read, |held| held.min(self.read))
    }

    /// Reads a page of the first backlog. False if there is none.
    pub(super) fn work_off(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some(mut backlog) = self.backlogs.pop_front() else { return false };
        for _ in 0..PAGE {
            if self.notes.len() >= MOST_WAITING {
                break;
            }
            let Some((_, document)) = backlog.documents.next() else { break };
            let body = match self.store.body(&document) {
                Ok(Some(body)) => body.into_owned(),
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(id = %document.id, %error, "a document cannot be read; it is passed over");
                    continue;
                }
            };
            let (origin, at) = (document.origin().unwrap_or(self.node), document.time().wall());
            match document.id.kind() {
                "agreement" => self.take_agreement(&document.id, &body, origin, at),
                "service-instance" => self.take_instance(&document.id, Some(&body), origin, at),
                _ => self.report(&document.id, &body, origin, at, Some(&backlog.why)),
            }
        }
        if !backlog.documents.as_slice().is_empty() {
            self.backlogs.push_front(backlog);
        }
        let mark = self.mark();
        self.close_page(mark, ctx);
        true
    }
}
