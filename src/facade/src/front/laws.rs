//! Property tests of `RequestLines` against actix's own reader.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    agreement::{Left, check, seen_by_actix},
    boundary::{Limits, RequestLines},
};

/// What the application reads for `input` that arrives cut at the given places.
fn mended(input: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    let (mut lines, mut out) = (RequestLines::new(Limits::default()), BytesMut::new());
    for pair in cuts.windows(2) {
        lines.push(&input[pair[0]..pair[1]], &mut out);
    }
    out.to_vec()
}

/// Checks the law of [`check`] for `input`.
fn checked(input: &[u8]) {
    let (mut lines, mut out) = (RequestLines::new(Limits::default()), BytesMut::new());
    lines.push(input, &mut out);
    let left = match (lines.is_dropping(), lines.passes_through()) {
        (true, _) => Left::Refused,
        (_, true) => Left::PassingThrough,
        _ => Left::Following,
    };
    check(input, &out, left);
}

/// As [`mended`], the way a stream does it: in place as far as possible.
fn mended_in_place(input: &[u8], piece: usize) -> Vec<u8> {
    let (mut lines, mut all) = (RequestLines::new(Limits::default()), Vec::new());
    for piece in input.chunks(piece) {
        let mut out = BytesMut::new();
        let kept = lines.filter(piece, &mut out);
        all.extend_from_slice(&piece[..kept]);
        all.extend_from_slice(&out);
    }
    all
}

/// A valid request, and what a handler must see of it.
#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    target: String,
    text: Vec<u8>,
    body: Vec<u8>,
}

fn request() -> impl Strategy<Value = Sent> {
    let method = select(vec!["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "REPORT"]);
    let target = "/[a-z\"<>`é%$&=?{}|^'\\\\\\[\\]]{0,40}";
    let headers =
        vec(select(vec!["Accept: */*", "X-A:\t\"<>\"", "connection: keep-alive", "EXPECT: 100-continue"]), 0..4);
    let body = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..200), Just(b"GET /x\" HTTP/1.1\r\n\r\n".to_vec())];
    (method, target, headers, body, "(\r\n|\n){0,2}", any::<bool>()).prop_map(
        |(method, target, headers, body, before, bare)| {
            let end = if bare { "\n" } else { "\r\n" };
            let mut text = format!("{before}{method} {target} HTTP/1.1{end}Host: fog{end}");
            for header in headers {
                text.push_str(&format!("{header}{end}"));
            }
            if !body.is_empty() {
                text.push_str(&format!("Content-Length: {}{end}", body.len()));
            }
            text.push_str(end);
            let mut text = text.into_bytes();
            text.extend_from_slice(&body);
            Sent { method, target, text, body }
        },
    )
}

#[test]
fn what_fuzzing_asked_about_holds() {
    checked(b"GET /.refused/\xff/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nhello");
    checked(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: none\r\n\r\n\xff");
    checked(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: none\r\n\r\nGET /\" HTTP/1.1\r\nhost: x\r\n\r\n");
    checked(b"GET /.refused/400/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
}

/// The bytes that a percent-encoded text stands for.
fn decoded(text: &str) -> Vec<u8> {
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| str::from_utf8(hex).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (plain.push(byte), at += 3).1,
            None => (plain.push(bytes[at]), at += 1).1,
        }
    }
    plain
}

/// Pieces that heads are made of, sound and unsound.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    const FRAGMENTS: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /a?b=\"c\" HTTP/1.1\r\n",
        "GET /<> HTTP/1.0\n",
        "CONNECT fog:1 HTTP/1.1\r\n",
        "GET http://fog/\"a HTTP/1.1\r\n",
        "Host: fog\r\n",
        "host:x\n",
        "Content-Length: 5\r\n",
        "content-length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "transfer-encoding:\tchunked \r\n",
        "Transfer-Encoding: identity\r\n",
        "Connection: close\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\n",
        " folded\r\n",
        "\r\n",
        "\n",
        "\r",
        "hello",
        "5\r\nhello\r\n0\r\n\r\n",
        "\0",
        "\"",
        "é",
    ];
    vec(select(FRAGMENTS.to_vec()), 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_handler_sees_every_valid_request_as_it_was_sent(sent in vec(request(), 0..6), cuts in vec(any::<usize>(), 0..8)) {
        let input: Vec<u8> = sent.iter().flat_map(|one| one.text.clone()).collect();
        let (seen, error) = seen_by_actix(&mended(&input, &cuts));
        prop_assert!(!error);
        prop_assert_eq!(seen.len(), sent.len());
        for (seen, sent) in seen.iter().zip(&sent) {
            prop_assert_eq!(&seen.method, sent.method);
            prop_assert_eq!(decoded(&seen.target), decoded(&sent.target));
            prop_assert_eq!(&seen.body, &sent.body);
        }
    }

    #[test]
    fn mutated_requests_never_become_other_requests(
        sent in vec(request(), 1..4), mutations in vec((any::<usize>(), any::<u8>(), 0..3u8), 1..6),
    ) {
        let mut input: Vec<u8> = sent.iter().flat_map(|one| one.text.clone()).collect();
        for (at, byte, how) in mutations {
            let at = at % input.len();
            match how {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                _ => input.truncate(input.len() - at % 3),
            }
        }
        checked(&input);
    }

    #[test]
    fn heads_of_odd_pieces_never_become_other_requests(input in fragments()) {
        checked(&input);
    }

    #[test]
    fn how_the_bytes_arrive_changes_nothing(
        input in prop_oneof![fragments(), vec(request(), 0..5).prop_map(|all| all.into_iter().flat_map(|one| one.text).collect())],
        cuts in vec(any::<usize>(), 0..20), piece in 1usize..50,
    ) {
        let whole = mended(&input, &[]);
        prop_assert_eq!(&mended(&input, &cuts), &whole);
        prop_assert_eq!(&mended_in_place(&input, piece), &whole);
        prop_assert_eq!(&mended_in_place(&input, usize::MAX), &whole);
    }
}
