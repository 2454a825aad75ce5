//! One request head: how long it is, what follows it, and which bytes of its target must be encoded. Pure.
//!
//! Whatever actix refuses is refused here too, with a reason, and by the same rules: the two must never disagree about
//! where a request ends.

use std::{mem::MaybeUninit, ops::Range};

use actix_http::{Method, Uri};
use bytes::{BufMut as _, BytesMut};

use super::{boundary::Limits, refusal::Refusal};

/// As many headers as actix takes in one request.
const MAX_HEADERS: usize = 96;

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes, then the next head.
    Length(u64),
    /// Something whose end is not looked for: no further head on this connection is read here.
    Unfollowed,
}

/// A complete head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Length in bytes, with the empty line.
    pub(super) length: usize,
    /// Where the target stands.
    pub(super) target: Range<usize>,
    /// Whether the target holds bytes that must be encoded.
    pub(super) encode: bool,
    pub(super) body: Body,
}

/// Reads the head that `bytes` begin with; `None` where it is not complete. Empty lines before it are already gone.
///
/// Only the first `limits.max_head` bytes are looked at, so that the verdict depends on what was sent, and not on how it
/// arrived.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Head>, Refusal> {
    let seen = bytes.get(..limits.max_head).unwrap_or(bytes);
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let verdict = request.parse_with_uninit_headers(seen, &mut headers);
    let method = request.method.map_or(0, str::len);
    if let Ok(httparse::Status::Complete(length)) = verdict {
        return complete(&request, length, limits).map(Some);
    }
    // The bytes of a target are counted in the order they came: its length is judged before what stands behind it.
    if request.method.is_some() && target_so_far(&seen[method..]) > limits.max_target {
        return Err(Refusal::TargetTooLong);
    }
    match verdict {
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::TooManyHeaders),
        Err(_) => Err(Refusal::Malformed),
        Ok(_) if seen.len() >= limits.max_head => Err(Refusal::HeadTooLarge),
        Ok(_) => Ok(None),
    }
}

/// Length of the target in what follows the method: a space, then the target up to the next space or line end.
fn target_so_far(after_method: &[u8]) -> usize {
    let target = after_method.get(1..).unwrap_or_default();
    target.iter().position(|&byte| byte <= b' ' || byte == 0x7f).unwrap_or(target.len())
}

fn complete(request: &httparse::Request<'_, '_>, length: usize, limits: &Limits) -> Result<Head, Refusal> {
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    if target.len() > limits.max_target {
        return Err(Refusal::TargetTooLong);
    }
    let common = matches!(method, "GET" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS" | "PATCH");
    if !common && Method::from_bytes(method.as_bytes()).is_err() {
        return Err(Refusal::Method);
    }
    let encode = target.bytes().any(must_encode);
    if !target.starts_with('/') && !readable(target) {
        return Err(Refusal::Target);
    }
    let body = body(request.headers, version, method)?;
    // Exactly one space stands between method and target: anything else was refused as malformed.
    let start = method.len() + 1;
    Ok(Head { length, target: start..start + target.len(), encode, body })
}

/// Whether a target that is no path is one that actix takes: an absolute URL, an authority or `*`.
fn readable(target: &str) -> bool {
    let mut encoded = BytesMut::new();
    encode_into(target.as_bytes(), &mut encoded);
    Uri::try_from(&encoded[..]).is_ok()
}

/// What follows the head, by the rules of RFC 9112 section 6.3; where these let a server choose, it refuses.
fn body(headers: &[httparse::Header<'_>], version: u8, method: &str) -> Result<Body, Refusal> {
    let (mut length, mut chunked, mut upgrade, mut hosts) = (None, false, false, 0);
    for header in headers {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            if length.is_some() {
                return Err(Refusal::ContentLength);
            }
            length = Some(decimal(header.value).ok_or(Refusal::ContentLength)?);
        } else if is("transfer-encoding") {
            if chunked || version == 0 || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            chunked = true;
        } else if is("upgrade") {
            upgrade = true;
        } else if is("host") {
            hosts += 1;
        }
    }
    if hosts > 1 || (hosts == 0 && version == 1) {
        return Err(Refusal::Host);
    }
    if chunked && length.is_some() {
        return Err(Refusal::TransferEncoding);
    }
    if version == 0 && method == "POST" && length.is_none() {
        return Err(Refusal::LengthRequired);
    }
    let unfollowed = chunked || upgrade || method == "CONNECT";
    Ok(if unfollowed { Body::Unfollowed } else { Body::Length(length.unwrap_or(0)) })
}

/// A number written in digits alone: no sign, no list, no space within.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether `http::Uri` refuses this byte in a path or a query while `httparse` lets it through.
pub(super) const fn must_encode(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`' | 0x80..)
}

/// Copies a target, with the bytes that must be encoded percent-encoded.
pub(super) fn encode_into(target: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in target {
        if must_encode(byte) {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.put_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        } else {
            out.put_u8(byte);
        }
    }
}

/// Writes a head anew, with `connection: close` in the place of its own `Connection` headers.
pub(super) fn write_closing(bytes: &[u8], head: &Head, out: &mut BytesMut) {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    // It was read once already: this cannot fail, and nothing would be written if it did.
    let Ok(httparse::Status::Complete(_)) = request.parse_with_uninit_headers(bytes, &mut headers) else { return };
    out.put_slice(&bytes[..head.target.start]);
    encode_into(&bytes[head.target.clone()], out);
    out.put_slice(if request.version == Some(1) { b" HTTP/1.1\r\n" } else { b" HTTP/1.0\r\n" });
    for header in request.headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("connection")) {
        out.put_slice(header.name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(header.value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"connection: close\r\n\r\n");
}
