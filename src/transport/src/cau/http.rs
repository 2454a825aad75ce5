//! As much of HTTP/1.1 (RFC 9112) as a CAU needs: one request, one answer, and the connection is closed.

use std::str::FromStr as _;

use mf2c_domain::area::spiffe::check_device;
use mf2c_domain::area::token::JoinToken;
use mf2c_domain::legacy::request::{CertRequest, Iteration, LARGEST_REQUEST};

use super::CauRefusal;

/// The largest head, in bytes.
const LARGEST_HEAD: usize = 16 << 10;
/// The most header fields.
const FIELDS: usize = 64;
/// The header with a join token.
pub(super) const TOKEN: &str = "mf2c-join-token";

/// A head that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How long it is.
    pub(super) length: usize,
    /// How long the body is.
    pub(super) body: usize,
    /// Whether the client waits for a word before it sends the body.
    pub(super) waits: bool,
    method: String,
    target: String,
    token: Option<String>,
}

/// An answer without a body that says more than its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// Plain text.
    pub(super) text: String,
}

impl Answer {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// Of what was done, or why it was not.
    pub(super) fn of(outcome: Result<String, CauRefusal>) -> Self {
        match outcome {
            Ok(text) => Self::new(200, text),
            Err(refusal) => {
                let status = match refusal {
                    CauRefusal::Request(_) => 400,
                    CauRefusal::Permit(_) => 401,
                    CauRefusal::Forbidden(_) => 403,
                    CauRefusal::Unknown(_) => 404,
                    CauRefusal::Failed(_) => 500,
                    CauRefusal::Unavailable(_) => 503,
                };
                Self::new(status, format!("{refusal}\n"))
            }
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            411 => "Length Required",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let (status, length) = (self.status, self.text.len());
        let more = match self.status {
            401 => "WWW-Authenticate: mf2c-join-token\r\n",
            503 => "Retry-After: 5\r\n",
            _ => "",
        };
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
             {more}Connection: close\r\n\r\n{}",
            self.text
        )
        .into_bytes()
    }
}

/// What a request asks of a CAU.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Certify(Box<CertRequest>),
    PublicKey(String),
    Authority,
}

/// Reads a head, if it is there. `None`: more bytes are needed.
///
/// # Errors
/// What to answer.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Answer> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LARGEST_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() <= LARGEST_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Answer::new(431, "the head is too large\n")),
        Err(error) => return Err(Answer::new(400, format!("this is no HTTP request: {error}\n"))),
    };
    let (Some(method), Some(target)) = (request.method, request.path) else { return Ok(None) };
    let (mut body, mut waits, mut token) = (None, false, None);
    for field in request.headers.iter() {
        let text = std::str::from_utf8(field.value).map(str::trim);
        let text = text.map_err(|_| Answer::new(400, format!("the header {} is no text\n", field.name)))?;
        match field.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let read = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
                let length = read.ok_or_else(|| Answer::new(400, "Content-Length is no number\n"))?;
                if body.replace(length).is_some_and(|other| other != length) {
                    return Err(Answer::new(400, "two different Content-Lengths\n"));
                }
            }
            "transfer-encoding" => return Err(Answer::new(411, "send the body with a Content-Length\n")),
            "expect" => waits = text.eq_ignore_ascii_case("100-continue"),
            TOKEN => token = Some(text.to_owned()),
            _ => {}
        }
    }
    let body = match (method, body) {
        ("POST", None) => return Err(Answer::new(411, "send the body with a Content-Length\n")),
        (_, body) => body.unwrap_or(0),
    };
    if body > LARGEST_REQUEST {
        return Err(Answer::new(413, format!("the body is larger than {LARGEST_REQUEST} bytes\n")));
    }
    Ok(Some(Head { length, body, waits, method: method.to_owned(), target: target.to_owned(), token }))
}

/// What a whole request asks.
///
/// # Errors
/// What to answer.
pub(super) fn asked(head: &Head, body: &[u8]) -> Result<Asked, Answer> {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    match (path, head.method.as_str()) {
        ("/cau/cert", "POST") => {
            let bad = |error: String| Answer::new(400, format!("{error}\n"));
            let text = std::str::from_utf8(body).map_err(|_| bad("the body is no UTF-8".to_owned()))?;
            let mut request = CertRequest::parse(text, Iteration::Second).map_err(|error| bad(error.to_string()))?;
            if let Some(token) = &head.token {
                let token = JoinToken::from_str(token).map_err(|error| bad(format!("{TOKEN}: {error}")))?;
                if request.token.replace(token).is_some() {
                    return Err(bad(format!("a token in the body and one in the header {TOKEN}: send one")));
                }
            }
            Ok(Asked::Certify(Box::new(request)))
        }
        ("/cau/publickey", "GET") => {
            let devices = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut devices = devices.filter(|(name, _)| name.eq_ignore_ascii_case("deviceid")).map(|(_, id)| id);
            match (devices.next(), devices.next()) {
                (Some(device), None) if check_device(device).is_ok() => Ok(Asked::PublicKey(device.to_owned())),
                _ => Err(Answer::new(400, "expected ?deviceid= with 1 to 128 letters, digits, `-` and `_`\n")),
            }
        }
        ("/cau/ca", "GET") => Ok(Asked::Authority),
        ("/cau/cert", _) => Err(Answer::new(405, "POST a certificate request here\n")),
        ("/cau/publickey" | "/cau/ca", _) => Err(Answer::new(405, "only GET is served here\n")),
        _ => Err(Answer::new(404, "there are /cau/cert, /cau/publickey and /cau/ca\n")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(text: &str) -> u16 {
        match head(text.as_bytes()) {
            Ok(Some(found)) => {
                asked(&found, &text.as_bytes()[found.length..]).map_or_else(|answer| answer.status, |_| 200)
            }
            Ok(None) => 0,
            Err(answer) => answer.status,
        }
    }

    fn post(body: &str, fields: &str) -> String {
        format!("POST /cau/cert HTTP/1.1\r\nHost: cau\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    const BODY: &str = "csr:-----BEGIN-----,deviceID:edge-7,detectedLID:None";

    #[test]
    fn requests_get_the_status_that_they_deserve() {
        for (text, expected) in [
            (post(BODY, ""), 200),
            ("GET /cau/publickey?deviceid=edge-7 HTTP/1.1\r\n\r\n".into(), 200),
            ("GET /cau/ca HTTP/1.0\r\n\r\n".into(), 200),
            ("GET /cau/publickey?deviceid= HTTP/1.1\r\n\r\n".into(), 400),
            ("GET /cau/publickey?deviceid=a&deviceid=b HTTP/1.1\r\n\r\n".into(), 400),
            ("GET /cau/publickey?deviceid=../x HTTP/1.1\r\n\r\n".into(), 400),
            (post("csr:x", ""), 400),
            (post(BODY, "mf2c-join-token: nonsense\r\n"), 400),
            (post(BODY, "Content-Length: 1\r\n"), 400),
            (post(BODY, "Transfer-Encoding: chunked\r\n"), 411),
            ("POST /cau/cert HTTP/1.1\r\n\r\n".into(), 411),
            ("POST /cau/cert HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n".into(), 413),
            ("POST /cau/cert HTTP/1.1\r\nContent-Length: +1\r\n\r\n".into(), 400),
            ("DELETE /cau/cert HTTP/1.1\r\n\r\n".into(), 405),
            ("GET /other HTTP/1.1\r\n\r\n".into(), 404),
            (format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)), 431),
            (format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100)), 431),
            ("\u{1}\u{2}\r\n\r\n".into(), 400),
            ("GET /cau/ca HTTP/1.1\r\nHo".into(), 0),
        ] {
            assert_eq!(status(&text), expected, "{text:.80}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in "(POST|GET) /(cau/cert|cau/publickey)?\\PC{0,20} HTTP/1.1\r\n(\\PC{0,20}\r\n){0,3}\r\n\\PC{0,30}") {
            let _ = status(&text);
        }
    }
}
