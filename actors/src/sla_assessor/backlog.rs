//! Documents that are read from their collections and not from the log: to remember what reports said, because the log has moved on,
//! or because it was for somebody else to assess them.

use std::collections::HashMap;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::area::standing::Standing;
use mf2c_sla::State;
use mf2c_store::Document;

use super::SlaAssessor;
use super::feed::LOG_PAUSE;
use super::turns::as_born;
use super::writing::MOST_WAITING;

/// Documents that are read at a time.
const PAGE: usize = 512;

/// Why they are read.
pub(super) enum Why {
    /// They were assessed before: only what is remembered of them is built anew, for these agreements from these times on, in
    /// nanoseconds.
    Remember(HashMap<Arc<str>, i128>),
    /// They were not. These agreements were in another state when they were made.
    Assess(HashMap<String, State>),
    /// They came before the agreements of these instances were known, and count from these times on, in nanoseconds.
    Early(HashMap<Arc<str>, i128>),
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

impl Backlog {
    /// A document at its place, if that is where it was made.
    fn as_it_was(&self, place: u64, document: &Document, body: Vec<u8>) -> Vec<u8> {
        let state = match &self.why {
            Why::Assess(born) if place < document.revision => born.get(document.id.as_str()),
            _ => None,
        };
        match state {
            Some(state) => as_born(body, *state),
            None => body,
        }
    }
}

impl SlaAssessor {
    /// How far the cursor may go.
    pub(super) fn mark(&self) -> u64 {
        let held = self.backlogs.iter().filter_map(|backlog| backlog.holds).min();
        held.into_iter().chain(self.held).fold(self.read, u64::min)
    }

    /// Reads a page of the first backlog. False if there is none.
    pub(super) fn work_off(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some(mut backlog) = self.backlogs.pop_front() else { return false };
        self.held = backlog.holds;
        for _ in 0..PAGE {
            if self.notes.len() >= MOST_WAITING {
                break;
            }
            let Some((place, document)) = backlog.documents.as_slice().first().cloned() else { break };
            self.place = place;
            let body = match self.store.body(&document) {
                Ok(body) => body.map(std::borrow::Cow::into_owned),
                Err(error) => {
                    tracing::warn!(id = %document.id, %error, "a document cannot be read; it is tried again");
                    self.not_before = Some(self.world.clock.elapsed() + LOG_PAUSE);
                    break;
                }
            };
            let _ = backlog.documents.next();
            let Some(body) = body else { continue };
            let (origin, at) = (document.origin().unwrap_or(self.node), document.time().wall());
            match document.id.kind() {
                "agreement" => {
                    self.take_agreement(&document.id, &backlog.as_it_was(place, &document, body), origin, at)
                }
                "event" => self.turn(&document.id, &body),
                "service-instance" => self.take_instance(&document.id, Some(&body), origin, at),
                _ => self.report(&document.id, &body, origin, at, Some(&backlog.why)),
            }
            self.look_back();
        }
        self.held = None;
        if !backlog.documents.as_slice().is_empty() {
            self.backlogs.push_front(backlog);
        }
        let mark = self.mark();
        self.close_page(mark, ctx);
        true
    }
}
