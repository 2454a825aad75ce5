//! Edits of documents that belong to other agents.

use actix::prelude::*;
use mf2c_fabric::wire::{Answer, Code, WireError};

use super::actor::Replicator;
use super::{AnswerProposal, Proposal, Propose};

impl Handler<Propose> for Replicator {
    type Result = ResponseFuture<Result<Proposal, WireError>>;

    fn handle(&mut self, _: Propose, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(WireError::new(Code::Busy, "the agent that owns the document is away")) })
    }
}

impl Handler<AnswerProposal> for Replicator {
    type Result = ResponseFuture<Result<Answer, WireError>>;

    fn handle(&mut self, _: AnswerProposal, _: &mut Context<Self>) -> Self::Result {
        Box::pin(async { Err(WireError::new(Code::Busy, "the agent that owns the document is away")) })
    }
}
