//! Reads request bodies within their bounds and says exactly what is wrong with a bad one.

use actix_web::http::{StatusCode, header};
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::Exchange;
use super::strict::Strict;
use crate::error::ApiError;
use crate::identification::is_of_a_page;

/// What a body claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `application/json` or `application/*+json`.
    Json,
    /// One JSON document a line.
    Lines,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// No content type.
    None,
    /// Anything else.
    Other,
}

impl Exchange<'_> {
    /// What the body claims to be.
    pub(crate) fn content(&self) -> Kind {
        let Some(value) = self.request.headers().get(header::CONTENT_TYPE) else { return Kind::None };
        let essence =
            value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Kind::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Kind::Lines
            }
            "application/x-www-form-urlencoded" => Kind::Form,
            other if other.starts_with("application/") && other.ends_with("+json") => Kind::Json,
            _ => Kind::Other,
        }
    }

    /// The whole body as JSON from a program of the original, many of which do not say that it is JSON. A page in a browser must: it
    /// may send anything else without being asked.
    pub(crate) async fn said(&self, payload: Payload) -> Result<BytesMut, ApiError> {
        if self.content() != Kind::Json && is_of_a_page(self.request, &self.api.settings.names) {
            return Err(unsupported());
        }
        self.bytes(payload, self.api.settings.body).await
    }

    /// The whole body, at most `limit` bytes, in time.
    pub(crate) async fn bytes(&self, payload: Payload, limit: usize) -> Result<BytesMut, ApiError> {
        self.one_or_many(payload, limit, limit).await
    }

    /// The whole body: at most `many` bytes if it is a JSON list, else at most `one`.
    pub(crate) async fn one_or_many(&self, payload: Payload, one: usize, many: usize) -> Result<BytesMut, ApiError> {
        if let Some(coding) =
            self.request.headers().get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity")
        {
            let coding: String = String::from_utf8_lossy(coding.as_bytes()).chars().take(40).collect();
            let message = format!("the body is encoded as `{coding}`: expected no content-encoding, send it as it is");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let announced = self.request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<usize>().ok());
        if announced.is_some_and(|length| length > many) {
            return Err(too_large(many));
        }
        let read = collect(payload, one, many, announced.unwrap_or(0));
        tokio::time::timeout(self.api.settings.body_timeout, read).await.unwrap_or_else(|_| {
            let within = self.api.settings.body_timeout.as_secs();
            let message = format!("the body did not arrive within {within} s: send it faster, or in smaller parts");
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, message))
        })
    }
}

async fn collect(mut payload: Payload, one: usize, many: usize, announced: usize) -> Result<BytesMut, ApiError> {
    // A client may announce more than it sends.
    let mut bytes = BytesMut::with_capacity(announced.min(64 * 1024));
    let (mut limit, mut blank) = (many, true);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(format!("the body broke off: {error}")))?;
        if blank && let Some(first) = chunk.iter().find(|byte| !byte.is_ascii_whitespace()) {
            blank = false;
            limit = if *first == b'[' { many } else { one };
            if announced > limit {
                return Err(too_large(limit));
            }
        }
        if bytes.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is too large: at most {limit} bytes are accepted here");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// 415 for what must be a document.
pub(crate) fn unsupported() -> ApiError {
    unsupported_but("application/json")
}

/// 415 with the content type that is accepted.
pub(crate) fn unsupported_but(expected: &str) -> ApiError {
    let message = format!("unsupported content type: expected `content-type: {expected}`");
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

/// Reads one JSON object.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let Strict(value) = serde_json::from_slice(bytes).map_err(|error| malformed(bytes, &error))?;
    match value {
        Value::Object(map) => Ok(map),
        other => Err(ApiError::bad_request(format!("the body is {}: expected a JSON object", kind_of(&other)))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// 400 that shows where the JSON breaks.
pub(crate) fn malformed(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return ApiError::bad_request("the body is empty: expected a JSON object");
    }
    let (line, column) = (error.line(), error.column());
    let what = error.to_string();
    let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
    let hint = match what {
        "trailing comma" => "; remove the comma before the closing bracket",
        "recursion limit exceeded" => "; at most 127 levels of nesting are accepted",
        "invalid escape" => "; a backslash is written as \\\\",
        "unexpected end of hex escape" | "lone leading surrogate in hex escape" => "; a surrogate needs its other half",
        "invalid unicode code point" => "; the body must be UTF-8",
        _ if bytes.starts_with(b"\xef\xbb\xbf") => "; remove the byte order mark before it",
        _ => "",
    };
    let near = excerpt(bytes, line, column);
    ApiError::bad_request(format!("malformed JSON at line {line}, column {column}: {what}{hint}; near `{near}`"))
}

/// The text around a place, with `>>>` before the byte in question.
fn excerpt(bytes: &[u8], line: usize, column: usize) -> String {
    let before =
        bytes.split(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(|line| line.len() + 1).sum::<usize>();
    let at = (before + column.saturating_sub(1)).min(bytes.len());
    let text = |from: usize, to: usize| {
        let text = String::from_utf8_lossy(&bytes[from..to]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    format!("{}>>>{}", text(at.saturating_sub(24), at), text(at, (at + 24).min(bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        object(text.as_bytes()).unwrap_err().document()["message"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn broken_json_is_shown_where_it_breaks() {
        let message = refused("{\n  \"a\": 1,\n}");
        assert!(message.starts_with("malformed JSON at line 3, column 1: trailing comma"), "{message}");
        assert!(message.contains(">>>}"), "{message}");
        assert!(refused("").contains("empty"));
        assert!(refused("[1]").contains("a list: expected a JSON object"));
        assert!(refused(&"[".repeat(10_000)).contains("recursion limit"));
    }

    #[test]
    fn an_excerpt_of_any_bytes_and_place_is_safe() {
        for (line, column) in [(0, 0), (1, 1), (99, 99), (1, 1_000_000)] {
            excerpt(b"ab\n\xff\xfe\ncd", line, column);
        }
    }
}
