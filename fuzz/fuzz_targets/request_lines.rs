//! Whatever bytes a client sends, actix reads no other requests behind `RequestLines` than without it.
//!
//! The first byte says into how long pieces the rest is cut: how bytes arrive must change nothing.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mf2c_facade::front::boundary::{Limits, RequestLines};

#[path = "../../src/facade/src/front/agreement.rs"]
mod agreement;

fuzz_target!(|data: &[u8]| {
    let Some((&piece, input)) = data.split_first() else { return };
    let (mut lines, mut whole) = (RequestLines::new(Limits::default()), BytesMut::new());
    lines.push(input, &mut whole);
    let left = match (lines.is_dropping(), lines.passes_through()) {
        (true, _) => agreement::Left::Refused,
        (_, true) => agreement::Left::PassingThrough,
        _ => agreement::Left::Following,
    };

    let (mut lines, mut pieces) = (RequestLines::new(Limits::default()), Vec::new());
    for piece in input.chunks(usize::from(piece) + 1) {
        let mut out = BytesMut::new();
        let kept = lines.filter(piece, &mut out);
        pieces.extend_from_slice(&piece[..kept]);
        pieces.extend_from_slice(&out);
    }
    assert_eq!(pieces, whole, "the same bytes in pieces gave something else");
    agreement::check(input, &whole, left);
});
