//! Frames: four bytes of length, big-endian, then one message as a MessagePack map.
//!
//! A length is believed only so far: it is compared with the bound before anything is made for it, and memory grows with
//! what has arrived, not with what was announced.

use std::io::{self, Write};

use serde::de::IgnoredAny;
use serde::{Deserialize as _, Serialize};

use super::{Code, Message, Notice, WireError};

/// The bytes of a frame's length.
pub const PREFIX: usize = 4;
/// How deep the value in a frame may be nested; our own messages stay below 12.
const DEEPEST: usize = 32;
/// A buffer that is larger than this is given back once it is empty.
const KEPT: usize = 4096;
/// Most messages are no longer, in bytes.
const USUAL: usize = 192;

/// One message as a frame, its length included.
///
/// # Errors
/// [`Code::TooLarge`] where the message has more than `max_frame` bytes.
pub fn encode(message: &Message, max_frame: u32) -> Result<Vec<u8>, WireError> {
    write(message, max_frame)
}

/// A [`Message::Notice`] as a frame, its length included.
///
/// # Errors
/// [`Code::TooLarge`] where the message has more than `max_frame` bytes.
pub fn encode_notice(notice: &Notice, max_frame: u32) -> Result<Vec<u8>, WireError> {
    write(&Borrowed::Notice(notice), max_frame)
}

/// [`Message`], of which most is notices that stay with who sends them.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Borrowed<'a> {
    Notice(&'a Notice),
}

fn write(message: &impl Serialize, max_frame: u32) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::with_capacity(USUAL);
    bytes.resize(PREFIX, 0);
    let mut out = Bounded { bytes, most: PREFIX.saturating_add(max_frame as usize), full: false };
    let written = rmp_serde::encode::write_named(&mut out, message);
    if out.full {
        let text = format!("the message is larger than a frame of {max_frame} bytes: ask for less at once");
        return Err(WireError::new(Code::TooLarge, text));
    }
    written.map_err(|error| WireError::new(Code::Internal, format!("the message cannot be written: {error}")))?;
    let Bounded { mut bytes, .. } = out;
    let length = u32::try_from(bytes.len() - PREFIX).unwrap_or(u32::MAX);
    if let Some(prefix) = bytes.first_chunk_mut::<PREFIX>() {
        *prefix = length.to_be_bytes();
    }
    Ok(bytes)
}

/// The message in a frame, without its length.
///
/// # Errors
/// [`Code::BadFrame`].
pub fn decode(frame: &[u8]) -> Result<Message, WireError> {
    let bad = |what: String| WireError::new(Code::BadFrame, format!("the frame holds no message: {what}"));
    let mut reader = rmp_serde::Deserializer::from_read_ref(&frame);
    reader.set_max_depth(DEEPEST);
    let message = Message::deserialize(&mut reader).map_err(|error| bad(shortened(&error.to_string())))?;
    // The reader does not tell what it has left, except by looking for one value more.
    match IgnoredAny::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(end)) if end.kind() == io::ErrorKind::UnexpectedEof => {
            Ok(message)
        }
        _ => Err(bad("something follows the message".to_owned())),
    }
}

/// The peer's own words may stand in the library's text: not all of them go back.
fn shortened(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(120).collect()
}

/// Takes bytes as they come and gives messages.
#[derive(Debug)]
pub struct Decoder {
    max_frame: u32,
    bytes: Vec<u8>,
    /// Where the first frame that was not yet given begins.
    start: usize,
    /// What was wrong; nothing is read behind it.
    broken: Option<WireError>,
}

impl Decoder {
    /// Frames up to `max_frame` bytes, their length not counted.
    #[must_use]
    pub fn new(max_frame: u32) -> Self {
        Self { max_frame, bytes: Vec::new(), start: 0, broken: None }
    }

    /// Other bounds from the next frame on.
    pub fn set_max_frame(&mut self, max_frame: u32) {
        self.max_frame = max_frame;
    }

    /// Takes what has arrived. Call [`Decoder::next`] until it gives nothing before the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.broken.is_none() {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// The next message, if all of it is there.
    ///
    /// # Errors
    /// [`Code::TooLarge`] or [`Code::BadFrame`]; every later call says the same.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end where this only waits for more")]
    pub fn next(&mut self) -> Result<Option<Message>, WireError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let found = self.find();
        if let Err(error) = &found {
            self.broken = Some(error.clone());
            self.bytes = Vec::new();
            self.start = 0;
        }
        found
    }

    /// Whether a frame has begun and is not yet complete.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.broken.is_none() && self.bytes.len() > self.start
    }

    /// How many bytes of memory it holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn find(&mut self) -> Result<Option<Message>, WireError> {
        let waiting = self.bytes.get(self.start..).unwrap_or_default();
        let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX>() else {
            self.tidy();
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix);
        if length > self.max_frame {
            let text = format!("a frame of {length} bytes was announced, expected at most {}", self.max_frame);
            return Err(WireError::new(Code::TooLarge, text));
        }
        if length == 0 {
            return Err(WireError::new(Code::BadFrame, "an empty frame, expected one message"));
        }
        let Some(frame) = rest.get(..length as usize) else {
            self.tidy();
            return Ok(None);
        };
        let message = decode(frame)?;
        self.start += PREFIX + length as usize;
        if self.start == self.bytes.len() {
            self.tidy();
        }
        Ok(Some(message))
    }

    /// Drops what was given, and memory that is no longer needed.
    fn tidy(&mut self) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }
}

/// Writes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(piece.len()) > self.most {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
