//! Edits and deletions of documents that belong to other agents: they are made there, and answered when they are visible
//! here.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use mf2c_actors::replicator::{Proposal, Propose};
use mf2c_domain::id::ResourceId;
use mf2c_domain::query::decode_pairs;
use mf2c_fabric::wire::{Code, WireError};
use mf2c_store::IfMatch;
use mf2c_store::record::NodeId;
use serde_json::{Map, Value};

use super::Exchange;
use crate::error::{ApiError, message};

/// When a caller asks again whose change has not reached the other agent, in seconds.
const RETRY_AFTER: u32 = 5;

/// What shall become of a document of another agent.
pub(crate) struct Change {
    /// The document.
    pub(crate) id: ResourceId,
    /// Whose it is.
    pub(crate) origin: NodeId,
    /// Attributes to set; none deletes it.
    pub(crate) changes: Option<Map<String, Value>>,
    /// Attributes to remove.
    pub(crate) removed: Vec<String>,
    /// The condition of `If-Match`.
    pub(crate) if_match: Option<IfMatch>,
}

/// Has it made there. None when it is done and visible here; else the answer for a change that waits.
///
/// # Errors
/// 503 where the other agent cannot be reached and the caller did not say `override=true`; else what that agent answers.
pub(crate) async fn propose(exchange: &Exchange<'_>, change: Change) -> Result<Option<HttpResponse>, ApiError> {
    let id = change.id.clone();
    let Some(replicator) = &exchange.api.elsewhere else {
        return Err(away(&id, "this agent takes part in no area now"));
    };
    // `*` asks for nothing but that there is a document.
    let if_match = change.if_match.and_then(|condition| match condition {
        IfMatch::Any => None,
        IfMatch::OneOf(tags) => Some(tags),
    });
    let propose = Propose {
        id: change.id,
        origin: change.origin,
        changes: change.changes,
        removed: change.removed,
        if_match,
        by: (exchange.caller.identity().unwrap_or_default().to_owned(), exchange.caller.is_admin()),
        may_wait: may_wait(exchange)?,
    };
    match replicator.send(propose).await.map_err(|_| away(&id, "this agent is stopping"))? {
        Ok(Proposal::Done) => Ok(None),
        Ok(Proposal::Waiting(proposal)) => Ok(Some(accepted(&id, &proposal))),
        Err(error) => Err(refused(&id, &error)),
    }
}

/// Whether the query says `override=true`.
fn may_wait(exchange: &Exchange<'_>) -> Result<bool, ApiError> {
    let raw = exchange.request.query_string();
    let pairs = if raw.is_empty() { vec![] } else { decode_pairs(raw)? };
    match pairs.iter().find(|(name, _)| name == "override").map(|(_, value)| value.as_ref()) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ApiError::bad_request("`override` is neither `true` nor `false`: write `override=true`")),
    }
}

/// 202 with the id of the proposal.
fn accepted(id: &ResourceId, proposal: &ResourceId) -> HttpResponse {
    let text = format!("the agent that {id} belongs to is away; the change waits for it as {proposal}");
    HttpResponse::Accepted().insert_header((header::LOCATION, proposal.as_str())).json(message(
        StatusCode::ACCEPTED,
        &text,
        Some(proposal.as_str()),
    ))
}

fn away(id: &ResourceId, reason: &str) -> ApiError {
    let text = format!(
        "{id} cannot be changed now, {reason}: try again later, or send the same with `override=true` in the query, and \
         the change waits"
    );
    ApiError::unavailable(text, RETRY_AFTER).about(id.as_str())
}

/// What another agent's refusal is for the caller.
fn refused(id: &ResourceId, error: &WireError) -> ApiError {
    let status = match error.code {
        Code::Conflict => StatusCode::PRECONDITION_FAILED,
        // The answer tells who is to be asked.
        Code::NotLeader => StatusCode::CONFLICT,
        Code::Forbidden | Code::Auth => return ApiError::forbidden(id.as_str()),
        // It is done there, and to send it again would do it twice.
        Code::Gap => return ApiError::unavailable(format!("{id}: {}", error.msg), 1).about(id.as_str()),
        Code::NotFound => return ApiError::not_found(id.as_str()),
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Invalid | Code::BadFrame => StatusCode::BAD_REQUEST,
        _ => return away(id, &error.msg),
    };
    ApiError::new(status, error.msg.clone()).about(id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_of_another_agent_is_the_answer_that_a_local_document_would_have_had() {
        let id = ResourceId::parse("device/kid").unwrap();
        for (code, status) in [
            (Code::Conflict, 412),
            (Code::Forbidden, 403),
            (Code::TooLarge, 413),
            (Code::BadFrame, 400),
            (Code::Invalid, 400),
            (Code::NotFound, 404),
            (Code::Busy, 503),
            (Code::NotLeader, 409),
            (Code::Gap, 503),
            (Code::Internal, 503),
        ] {
            let answer = refused(&id, &WireError::new(code, "why"));
            assert_eq!(answer.status().as_u16(), status, "{code}");
            assert_eq!(answer.resource(), Some("device/kid"), "{code}");
        }
        let answer = refused(&id, &WireError::new(Code::Busy, "no link to it"));
        let text = answer.document()["message"].as_str().unwrap().to_owned();
        assert!(text.contains("now, no link to it: try") && text.matches("override=true").count() == 1, "{text}");
        assert_eq!(answer.into_response().headers().get("retry-after").unwrap(), "5");
    }

    #[test]
    fn a_change_that_waits_leads_to_its_proposal() {
        let id = |text| ResourceId::parse(text).unwrap();
        let answer = accepted(&id("device/kid"), &id("proposal/1"));
        assert_eq!(answer.status().as_u16(), 202);
        assert_eq!(answer.headers().get("location").unwrap(), "proposal/1");
    }
}
