//! Writing down what was found, many documents at a time, and moving the cursor when they are stored.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use mf2c_store::StoreError;

use super::SlaAssessor;
use super::early::EARLY;
use super::notes::Note;
use crate::resource_store::{AddResource, DeleteResource, KeepCursors};

/// What the name of the cursor is.
pub(super) const CURSOR: &str = "sla/assessor";
/// The most documents that wait to be stored; no more reports are read meanwhile.
pub(super) const MOST_WAITING: usize = 4096;
/// Pause after the store has failed.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two stores of the cursor.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// So many changes that do not matter are read again after a crash.
const FAR: u64 = 10_000;

/// Pages of the log whose findings are being stored.
#[derive(Default)]
pub(super) struct Pages {
    open: VecDeque<Page>,
    next: u64,
    /// Documents that wait.
    pub(super) waiting: usize,
    /// Everything up to here is stored.
    pub(super) settled: u64,
    /// The cursor that is stored.
    pub(super) kept: u64,
    /// Whether something that matters came since the cursor was stored.
    pub(super) matters: bool,
    keeping: bool,
    failing: bool,
}

/// One page.
struct Page {
    number: u64,
    upto: u64,
    left: usize,
}

impl Pages {
    /// Pages of one that comes back to life: everything up to `settled` is stored.
    pub(super) fn from(settled: u64, kept: u64) -> Self {
        Self { settled, kept, ..Self::default() }
    }

    /// Everything up to `upto` is read, and so many documents follow from it.
    fn close(&mut self, upto: u64, count: usize) -> u64 {
        if count == 0 {
            match self.open.back_mut() {
                Some(last) => last.upto = last.upto.max(upto),
                None => self.settled = self.settled.max(upto),
            }
            return self.next;
        }
        self.next += 1;
        self.waiting += count;
        self.open.push_back(Page { number: self.next, upto, left: count });
        self.next
    }

    /// So many documents of a page are stored.
    fn stored(&mut self, number: u64, count: usize) {
        self.waiting = self.waiting.saturating_sub(count);
        if let Some(page) = self.open.iter_mut().find(|page| page.number == number) {
            page.left = page.left.saturating_sub(count);
        }
        while let Some(page) = self.open.pop_front_if(|page| page.left == 0) {
            self.settled = self.settled.max(page.upto);
        }
    }
}

/// What became of some notes.
struct Outcome {
    /// Those to be tried again.
    again: Vec<Note>,
    done: usize,
    refused: usize,
    trouble: Option<StoreError>,
}

impl SlaAssessor {
    /// The page that ends at `upto` is read: what follows from it is written.
    pub(super) fn close_page(&mut self, upto: u64, ctx: &mut Context<Self>) {
        let notes = std::mem::take(&mut self.notes);
        let number = self.pages.close(upto, notes.len());
        if !notes.is_empty() {
            self.pages.matters = true;
            self.write(number, notes, ctx);
        }
        self.plan_keeping(ctx);
    }

    fn write(&self, number: u64, notes: Vec<Note>, ctx: &mut Context<Self>) {
        // All of them are in the mailbox of the store before the first is waited for: they share a sync.
        let sent: Vec<_> = notes.into_iter().map(|note| (self.send(&note), note)).collect();
        let written = async move {
            let mut outcome = Outcome { again: Vec::new(), done: 0, refused: 0, trouble: None };
            for (answer, note) in sent {
                match answer.await {
                    // What is there already was found before a crash. What is gone needs no edit.
                    Ok(())
                    | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. } | StoreError::Stale { .. }) => {
                        outcome.done += 1;
                    }
                    Err(StoreError::Elsewhere { .. }) => outcome.done += 1,
                    Err(StoreError::Stopping) => return None,
                    Err(error @ (StoreError::Full { .. } | StoreError::Unavailable { .. })) => {
                        outcome.again.push(note);
                        outcome.trouble = Some(error);
                    }
                    Err(error) => {
                        tracing::error!(%error, "a finding about an agreement cannot be written");
                        outcome.done += 1;
                        outcome.refused += 1;
                    }
                }
            }
            Some(outcome)
        };
        ctx.spawn(written.into_actor(self).map(move |outcome, assessor, ctx| {
            // Without an outcome the agent is stopping: the next start does it again.
            if let Some(outcome) = outcome {
                assessor.written(number, outcome, ctx);
            }
        }));
    }

    fn written(&mut self, number: u64, outcome: Outcome, ctx: &mut Context<Self>) {
        self.counters.errors.fetch_add(outcome.refused as u64, Ordering::Relaxed);
        self.pages.stored(number, outcome.done);
        match outcome.trouble {
            None => self.pages.failing = false,
            Some(error) => {
                if !std::mem::replace(&mut self.pages.failing, true) {
                    tracing::warn!(%error, "what was found about agreements cannot be stored; it is tried again");
                }
                let again = outcome.again;
                ctx.run_later(STORE_PAUSE, move |assessor, ctx| assessor.write(number, again, ctx));
            }
        }
        self.plan_keeping(ctx);
        self.go_on(ctx);
    }

    /// Puts one note into the mailbox of the store.
    pub(super) fn send(&self, note: &Note) -> ResponseFuture<Result<(), StoreError>> {
        match note.clone() {
            Note::Add { spec, name, attributes, acl } => {
                match Note::document(spec, (name, attributes, acl), &self.world) {
                    Ok(new) => {
                        let sent = self.writer.send(AddResource(new));
                        Box::pin(async move { sent.await.map_or(Err(StoreError::Stopping), |answer| answer.map(drop)) })
                    }
                    Err(error) => {
                        tracing::error!(kind = spec.name, error, "a finding about an agreement cannot be described");
                        self.counters.errors.fetch_add(1, Ordering::Relaxed);
                        Box::pin(std::future::ready(Ok(())))
                    }
                }
            }
            Note::Edit { id, changes, if_match } => {
                let sent = self.writer.send(Note::edit(id, changes, if_match));
                Box::pin(async move { sent.await.map_or(Err(StoreError::Stopping), |answer| answer.map(drop)) })
            }
            Note::Delete { id } => {
                let by = mf2c_domain::caller::Caller::agent();
                let sent = self.writer.send(DeleteResource { id, if_match: None, by });
                Box::pin(async move { sent.await.map_or(Err(StoreError::Stopping), |answer| answer.map(drop)) })
            }
        }
    }

    fn plan_keeping(&mut self, ctx: &mut Context<Self>) {
        let pages = &mut self.pages;
        let far = pages.settled.saturating_sub(pages.kept) >= FAR;
        if pages.keeping || pages.settled == pages.kept || !(pages.matters || far) {
            return;
        }
        pages.keeping = true;
        ctx.run_later(KEEP_EVERY, |assessor, ctx| assessor.keep(ctx));
    }

    /// Stores the cursor.
    fn keep(&mut self, ctx: &mut Context<Self>) {
        self.pages.matters = false;
        let cursor = self.pages.settled;
        // What was early for what is not settled yet may be looked for again.
        let is_settled = cursor >= self.read;
        self.early_is_kept = !self.early.is_empty() || self.early_is_kept && !is_settled;
        let early = self.early_is_kept.then_some(cursor);
        let kept = self.writer.send(KeepCursors(vec![(CURSOR.to_owned(), Some(cursor)), (EARLY.to_owned(), early)]));
        ctx.spawn(kept.into_actor(self).map(move |kept, assessor, ctx| {
            assessor.pages.keeping = false;
            if matches!(kept, Ok(Ok(()))) {
                assessor.pages.kept = cursor;
            } else {
                assessor.pages.matters = true;
            }
            assessor.plan_keeping(ctx);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_passes_a_page_only_when_that_and_all_before_it_are_stored() {
        let mut pages = Pages::default();
        pages.close(5, 0);
        assert_eq!(pages.settled, 5);
        let one = pages.close(10, 2);
        let two = pages.close(20, 1);
        pages.close(30, 0);
        pages.stored(two, 1);
        assert_eq!((pages.settled, pages.waiting), (5, 2));
        pages.stored(one, 1);
        assert_eq!(pages.settled, 5);
        pages.stored(one, 1);
        assert_eq!((pages.settled, pages.waiting), (30, 0));
    }
}
