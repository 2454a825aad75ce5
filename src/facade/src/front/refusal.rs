//! Why a request was refused before it reached the application, and the words and status that the client is told.
//!
//! A refused head is replaced by a request for `/.refused/<status>/<token>`, so that the application's own error handler
//! answers it. A client that asks for such a path itself is told the same.

use std::fmt::Write as _;

use bytes::BytesMut;

/// The first segment of the paths that stand for refused requests.
pub const PREFIX: &str = "/.refused";

/// Why a head was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are no HTTP/1.x request head.
    Malformed,
    /// The method holds a character that no method has.
    Method,
    /// The target is no path, absolute URL, authority or `*`.
    Target,
    /// There is no `Host` header in HTTP/1.1, or more than one.
    Host,
    /// There is more than one `Content-Length`, or one that is no number.
    ContentLength,
    /// A transfer coding other than `chunked` alone, or one where none may be.
    TransferEncoding,
    /// An HTTP/1.0 POST without `Content-Length`.
    LengthRequired,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The head is longer than the limit.
    HeadTooLarge,
    /// There are more headers than the limit.
    TooManyHeaders,
    /// The head did not arrive in time.
    HeadTimeout,
}

impl Refusal {
    /// All of them, for the look-up by token.
    const ALL: [Self; 11] = [
        Self::Malformed,
        Self::Method,
        Self::Target,
        Self::Host,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::LengthRequired,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::TooManyHeaders,
        Self::HeadTimeout,
    ];

    /// The word that stands for it in the path.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Method => "method",
            Self::Target => "target",
            Self::Host => "host",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::LengthRequired => "length-required",
            Self::TargetTooLong => "target-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::TooManyHeaders => "too-many-headers",
            Self::HeadTimeout => "head-timeout",
        }
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTimeout => 408,
            Self::LengthRequired => 411,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            _ => 400,
        }
    }

    /// What was wrong and what was expected.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "the request head cannot be read, expected an HTTP/1.1 request line and header lines",
            Self::Method => {
                "the request method holds a character that no method has, expected GET, POST, PUT or DELETE"
            }
            Self::Target => "the request target cannot be read, expected a path such as /api/cloud-entry-point",
            Self::Host => "the request has no host header or several, expected exactly one",
            Self::ContentLength => "the content-length is no number or is given twice, expected one decimal number",
            Self::TransferEncoding => {
                "the transfer-encoding is not supported, expected chunked alone, in HTTP/1.1 and without content-length"
            }
            Self::LengthRequired => "the request has no content-length, expected one in an HTTP/1.0 POST",
            Self::TargetTooLong => {
                "the request target is too long: shorten the query, or send it as a form in the body of a PUT"
            }
            Self::HeadTooLarge => "the request head is too large: send fewer or shorter headers",
            Self::TooManyHeaders => "the request has too many headers, expected at most 96",
            Self::HeadTimeout => "the request head did not arrive in time: send it again, in one piece",
        }
    }

    /// Writes the request that takes the place of the refused one; its answer closes the connection.
    pub(crate) fn write_request(self, out: &mut BytesMut) {
        let (status, token) = (self.status(), self.token());
        // Writing to a growing buffer cannot fail.
        let _ = write!(out, "GET {PREFIX}/{status}/{token} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    }
}

/// Status and sentence for the token in a path below [`PREFIX`]; a word that is no token counts as a malformed request.
#[must_use]
pub fn describe(token: &str) -> (u16, &'static str) {
    let named = Refusal::ALL.into_iter().find(|refusal| refusal.token() == token).unwrap_or(Refusal::Malformed);
    (named.status(), named.sentence())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_leads_back_to_its_status_and_sentence() {
        for refusal in Refusal::ALL {
            assert_eq!(describe(refusal.token()), (refusal.status(), refusal.sentence()));
        }
    }

    #[test]
    fn a_made_up_token_is_a_bad_request() {
        assert_eq!(describe("../../etc").0, 400);
    }
}
