//! `/healthz` and `/readyz`: whether the agent lives, and whether it takes requests.

use std::sync::atomic::{AtomicU8, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::Monitor;
use crate::cimi::Api;

/// Where an agent is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not everything runs yet.
    Starting,
    /// Everything runs.
    Serving,
    /// The doors are being closed.
    Stopping,
}

/// The stage, to be told and asked from anywhere.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Enters a stage.
    pub fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }

    /// The stage of now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self.0.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            _ => Stage::Stopping,
        }
    }
}

/// What is wrong, in a word and a sentence.
type Trouble = (&'static str, &'static str);

const DEGRADED: Trouble = ("degraded", "reads are answered, writes fail; the log tells why");

fn trouble(api: &Api) -> Option<Trouble> {
    (api.store.counters().failures.load(Ordering::Relaxed) > 0).then_some(DEGRADED)
}

fn unready(readiness: &Readiness, api: &Api) -> Option<Trouble> {
    match readiness.stage() {
        Stage::Starting => Some(("starting", "not everything runs yet")),
        Stage::Stopping => Some(("stopping", "what is in flight is answered; ask another agent")),
        Stage::Serving => trouble(api),
    }
}

/// 200 while writes succeed, 503 with the reason while only reads do.
pub(super) async fn alive(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    answer(&request, "ok", trouble(&api))
}

/// 200 while requests are taken, 503 with the reason while they should go elsewhere.
pub(super) async fn ready(request: HttpRequest, api: Data<Api>, monitor: Data<Monitor>) -> HttpResponse {
    answer(&request, "ready", unready(&monitor.readiness, &api))
}

fn answer(request: &HttpRequest, good: &str, trouble: Option<Trouble>) -> HttpResponse {
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((header::VARY, HeaderValue::from_static("Accept")));
    if wants_json(request) {
        return match trouble {
            None => response.json(json!({ "status": good })),
            Some((word, reason)) => response.json(json!({ "status": word, "reason": reason })),
        };
    }
    response.content_type("text/plain; charset=utf-8");
    match trouble {
        None => response.body(format!("{good}\n")),
        Some((word, reason)) => response.body(format!("{word}: {reason}\n")),
    }
}

fn wants_json(request: &HttpRequest) -> bool {
    let mut accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.any(|list| {
        list.split(',').any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_starts_serves_and_stops() {
        let readiness = Readiness::default();
        assert_eq!(readiness.stage(), Stage::Starting);
        for stage in [Stage::Serving, Stage::Stopping] {
            readiness.enter(stage);
            assert_eq!(readiness.stage(), stage);
        }
    }
}
