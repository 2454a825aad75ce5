//! What the two ends of a stream say to each other.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::beside::{Homes, Near, Stamp, Term};
use super::tuple::as_tuple;
use crate::wire::{Bytes, WireError};

/// One word on a stream. Each has a content, so that those of later versions can be passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamMessage {
    /// Source: what it has.
    Offer(Offer),
    /// Sink: what it has of that, and under which number it follows.
    Follow(Follow),
    /// Source: changes.
    Batch(Batch),
    /// Source: a piece of a document that is too large for the message after it.
    Piece(Piece),
    /// Source: some of all documents of an origin.
    Part(Part),
    /// Sink: everything up to this is on its disk.
    Ack(Ack),
    /// Sink: nothing more for a while; it will follow anew.
    Hold(Hold),
    /// Source: what its documents come to.
    Digests(Checks),
    /// Sink: what its documents of one origin come to, which is something else.
    Buckets(Buckets),
    /// Source: all documents of one bucket.
    Repair(Repair),
    /// Sink: it does not take an origin, or a document of it.
    Refused(Refused),
    /// Source: it offers nothing any more.
    End(End),
    /// Source: how far the sink is behind, where it is for longer, and when it is no longer.
    Lag(Lag),
    /// Source: which areas origins belong to that it offers.
    Homes(Homes),
    /// Source: who can be reached again.
    Near(Near),
    /// Source: the term of its leadership.
    Term(Term),
    /// Sink: what it has of the source's own store.
    Stamp(Stamp),
    /// A word of a later version. It is never sent.
    Unknown,
}

/// See [`StreamMessage::Offer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which start of the source's process.
    pub boot: u64,
    /// Grows with each offer that replaces the ones before it.
    pub generation: u32,
    /// The number of the first origin in it; 0 begins a generation, others add to it.
    pub first: u32,
    /// The origins.
    pub origins: Vec<Offered>,
    /// Whether more of it follows in another message.
    pub more: bool,
}
as_tuple!(Offer { boot, generation, first, origins, more });

/// An origin in an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its node: 16 bytes.
    pub origin: Bytes,
    /// Which life.
    pub incarnation: u64,
    /// The newest change.
    pub sequence: u64,
    /// The `deviceID` of its agent, as far as the source knows.
    pub device: String,
}
as_tuple!(Offered { origin, incarnation, sequence, device });

/// See [`StreamMessage::Follow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// The offer that it answers.
    pub generation: u32,
    /// The number of the stream; one that is running already gets more origins.
    pub stream: u32,
    /// Changes that may be on their way.
    pub window_changes: u32,
    /// Bytes that may be on their way.
    pub window_bytes: u32,
    /// What is here, by the number of the origin in the offer. Others are not wanted.
    pub have: Vec<Have>,
    /// Ids of documents that must come whole; `*` for all that the log holds at that moment.
    pub whole: Vec<String>,
    /// Whether more of it follows in another message.
    pub more: bool,
}
as_tuple!(Follow { generation, stream, window_changes, window_bytes, have, whole, more });

/// How far a sink has come with one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Have {
    /// The number of the origin in the offer.
    pub origin: u32,
    /// Which life of it is here; 0 for none.
    pub incarnation: u64,
    /// The newest change.
    pub sequence: u64,
    /// A snapshot of which some is here: of which life, at which change, and the last key.
    pub partial: Option<(u64, u64, String)>,
}
as_tuple!(Have { origin, incarnation, sequence, partial });

/// See [`StreamMessage::Batch`].
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The stream.
    pub stream: u32,
    /// Its place in the stream, from 1.
    pub number: u32,
    /// Changes of one origin or several.
    pub runs: Vec<Run>,
}
as_tuple!(Batch { stream, number, runs });

/// Changes of one origin: all with `after < sequence <= after + span`, but for those that later ones make superfluous.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The number of the origin in the offer.
    pub origin: u32,
    /// What they follow on.
    pub after: u64,
    /// How many sequences they cover.
    pub span: u64,
    /// The changes.
    pub items: Vec<Item>,
}
as_tuple!(Run { origin, after, span, items });

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its sequence, counted from [`Run::after`].
    pub step: u64,
    /// When: a hybrid time.
    pub time: u64,
    /// The resource.
    pub id: Word,
    /// What was done.
    pub content: Content,
}
as_tuple!(Item { step, time, id, content });

/// A text in the dictionary of the stream, or a new one that gets the next number there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The number of one that was said before.
    Known(u32),
    /// A new one.
    New(String),
}

/// What a change did. On the wire its kind is the kind of the value: none, binary, number, array.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// There is none any more.
    Deleted,
    /// The whole document.
    Whole(Bytes),
    /// The whole document of so many bytes, which came in pieces before.
    Pieced(u32),
    /// What differs from the revision before.
    Patch {
        /// Attributes to set.
        changed: Vec<(Word, Value)>,
        /// Attributes to remove.
        removed: Vec<Word>,
        /// What the document must come to.
        sum: u64,
    },
}

/// See [`StreamMessage::Piece`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The stream.
    pub stream: u32,
    /// Its place in the stream.
    pub number: u32,
    /// Some bytes.
    pub bytes: Bytes,
}
as_tuple!(Piece { stream, number, bytes });

/// See [`StreamMessage::Part`].
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The stream.
    pub stream: u32,
    /// Its place in the stream.
    pub number: u32,
    /// The number of the origin in the offer.
    pub origin: u32,
    /// Which life of it.
    pub incarnation: u64,
    /// The origin's newest change when the snapshot began.
    pub at: u64,
    /// The last key of the part before.
    pub after: Option<String>,
    /// The last key of this part; none where it is the last one.
    pub upto: Option<String>,
    /// The documents.
    pub copies: Vec<Copy>,
    /// xxh3-64 of their ids and bytes.
    pub sum: u64,
}
as_tuple!(Part { stream, number, origin, incarnation, at, after, upto, copies, sum });

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// The origin's change that made it so.
    pub sequence: u64,
    /// When: a hybrid time.
    pub time: u64,
    /// Its id.
    pub id: String,
    /// [`Content::Whole`] or [`Content::Pieced`].
    pub body: Content,
}
as_tuple!(Copy { sequence, time, id, body });

/// See [`StreamMessage::Ack`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The stream.
    pub stream: u32,
    /// The last place up to which everything is on disk.
    pub number: u32,
}
as_tuple!(Ack { stream, number });

/// See [`StreamMessage::Hold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// In milliseconds.
    pub retry_after: u32,
    /// Why, for people.
    pub why: String,
}
as_tuple!(Hold { retry_after, why });

/// See [`StreamMessage::Digests`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// The stream.
    pub stream: u32,
    /// One for each origin.
    pub of: Vec<Check>,
}
as_tuple!(Checks { stream, of });

/// What the documents of an origin come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The number of the origin in the offer.
    pub origin: u32,
    /// Which life.
    pub incarnation: u64,
    /// At which change.
    pub sequence: u64,
    /// All buckets in one number.
    pub root: u64,
}
as_tuple!(Check { origin, incarnation, sequence, root });

/// See [`StreamMessage::Buckets`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    /// The stream.
    pub stream: u32,
    /// The number of the origin in the offer.
    pub origin: u32,
    /// Which life.
    pub incarnation: u64,
    /// At which change.
    pub sequence: u64,
    /// 256 numbers of 8 bytes, little-endian.
    pub sums: Bytes,
}
as_tuple!(Buckets { stream, origin, incarnation, sequence, sums });

/// See [`StreamMessage::Repair`].
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// The stream.
    pub stream: u32,
    /// Its place in the stream.
    pub number: u32,
    /// The number of the origin in the offer.
    pub origin: u32,
    /// The origin's change of which the documents are.
    pub at: u64,
    /// The bucket.
    pub bucket: u8,
    /// Documents of the bucket.
    pub copies: Vec<Copy>,
    /// Whether they are the last ones of the bucket.
    pub last: bool,
}
as_tuple!(Repair { stream, number, origin, at, bucket, copies, last });

/// See [`StreamMessage::Refused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The offer that it answers.
    pub generation: u32,
    /// The number of the origin in the offer.
    pub origin: u32,
    /// The document, where the others of the origin are taken.
    pub id: Option<String>,
    /// Why.
    pub why: WireError,
}
as_tuple!(Refused { generation, origin, id, why });

/// See [`StreamMessage::End`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The offer that ends.
    pub generation: u32,
    /// Why.
    pub why: WireError,
}
as_tuple!(End { generation, why });

/// See [`StreamMessage::Lag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Changes that the sink has not acknowledged.
    pub changes: u64,
    /// How old the oldest of them is, in milliseconds.
    pub millis: u64,
}
as_tuple!(Lag { changes, millis });

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(number) => serializer.serialize_u32(*number),
            Self::New(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or its number")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Word, E> {
                u32::try_from(number).map(Word::Known).map_err(|_| E::custom("no number of a word"))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word::New(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Reads)
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Deleted => serializer.serialize_unit(),
            Self::Whole(bytes) => bytes.serialize(serializer),
            Self::Pieced(length) => serializer.serialize_u32(*length),
            Self::Patch { changed, removed, sum } => (changed, removed, sum).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadsContent)
    }
}

struct ReadsContent;

impl<'de> Visitor<'de> for ReadsContent {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing, a document, its length, or a patch")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Content, E> {
        Ok(Content::Deleted)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Content, E> {
        Ok(Content::Whole(bytes.to_vec().into()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Content, E> {
        Ok(Content::Whole(bytes.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, length: u64) -> Result<Content, E> {
        u32::try_from(length).map(Content::Pieced).map_err(|_| E::custom("no length of a document"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let short = || A::Error::custom("a patch has three parts");
        let changed = parts.next_element()?.ok_or_else(short)?;
        let removed = parts.next_element()?.ok_or_else(short)?;
        let sum = parts.next_element()?.ok_or_else(short)?;
        match parts.next_element::<IgnoredAny>()? {
            None => Ok(Content::Patch { changed, removed, sum }),
            Some(_) => Err(short()),
        }
    }
}
