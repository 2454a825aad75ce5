//! `GET /service-instances/{id}/logs`: what an instance has said, and goes on to say.
//!
//! Lines are asked for as the connection takes them, so a slow reader costs no memory.

use std::str::FromStr;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data};
use futures_util::stream::{self, BoxStream, ReadyChunks};
use futures_util::{StreamExt as _, future};
use mf2c_actors::lifecycle_manager::{Line, ReadLogs, WorkError};
use mf2c_domain::quantity::HumanDuration;
use mf2c_domain::time::Timestamp;
use mf2c_workload::LogOptions;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::refusal::LmError;
use super::{Answered, Call, MOST_FOLLOWERS};
use crate::caller::{StillAllowed, still_allowed};
use crate::cimi::Api;
use crate::error::ApiError;
use crate::front::{Departure, Peer};

/// So many lines that are there are sent in one piece.
const PIECE: usize = 32;
/// How often it is looked whether the reader is still there and may read on.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// The most lines that may be asked for.
const MOST_LINES: usize = 1_000_000;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `time [index] text`.
    Text,
    /// One JSON document a line.
    Json,
}

/// What a reader asks for.
#[derive(Debug, Default)]
struct Ask {
    index: Option<u32>,
    options: LogOptions,
}

impl Call<'_> {
    pub(super) async fn logs(&self, name: &str) -> Answered {
        let instance = self.known("service-instance", name)?;
        let Ask { index, mut options } = self.asked_of_logs()?;
        let is_head = *self.exchange.request.method() == Method::HEAD;
        options.follow &= !is_head;
        let place = std::sync::Arc::clone(&self.door.followers).try_acquire_owned().map_err(|_| {
            let text = format!("{MOST_FOLLOWERS} logs are being read, and no more may: try again later");
            ApiError::unavailable(text, 10)
        })?;
        let lines = self.ask(ReadLogs { instance, index, options, by: self.exchange.caller.clone() }).await?;
        let form = self.form();
        let mut response = HttpResponse::Ok();
        response
            .content_type(match form {
                Form::Text => "text/plain; charset=utf-8",
                Form::Json => "application/x-ndjson",
            })
            .insert_header((header::CACHE_CONTROL, "no-store"))
            // Nobody on the way may hold lines back until there are more, we ourselves by compression included.
            .insert_header(("x-accel-buffering", "no"))
            .insert_header((header::CONTENT_ENCODING, "identity"));
        if is_head {
            return Ok(response.streaming(stream::empty::<Result<Bytes, std::convert::Infallible>>()));
        }
        let reader = self.reader(lines.0, form, place)?;
        let pieces = stream::unfold(reader, |mut reader| async move {
            let piece = reader.next().await?;
            Some((Ok::<_, std::convert::Infallible>(piece), reader))
        });
        Ok(response.streaming(pieces))
    }

    fn reader(
        &self,
        lines: BoxStream<'static, Result<Line, WorkError>>,
        form: Form,
        place: OwnedSemaphorePermit,
    ) -> Result<Reader, LmError> {
        let request = self.exchange.request;
        let missing = || ApiError::unavailable("the agent is stopping: try again later", 5);
        let api = request.app_data::<Data<Api>>().ok_or_else(missing)?;
        Ok(Reader {
            lines: lines.ready_chunks(PIECE),
            form,
            closed: self.door.closed.subscribe(),
            still_allowed: still_allowed(request, api, &self.exchange.caller),
            departure: request.conn_data::<Peer>().map(|peer| peer.departure.clone()).unwrap_or_default(),
            is_over: false,
            _place: place,
        })
    }

    fn form(&self) -> Form {
        let accepted = self.exchange.request.headers().get_all(header::ACCEPT);
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        let wanted = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
        let is_json = accepted.any(|value| wanted.iter().any(|wanted| value.contains(wanted)));
        if is_json { Form::Json } else { Form::Text }
    }

    fn asked_of_logs(&self) -> Result<Ask, LmError> {
        ask(&self.parameters()?, self.exchange.api.world.clock.now())
    }
}

fn ask(pairs: &[(String, String)], now: Timestamp) -> Result<Ask, LmError> {
    let mut ask = Ask::default();
    for (name, value) in pairs {
        let shown: String = value.chars().take(40).collect();
        let wrong = |expected: &str| LmError::bad(format!("`{name}` is `{shown}`: expected {expected}"));
        match name.as_str() {
            "index" => ask.index = Some(value.parse().map_err(|_| wrong("a whole number from 0"))?),
            "tail" => {
                let lines = value.parse().ok().filter(|lines| *lines <= MOST_LINES);
                ask.options.tail =
                    Some(lines.ok_or_else(|| wrong(&format!("a number of lines, at most {MOST_LINES}")))?);
            }
            "since" => {
                let expected = "a time such as 2026-11-22T17:00:00Z, or how long ago, such as 10m";
                ask.options.since = Some(moment(value, now).ok_or_else(|| wrong(expected))?);
            }
            "follow" => ask.options.follow = value.parse().map_err(|_| wrong("true or false"))?,
            _ => {
                let name: String = name.chars().take(40).collect();
                let known = "index, tail, since and follow";
                return Err(LmError::bad(format!("unknown parameter `{name}`: there are {known}")));
            }
        }
    }
    Ok(ask)
}

/// A time, or so long before now.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(ago) = HumanDuration::from_str(text) {
        let ago = i128::try_from(ago.get().as_nanos()).ok()?;
        return Some(Timestamp::from_nanos(now.nanos().saturating_sub(ago).max(0)));
    }
    // A plus sign in a query stands for a blank.
    Timestamp::parse_partial(&text.replace(' ', "+"))
}

/// One reader of a log.
struct Reader {
    lines: ReadyChunks<BoxStream<'static, Result<Line, WorkError>>>,
    form: Form,
    closed: watch::Receiver<bool>,
    still_allowed: StillAllowed,
    departure: Departure,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next lines to send; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_over || self.departure.is_seen() || *self.closed.borrow() || !(self.still_allowed)() {
                return None;
            }
            let lines = {
                let closing = std::pin::pin!(self.closed.changed());
                match timeout(CHECK_EVERY, future::select(self.lines.next(), closing)).await {
                    Ok(future::Either::Left((lines, _))) => lines?,
                    Ok(future::Either::Right(_)) => return None,
                    // Silence: whether anybody is left to hear it is asked above.
                    Err(_) => continue,
                }
            };
            return Some(self.written(lines));
        }
    }

    fn written(&mut self, lines: Vec<Result<Line, WorkError>>) -> Bytes {
        let mut out = Vec::with_capacity(lines.len() * 128);
        for line in lines {
            match line {
                Ok(line) => self.form.write(&line, &mut out),
                Err(error) => {
                    self.is_over = true;
                    self.form.write_failure(&error.text, &mut out);
                    break;
                }
            }
        }
        out.into()
    }
}

impl Form {
    fn write(self, line: &Line, out: &mut Vec<u8>) {
        match (self, &line.part) {
            (Self::Json, _) => out.extend(serde_json::to_vec(line).unwrap_or_default()),
            (Self::Text, None) => out.extend(format!("{} [{}] {}", line.time, line.index, line.text).bytes()),
            (Self::Text, Some(part)) => {
                out.extend(format!("{} [{}/{part}] {}", line.time, line.index, line.text).bytes());
            }
        }
        out.push(b'\n');
    }

    /// What is said where a log breaks off, for the status was sent long ago.
    fn write_failure(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Text => out.extend(format!("the log breaks off: {text}\n").bytes()),
            Self::Json => out.extend(format!("{}\n", json!({ "error": true, "message": text })).bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Ask, String> {
        let pairs: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let now = Timestamp::parse("2026-01-01T00:10:00Z").unwrap();
        ask(&pairs, now).map_err(|error| error.text().as_str().unwrap().to_owned())
    }

    #[test]
    fn parameters_say_which_lines_and_wrong_ones_are_named() {
        let all = read(&[("index", "2"), ("tail", "0"), ("since", "10m"), ("follow", "true")]).unwrap();
        assert_eq!((all.index, all.options.tail, all.options.follow), (Some(2), Some(0), true));
        assert_eq!(all.options.since, Timestamp::parse("2026-01-01T00:00:00Z"));
        let since = read(&[("since", "2026-01-01T02:00:00 02:00")]).unwrap().options.since;
        assert_eq!(since, all.options.since);
        let none = read(&[]).unwrap();
        assert_eq!((none.index, none.options.tail, none.options.since, none.options.follow), (None, None, None, false));
        for (name, value) in
            [("index", "-1"), ("tail", "1000001"), ("since", "yesterday"), ("follow", "1"), ("lines", "5")]
        {
            assert!(read(&[(name, value)]).unwrap_err().contains(&format!("`{name}`")), "{name}={value}");
        }
    }

    #[test]
    fn lines_are_texts_or_documents() {
        let line = Line {
            index: 1,
            part: None,
            stream: "stdout".to_owned(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            text: "hello".to_owned(),
        };
        let written = |form: Form, line: &Line| {
            let mut out = vec![];
            form.write(line, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Form::Text, &line), "2026-01-01T00:00:00Z [1] hello\n");
        let document: Line = serde_json::from_str(&written(Form::Json, &line)).unwrap();
        assert_eq!(document, line);
        let part = Line { part: Some("web".to_owned()), ..line };
        assert_eq!(written(Form::Text, &part), "2026-01-01T00:00:00Z [1/web] hello\n");
    }
}
