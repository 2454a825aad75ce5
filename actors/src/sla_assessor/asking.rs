//! Questions about how agreements stand, answered when all that was committed before them is read.

use std::collections::VecDeque;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_sla::SloReport;
use tokio::sync::oneshot;

use super::SlaAssessor;

/// The most changes that a question waits for.
const MOST_BEHIND: u64 = 10_000;
/// The most questions that wait.
const MOST_WAITING: usize = 256;

/// How the budgets of an agreement's guarantees stand.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Vec<SloReport>, SloError>")]
pub struct AskSlo(pub ResourceId);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SloError {
    /// It would be out of date.
    #[error("{0} changes are not assessed yet; ask again later")]
    Behind(u64),
    /// The agreement is not there, or cannot be read.
    #[error("the agreement cannot be assessed; the log of the agent tells why")]
    NotAssessed,
    /// It is about to start, or to stop.
    #[error("nothing assesses agreements here now; ask again later, or look whether `sla.enabled` is false")]
    Starting,
}

type Answer = Result<Vec<SloReport>, SloError>;

/// Questions that wait, each for a place in the log.
#[derive(Default)]
pub(super) struct Questions(VecDeque<(u64, ResourceId, oneshot::Sender<Answer>)>);

impl SlaAssessor {
    /// Answers what has waited for what is read by now.
    pub(super) fn answer(&mut self) {
        while self.backlogs.is_empty()
            && let Some((_, agreement, asker)) = self.questions.0.pop_front_if(|(place, ..)| *place <= self.read)
        {
            // Who no longer waits needs no answer.
            drop(asker.send(self.slo(&agreement)));
        }
    }

    fn slo(&mut self, agreement: &ResourceId) -> Answer {
        let entry = self.index.agreements.get_mut(agreement.as_str()).ok_or(SloError::NotAssessed)?;
        let (terms, book) = entry.book();
        Ok(book.slo(terms, self.world.clock.now()))
    }
}

impl Handler<AskSlo> for SlaAssessor {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, AskSlo(agreement): AskSlo, ctx: &mut Context<Self>) -> Self::Result {
        let (newest, behind) = (*self.feed.borrow(), self.behind());
        if behind > MOST_BEHIND || self.questions.0.len() >= MOST_WAITING {
            return Box::pin(std::future::ready(Err(SloError::Behind(behind))));
        }
        let (asker, answer) = oneshot::channel();
        self.questions.0.push_back((newest, agreement, asker));
        self.go_on(ctx);
        Box::pin(async move { answer.await.unwrap_or(Err(SloError::Starting)) })
    }
}
