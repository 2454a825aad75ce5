//! Any bytes of a peer are messages or a bad frame, wherever they are cut, and a message that was read is written and read
//! again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_fabric::wire::{Decoder, Message, WireError, decode, encode};

const MAX: u32 = 1 << 20;

fn all(pieces: &[&[u8]]) -> (Vec<Message>, Option<WireError>) {
    let (mut decoder, mut found) = (Decoder::new(MAX), vec![]);
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    assert!(decoder.capacity() <= 2 * pieces.iter().map(|piece| piece.len()).sum::<usize>() + 4096);
    (found, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else { return };
    let (one, other) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(all(&[stream]), all(&[one, other]));
    if let Ok(message) = decode(stream)
        && let Ok(frame) = encode(&message, 16 * MAX)
    {
        assert_eq!(decode(&frame[4..]), Ok(message));
    }
});
