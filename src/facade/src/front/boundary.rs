//! `RequestLines`: follows the requests of an HTTP/1.x connection and encodes what actix cannot read in their targets.
//!
//! Pure: bytes in, bytes out. Where a request ends is decided by the rules of actix itself; where those leave a doubt the
//! head is refused, and where the end is not looked for (a chunked body, an upgrade) the rest of the connection passes as
//! it is, after the head was told to close the connection. So this can never see a request where actix sees a body.

use bytes::{Buf as _, BytesMut};

use super::{
    head::{self, Body, Head},
    refusal::Refusal,
};

/// Up to this many bytes, an incomplete head is read again with every piece that arrives, so that garbage is refused at
/// once; beyond, only when a line ends, so that a head sent byte by byte costs little.
const EAGER: usize = 4096;

/// A held head larger than this gives its memory back.
const KEEP_BUFFER: usize = 8192;

/// How large a request head may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The whole head: at most 64 KiB, as actix cannot take a larger header name.
    pub max_head: usize,
    /// The target in the request line: at most 21,844, so that it fits `http::Uri` also with every byte encoded.
    pub max_target: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_head: 64 * 1024, max_target: 16 * 1024 }
    }
}

impl Limits {
    fn checked(self) -> Self {
        // 65,534 is the longest text that `http::Uri` takes.
        Self { max_head: self.max_head.clamp(64, 64 * 1024), max_target: self.max_target.clamp(1, 65_534 / 3) }
    }
}

/// Where in the connection the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a head, or before one.
    Head,
    /// In a body with this many bytes to come; never 0.
    Body(u64),
    /// Nothing is looked at any more.
    PassThrough,
    /// A head was refused: nothing passes any more.
    Dropping,
}

/// The state of one connection. At most [`Limits::max_head`] bytes are held.
#[derive(Debug)]
pub struct RequestLines {
    limits: Limits,
    state: State,
    /// The beginning of a head whose end has not arrived.
    held: BytesMut,
}

impl RequestLines {
    /// A connection at its beginning. Limits out of range are moved to the nearest that actix can take.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits: limits.checked(), state: State::Head, held: BytesMut::new() }
    }

    /// A connection that speaks something else, such as HTTP/2: everything passes as it is.
    #[must_use]
    pub fn pass_through() -> Self {
        Self { limits: Limits::default(), state: State::PassThrough, held: BytesMut::new() }
    }

    /// Whether every further byte passes as it is.
    #[must_use]
    pub fn passes_through(&self) -> bool {
        self.state == State::PassThrough
    }

    /// Whether a head was refused, so that every further byte is dropped.
    #[must_use]
    pub fn is_dropping(&self) -> bool {
        self.state == State::Dropping
    }

    /// Whether a head has begun and is not complete.
    #[must_use]
    pub fn is_mid_head(&self) -> bool {
        !self.held.is_empty()
    }

    /// Appends to `out` what the application shall read for `input`.
    pub fn push(&mut self, input: &[u8], out: &mut BytesMut) {
        self.run(input, &mut Sink { out, in_place: false, kept: 0 });
    }

    /// As [`push`](Self::push), where `input` already stands where the application reads: returns how many of its leading
    /// bytes pass as they are. What the application shall read after those is appended to `out`.
    pub fn filter(&mut self, input: &[u8], out: &mut BytesMut) -> usize {
        let mut sink = Sink { out, in_place: true, kept: 0 };
        self.run(input, &mut sink);
        sink.kept
    }

    /// Refuses the head that should come next, whatever has arrived of it, and everything after it.
    pub fn refuse(&mut self, refusal: Refusal, out: &mut BytesMut) {
        self.state = State::Dropping;
        self.held = BytesMut::new();
        refusal.write_request(out);
    }

    fn run(&mut self, mut input: &[u8], sink: &mut Sink<'_>) {
        while !input.is_empty() {
            match self.state {
                State::Head => input = self.head(input, sink),
                State::Body(left) => {
                    let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    let (body, rest) = input.split_at(here);
                    sink.pass(body);
                    self.state = after(left - here as u64);
                    input = rest;
                }
                State::PassThrough => {
                    sink.pass(input);
                    return;
                }
                State::Dropping => return,
            }
        }
    }

    /// Takes a head, or a part of one, off the beginning of `input`; returns the rest.
    fn head<'i>(&mut self, input: &'i [u8], sink: &mut Sink<'_>) -> &'i [u8] {
        if !self.held.is_empty() {
            return self.more_of_head(input, sink);
        }
        let begun = &input[empty_lines(input)..];
        if begun.len() < input.len() {
            // Empty lines before a head are left out, so that they cannot fill the memory.
            sink.in_place = false;
        }
        match head::read(begun, &self.limits) {
            Ok(Some(head)) => {
                let (own, rest) = begun.split_at(head.length);
                self.state = sink.head(own, &head);
                rest
            }
            Ok(None) => {
                self.held.extend_from_slice(begun);
                &[]
            }
            Err(refusal) => {
                self.refuse(refusal, sink.written());
                &[]
            }
        }
    }

    /// As [`head`](Self::head), where a part of the head is held already.
    fn more_of_head<'i>(&mut self, input: &'i [u8], sink: &mut Sink<'_>) -> &'i [u8] {
        let room = self.limits.max_head.saturating_sub(self.held.len());
        let (piece, rest) = input.split_at(room.min(input.len()));
        self.held.extend_from_slice(piece);
        self.held.advance(empty_lines(&self.held));
        let full = self.held.len() >= self.limits.max_head;
        if self.held.is_empty() || (self.held.len() > EAGER && !full && !piece.contains(&b'\n')) {
            return rest;
        }
        match head::read(&self.held, &self.limits) {
            Ok(Some(head)) => {
                // The head ends within the piece, or it would have been complete before.
                let unused = self.held.len() - head.length;
                sink.in_place = false;
                self.state = sink.head(&self.held[..head.length], &head);
                self.held.clear();
                if self.held.capacity() > KEEP_BUFFER {
                    self.held = BytesMut::new();
                }
                &input[piece.len().saturating_sub(unused)..]
            }
            Ok(None) => rest,
            Err(refusal) => {
                self.refuse(refusal, sink.written());
                &[]
            }
        }
    }
}

/// What is expected next where this many bytes of a body are to come.
fn after(left: u64) -> State {
    if left == 0 { State::Head } else { State::Body(left) }
}

/// Length of the empty lines that `bytes` begin with, as `httparse` skips them.
fn empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &bytes[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

/// Where bytes go: as long as all pass unchanged they can stay in place, from the first change on they are written.
struct Sink<'o> {
    out: &'o mut BytesMut,
    in_place: bool,
    kept: usize,
}

impl Sink<'_> {
    fn pass(&mut self, bytes: &[u8]) {
        if self.in_place {
            self.kept += bytes.len();
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn written(&mut self) -> &mut BytesMut {
        self.in_place = false;
        self.out
    }

    /// Passes a complete head on; returns what is expected after it.
    fn head(&mut self, bytes: &[u8], head: &Head) -> State {
        match head.body {
            Body::Unfollowed => {
                head::write_closing(bytes, head, self.written());
                State::PassThrough
            }
            Body::Length(length) => {
                if head.encode {
                    let out = self.written();
                    out.extend_from_slice(&bytes[..head.target.start]);
                    head::encode_into(&bytes[head.target.clone()], out);
                    out.extend_from_slice(&bytes[head.target.end..]);
                } else {
                    self.pass(bytes);
                }
                after(length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(input: &str) -> String {
        let (mut lines, mut out) = (RequestLines::new(Limits::default()), BytesMut::new());
        lines.push(input.as_bytes(), &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn refused_as(input: &str, refusal: Refusal) {
        let mut expected = BytesMut::new();
        refusal.write_request(&mut expected);
        assert_eq!(mended(input).as_bytes(), &expected[..], "{:.80}", input);
    }

    #[test]
    fn quotes_and_angle_brackets_are_encoded_in_every_request_of_a_connection() {
        let one = "GET /api/user?$filter=a=\"x\"&b<=5 HTTP/1.1\r\nHost: fog\r\nX: \"<>\"\r\n\r\n";
        let mended_one = "GET /api/user?$filter=a=%22x%22&b%3C=5 HTTP/1.1\r\nHost: fog\r\nX: \"<>\"\r\n\r\n";
        assert_eq!(mended(&one.repeat(3)), mended_one.repeat(3));
    }

    #[test]
    fn a_body_passes_as_it_is_and_the_next_head_is_mended() {
        let post = "PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nGET /\"<> ";
        let next = "GET /\" HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(mended(&format!("{post}{next}")), format!("{post}{}", next.replace('"', "%22")));
    }

    #[test]
    fn nothing_is_looked_at_behind_a_chunked_body_or_an_upgrade() {
        let rest = "5\r\nhello\r\n0\r\n\r\nGET /\" HTTP/1.1\r\nhost: x\r\n\r\n";
        for header in ["Transfer-Encoding: chunked", "Upgrade: websocket"] {
            let head = format!("POST /<a HTTP/1.1\r\nhost: x\r\nConnection: Keep-Alive\r\n{header}\r\n\r\n");
            let closing = format!("POST /%3Ca HTTP/1.1\r\nhost: x\r\n{header}\r\nconnection: close\r\n\r\n{rest}");
            assert_eq!(mended(&(head + rest)), closing);
        }
    }

    #[test]
    fn a_head_that_leaves_its_end_in_doubt_is_refused_and_nothing_after_it_passes() {
        let next = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        for (headers, refusal) in [
            ("Host: x\r\nContent-Length: 5\r\nContent-Length: 5", Refusal::ContentLength),
            ("Host: x\r\nContent-Length: +5", Refusal::ContentLength),
            ("Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", Refusal::TransferEncoding),
            ("Host: x\r\nTransfer-Encoding: gzip, chunked", Refusal::TransferEncoding),
            ("Host: x\r\nTransfer-Encoding: identity", Refusal::TransferEncoding),
            ("Host: x\r\nContent-Length: 5\r\n folded", Refusal::Malformed),
            ("Host: x\r\nContent-Length : 5", Refusal::Malformed),
            ("Content-Length: 5", Refusal::Host),
            ("Host: x\r\nHost: y", Refusal::Host),
        ] {
            refused_as(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\nhello{next}"), refusal);
        }
        refused_as(&format!("POST / HTTP/1.0\r\n\r\n{next}"), Refusal::LengthRequired);
        refused_as(&format!("GET a\"b HTTP/1.1\r\nhost: x\r\n\r\n{next}"), Refusal::Target);
        refused_as("\x16\x03\x01\x02\0\x01", Refusal::Malformed);
    }

    #[test]
    fn limits_hold_however_the_bytes_arrive() {
        let long = "a".repeat(70_000);
        let many: String = (0..97).map(|n| format!("h{n}: 1\r\n")).collect();
        for (input, refusal) in [
            (format!("GET /{long}"), Refusal::TargetTooLong),
            (format!("GET /{}\0\n", &long[..20_000]), Refusal::TargetTooLong),
            (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", &long[..16_384]), Refusal::TargetTooLong),
            (format!("GET / HTTP/1.1\r\nhost: {long}\r\n\r\n"), Refusal::HeadTooLarge),
            (long.clone(), Refusal::HeadTooLarge),
            (format!("GET / HTTP/1.1\r\n{many}\r\n"), Refusal::TooManyHeaders),
        ] {
            refused_as(&input, refusal);
            let (mut lines, mut out) = (RequestLines::new(Limits::default()), BytesMut::new());
            for piece in input.as_bytes().chunks(1000) {
                lines.push(piece, &mut out);
                assert!(lines.held.len() <= 64 * 1024);
            }
            assert_eq!(out, mended(&input).as_bytes());
        }
    }

    #[test]
    fn empty_lines_are_not_gathered() {
        let (mut lines, mut out) = (RequestLines::new(Limits::default()), BytesMut::new());
        for _ in 0..10_000 {
            lines.push(b"\r", &mut out);
            lines.push(b"\n", &mut out);
        }
        lines.push(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", &mut out);
        assert_eq!(&out[..], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    }

    #[test]
    fn every_byte_that_can_stand_in_a_target_is_taken_by_actix_after_mending() {
        for byte in (0x21..=0x7eu8).filter(|&byte| byte != b'#') {
            for target in [format!("/a{}b", char::from(byte)), format!("/?{}", char::from(byte))] {
                let mut encoded = BytesMut::new();
                head::encode_into(target.as_bytes(), &mut encoded);
                let uri = actix_http::Uri::try_from(&encoded[..]);
                assert!(uri.is_ok_and(|uri| uri.to_string().as_bytes() == encoded), "{target}");
            }
        }
    }
}
