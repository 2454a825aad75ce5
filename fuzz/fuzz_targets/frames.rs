//! Bytes from a peer are messages or a refusal, however they are cut into pieces, and a message that was read is written
//! and read as the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_fabric::wire::{Decoder, Message, Notice, WireError, decode, encode};

/// Frames above this are refused; small, so that the fuzzer meets the bound.
const MAX_FRAME: u32 = 4096;

/// What comes out of `bytes` in pieces of at most `piece`, and how it ends.
fn read(bytes: &[u8], piece: usize) -> (Vec<Message>, Option<WireError>) {
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut messages = vec![];
    for piece in bytes.chunks(piece) {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(decoder.capacity() <= 4 * (MAX_FRAME as usize + 4 + piece.len()), "memory for what has not arrived");
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let (messages, end) = read(bytes, bytes.len().max(1));
    let again = read(bytes, usize::from(cut).max(1));
    // A number that is no number is equal to nothing; the texts are.
    assert_eq!(format!("{:?}", (&messages, &end)), format!("{again:?}"));
    for message in messages.into_iter().chain(decode(bytes)) {
        // What a later version says is not ours to repeat.
        if message == Message::Notice(Notice::Unknown) {
            continue;
        }
        let Ok(frame) = encode(&message, u32::MAX) else { panic!("a message that was read cannot be written") };
        assert_eq!(decode(&frame[4..]), Ok(message));
    }
});
