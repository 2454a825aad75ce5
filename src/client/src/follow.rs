//! Follows an agent's changes: one stream of events, made again whenever it is lost, from where it ended.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, Response, header};
use serde_json::Value;

use crate::ClientError;
use crate::remote::Remote;
use crate::sse::{Event, Parser};

/// A connection on which nothing comes for this long, not even a heartbeat, is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// The first pause before a lost connection is made again, if the agent names none.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The largest refusal that is read.
const REFUSAL: usize = 64 << 10;

/// Something to tell of.
#[derive(Debug)]
pub(crate) enum News {
    /// An event came.
    Event {
        /// Its name: `ready`, `created`, `updated`, `deleted`, `reset`.
        name: String,
        /// Its id, to go on behind it.
        id: Option<String>,
        /// Its content.
        data: Value,
    },
    /// The connection was lost, and is made again.
    Lost {
        /// Why.
        reason: String,
    },
}

/// A followed stream.
pub(crate) struct Follower<'a> {
    remote: &'a Remote,
    query: Vec<(&'static str, String)>,
    parser: Parser,
    open: Option<Response>,
    waiting: VecDeque<Event>,
    failures: u32,
    pause: Option<Duration>,
    was_open: bool,
}

impl<'a> Follower<'a> {
    /// Prepares to follow the changes of these types for which the filter holds, behind an event's id if one is given.
    pub(crate) fn new(remote: &'a Remote, types: &[&str], filters: &[String], from: Option<String>) -> Self {
        let mut query = vec![];
        if !types.is_empty() {
            query.push(("types", types.join(",")));
        }
        if let Some(filter) = joined(filters) {
            query.push(("filter", filter));
        }
        let parser = Parser::resume(from, None);
        Self { remote, query, parser, open: None, waiting: VecDeque::new(), failures: 0, pause: None, was_open: false }
    }

    /// Waits for what comes next. It goes on for ever, unless the agent refuses or never was there.
    pub(crate) async fn next(&mut self) -> Result<News, ClientError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return self.event(event);
            }
            match self.piece().await {
                Ok(()) => self.failures = 0,
                Err(error) if self.was_open && is_passing(&error) => {
                    self.open = None;
                    let usual = self.parser.retry.unwrap_or(FIRST_PAUSE);
                    self.pause = Some(usual.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE));
                    self.failures = self.failures.saturating_add(1);
                    if self.failures == 1 {
                        // Without the advice to try again: that is what happens.
                        let reason = error.to_string();
                        let reason = reason.split("; ").next().unwrap_or(&reason).to_owned();
                        return Ok(News::Lost { reason });
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn event(&self, event: Event) -> Result<News, ClientError> {
        match serde_json::from_str(&event.data) {
            Ok(data @ Value::Object(_)) => Ok(News::Event { name: event.name, id: event.id, data }),
            _ => Err(self.remote.no_agent("an event holds no JSON")),
        }
    }

    /// Reads one more piece of the stream, connecting first where that is needed.
    async fn piece(&mut self) -> Result<(), ClientError> {
        if self.open.is_none() {
            if let Some(pause) = self.pause.take() {
                tokio::time::sleep(pause).await;
            }
            let opened = self.connect().await?;
            self.open = Some(opened);
            self.was_open = true;
        }
        let Some(response) = &mut self.open else { return Ok(()) };
        let lost = |reason: &str| ClientError::Unreachable { url: self.remote.url(), reason: reason.to_owned() };
        let chunk = tokio::time::timeout(SILENCE, response.chunk()).await;
        match chunk.map_err(|_| lost("no heartbeat for 90 s"))? {
            Ok(Some(chunk)) => {
                let events = self.parser.feed(&chunk).map_err(|_| self.remote.no_agent("an event has no end"))?;
                self.waiting.extend(events);
                Ok(())
            }
            Ok(None) => Err(lost("the agent ended the stream")),
            Err(error) => Err(self.remote.unreachable(&error)),
        }
    }

    async fn connect(&mut self) -> Result<Response, ClientError> {
        let query: Vec<(&str, &str)> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut request = self.remote.request(Method::GET, "events", &query);
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(id) = &self.parser.last_id {
            request = request.header("last-event-id", id);
        }
        // What the lost connection had begun is sent again as a whole.
        self.parser = Parser::resume(self.parser.last_id.take(), self.parser.retry);
        let mut response = self.remote.open(request).await?;
        let is_stream = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if response.status() == 200 && is_stream.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while body.len() < REFUSAL
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
        Err(match status {
            200 => self.remote.no_agent("the answer is no stream of events"),
            404 => ClientError::Failed(format!("the agent at {} tells of no changes: is it older?", self.remote.url())),
            _ => self.remote.refused(status, &body),
        })
    }
}

/// Several filters that must all hold, as one.
pub(crate) fn joined(filters: &[String]) -> Option<String> {
    match filters {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(many.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>().join(" and ")),
    }
}

/// Whether trying again may help.
fn is_passing(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Refused { status: 429 | 500..=599, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_filters_must_all_hold() {
        let filters = ["a=1 or b=2".to_owned(), "c=3".to_owned()];
        assert_eq!(joined(&filters).as_deref(), Some("(a=1 or b=2) and (c=3)"));
        assert_eq!(joined(&filters[1..]).as_deref(), Some("c=3"));
        assert_eq!(joined(&[]), None);
    }
}
