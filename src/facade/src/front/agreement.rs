//! The law that keeps `RequestLines` safe: actix reads the same requests behind it as without it, or fewer.
//!
//! Used by the property tests and by the fuzz target. actix refuses targets with `"`, `<`, `>`, a backquote or non-ASCII
//! bytes, so what it reads behind us is compared with what it reads of the same input with `q` in their place.

use std::cell::OnceCell;

use actix_codec::Decoder as _;
use actix_http::{ServiceConfig, h1};
use bytes::BytesMut;

/// A request as actix reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names and values, without `connection`.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// What has arrived of the body.
    pub(crate) body: Vec<u8>,
}

/// All requests that actix reads from `bytes`, and whether it then refuses to go on.
pub(crate) fn seen_by_actix(bytes: &[u8]) -> (Vec<Seen>, bool) {
    let (mut codec, mut source, mut seen) = (codec(), BytesMut::from(bytes), Vec::<Seen>::new());
    loop {
        match codec.decode(&mut source) {
            Ok(Some(h1::Message::Item(request))) => {
                let headers = request.head().headers().iter().filter(|(name, _)| *name != "connection");
                let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
                let headers = headers.collect();
                let (method, target) = (request.method().to_string(), request.uri().to_string());
                seen.push(Seen { method, target, headers, body: Vec::new() });
            }
            Ok(Some(h1::Message::Chunk(chunk))) => {
                if let (Some(last), Some(chunk)) = (seen.last_mut(), chunk) {
                    last.body.extend_from_slice(&chunk);
                }
            }
            Ok(None) => return (seen, false),
            Err(_) => return (seen, true),
        }
    }
}

/// A decoder in its first state. Its configuration keeps a clock running, which needs a runtime, so it is made once.
fn codec() -> h1::Codec {
    thread_local! { static CONFIG: OnceCell<ServiceConfig> = const { OnceCell::new() }; }
    let make = || actix_rt::System::new().block_on(async { ServiceConfig::default() });
    CONFIG.with(|config| h1::Codec::new(config.get_or_init(make).clone()))
}

/// How `RequestLines` left a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Ready for more.
    Following,
    /// It has stopped looking.
    PassingThrough,
    /// It has refused a head: the last request in the output stands for that.
    Refused,
}

/// Checks what was handed to the application as `output` for `input`, which must be smaller than every limit.
///
/// # Panics
/// Where actix reads anything behind us that it would not have read without us.
pub(crate) fn check(input: &[u8], output: &[u8], left: Left) {
    let special = plain(input) != input;
    let (expected, expected_error) = seen_by_actix(&plain(input));
    let (mut actual, actual_error) = seen_by_actix(output);
    if left == Left::Refused {
        assert!(
            actual.pop().is_some_and(|last| last.target.starts_with("/.refused/")),
            "a refusal without its request"
        );
        assert!(actual.len() <= expected.len(), "more requests than without us: {actual:?} {expected:?}");
    } else if left == Left::PassingThrough && special && actual_error {
        // What passes through is not encoded, so actix may refuse it; of the last body, it may then have read less.
        assert!(actual.len() <= expected.len(), "more requests than without us: {actual:?} {expected:?}");
        if let Some((actual, expected)) = actual.pop().zip(expected.get(actual.len())) {
            assert!(canonical(expected).body.starts_with(&canonical(&actual).body));
        }
    } else {
        assert_eq!(actual.len(), expected.len(), "other requests than without us: {actual:?} {expected:?}");
        assert_eq!(actual_error, expected_error, "actix ends otherwise than without us");
    }
    for (actual, expected) in actual.iter().zip(&expected) {
        assert_eq!(canonical(actual), canonical(expected));
    }
    if !special && actual.len() < expected.len() {
        panic!("refused what actix takes: {:?}", expected[actual.len()]);
    }
}

/// `input` with `q` for every byte that is encoded in targets.
fn plain(input: &[u8]) -> Vec<u8> {
    input.iter().map(|&byte| if is_special(byte) { b'q' } else { byte }).collect()
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`') || !byte.is_ascii()
}

/// A request with `q` for every special byte, also where it is percent-encoded in the target.
fn canonical(seen: &Seen) -> Seen {
    let target = seen.target.as_bytes();
    let (mut canonical, mut at) = (Vec::new(), 0);
    while let Some(&byte) = target.get(at) {
        let encoded = target.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let encoded = encoded.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let special = encoded.is_some_and(is_special);
        canonical.push(if special || is_special(byte) { b'q' } else { byte });
        at += if special { 3 } else { 1 };
    }
    let mut headers: Vec<_> = seen.headers.iter().map(|(name, value)| (name.replace('`', "q"), plain(value))).collect();
    // actix keeps headers in a hash map, in another order each time.
    headers.sort();
    Seen {
        method: seen.method.replace('`', "q"),
        target: String::from_utf8_lossy(&canonical).into_owned(),
        headers,
        body: plain(&seen.body),
    }
}
