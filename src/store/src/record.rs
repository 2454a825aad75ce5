//! How a document and a change are laid out on disk, each with our own checksum.
//!
//! Both are `kind u8, version u8, checksum u64` and then the fields, integers little-endian; the checksum is xxh3-64 of
//! the key followed by everything behind the checksum, so that a value under a wrong key is noticed too.
//!
//! Version 1 knew no agent but its own: it is read as version 2 with the position as the sequence of what travels.

use mf2c_domain::time::HybridTime;
use xxhash_rust::xxh3::Xxh3Default;

const KIND_DOCUMENT: u8 = b'D';
const KIND_CHANGE: u8 = b'C';
const VERSION: u8 = 2;
/// In place of a count of names: it is not known which attributes differ.
const UNKNOWN: u16 = u16::MAX;
const FRONT: usize = 10;

/// A node's identity in the log.
pub type NodeId = [u8; 16];

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRecord<'a> {
    /// The local position of the change that created it: the natural order of a collection.
    pub born: u64,
    /// The local position of the newest change to it.
    pub revision: u64,
    /// The hybrid time of that change.
    pub time: HybridTime,
    /// The agent that orders its edits.
    pub origin: NodeId,
    /// Which life of that agent's store.
    pub incarnation: u64,
    /// The origin's number of the newest change to it; 0 if it does not travel.
    pub sequence: u64,
    /// Where attributes are observed here, a JSON object with what its origin says of them; empty otherwise.
    pub theirs: &'a [u8],
    /// The JSON document.
    pub body: &'a [u8],
}

/// What a change did to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// There was none before.
    Created,
    /// There is a new revision.
    Edited,
    /// There is none any more.
    Deleted,
}

impl ChangeKind {
    const fn code(self) -> u8 {
        match self {
            Self::Deleted => 0,
            Self::Edited => 1,
            Self::Created => 2,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Deleted),
            1 => Some(Self::Edited),
            2 => Some(Self::Created),
            _ => None,
        }
    }
}

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecord<'a> {
    /// The agent whose change it is.
    pub origin: NodeId,
    /// Which life of that agent's store.
    pub incarnation: u64,
    /// Its number among the origin's changes that travel, without holes; 0 if it does not travel.
    pub sequence: u64,
    /// When, in hybrid time.
    pub time: HybridTime,
    /// The resource.
    pub id: &'a str,
    /// What was done to it.
    pub kind: ChangeKind,
    /// For an edit, the top-level attributes that differ from the revision before; none where that is not known.
    pub differs: Option<Vec<&'a str>>,
    /// The whole document: the new one, or the last one if it was deleted.
    pub document: &'a [u8],
}

/// Why a stored record was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Too short, or the lengths in it do not fit.
    #[error("it is cut short")]
    Short,
    /// Written by a newer mf2c.
    #[error("it has format version {0}, this mf2c knows version {VERSION}: use the newer mf2c")]
    Version(u8),
    /// The wrong kind of record.
    #[error("it is no record of this kind")]
    Kind,
    /// The bytes are not what was written.
    #[error("its checksum is wrong")]
    Checksum,
}

fn sum(key: &[u8], fields: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(key);
    hash.update(fields);
    hash.digest()
}

fn seal(kind: u8, key: &[u8], size: usize, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRONT + size);
    bytes.extend([kind, VERSION, 0, 0, 0, 0, 0, 0, 0, 0]);
    fields(&mut bytes);
    let sum = sum(key, &bytes[FRONT..]);
    bytes[2..FRONT].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The version of a whole record, and its fields.
fn open<'a>(kind: u8, key: &[u8], bytes: &'a [u8]) -> Result<(u8, Fields<'a>), RecordError> {
    let front = bytes.get(..FRONT).ok_or(RecordError::Short)?;
    if front[0] != kind {
        return Err(RecordError::Kind);
    }
    if !(1..=VERSION).contains(&front[1]) {
        return Err(RecordError::Version(front[1]));
    }
    let written = u64::from_le_bytes(front[2..].try_into().map_err(|_| RecordError::Short)?);
    if written != sum(key, &bytes[FRONT..]) {
        return Err(RecordError::Checksum);
    }
    Ok((front[1], Fields(&bytes[FRONT..])))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(RecordError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, RecordError> {
        self.take(8)?.try_into().map(u64::from_le_bytes).map_err(|_| RecordError::Short)
    }

    fn count(&mut self) -> Result<u16, RecordError> {
        self.take(2)?.try_into().map(u16::from_le_bytes).map_err(|_| RecordError::Short)
    }

    /// A text with its length before it.
    fn text(&mut self) -> Result<&'a str, RecordError> {
        let length = self.count()?;
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| RecordError::Short)
    }

    fn names(&mut self) -> Result<Option<Vec<&'a str>>, RecordError> {
        match self.count()? {
            UNKNOWN => Ok(None),
            count => (0..count).map(|_| self.text()).collect::<Result<_, _>>().map(Some),
        }
    }

    fn node(&mut self) -> Result<NodeId, RecordError> {
        self.take(16)?.try_into().map_err(|_| RecordError::Short)
    }
}

/// A text with its length before it; ids and names are shorter than what a length can say.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put_names(bytes: &mut Vec<u8>, names: Option<&[&str]>) {
    let fits = |names: &&[&str]| names.len() < 1024 && names.iter().all(|name| name.len() < usize::from(u16::MAX));
    match names.filter(fits) {
        None => bytes.extend(UNKNOWN.to_le_bytes()),
        Some(names) => {
            bytes.extend(u16::try_from(names.len()).unwrap_or(UNKNOWN).to_le_bytes());
            names.iter().for_each(|name| put_text(bytes, name));
        }
    }
}

/// What version 1, which kept no count of its own for it, means by a position: the sequence of a change that travels.
fn sequence_of(position: u64, id: &str) -> u64 {
    let kind = id.split_once('/').map_or("", |(kind, _)| kind);
    if mf2c_domain::resource::find(kind).is_some_and(|spec| spec.travels) { position } else { 0 }
}

impl DocumentRecord<'_> {
    /// The bytes to store under `key`.
    #[must_use]
    pub fn encode(&self, key: &[u8]) -> Vec<u8> {
        seal(KIND_DOCUMENT, key, 60 + self.theirs.len() + self.body.len(), |bytes| {
            for number in [self.born, self.revision, self.time.bits()] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(self.origin);
            bytes.extend(self.incarnation.to_le_bytes());
            bytes.extend(self.sequence.to_le_bytes());
            bytes.extend(u32::try_from(self.theirs.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend(self.theirs);
            bytes.extend(self.body);
        })
    }

    /// Reads what [`DocumentRecord::encode`] wrote under the same key, also that of version 1.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes are anything else.
    pub fn decode<'a>(key: &[u8], bytes: &'a [u8]) -> Result<DocumentRecord<'a>, RecordError> {
        let (version, mut fields) = open(KIND_DOCUMENT, key, bytes)?;
        let (born, revision) = (fields.number()?, fields.number()?);
        let time = HybridTime::from_bits(fields.number()?);
        let origin = fields.node()?;
        if version == 1 {
            let sequence = sequence_of(revision, std::str::from_utf8(key).unwrap_or_default());
            return Ok(DocumentRecord {
                born,
                revision,
                time,
                origin,
                incarnation: 0,
                sequence,
                theirs: &[],
                body: fields.0,
            });
        }
        let (incarnation, sequence) = (fields.number()?, fields.number()?);
        let length = fields.take(4)?.try_into().map(u32::from_le_bytes).map_err(|_| RecordError::Short)?;
        let theirs = fields.take(length as usize)?;
        Ok(DocumentRecord { born, revision, time, origin, incarnation, sequence, theirs, body: fields.0 })
    }
}

impl ChangeRecord<'_> {
    /// The bytes to store under `key`.
    #[must_use]
    pub fn encode(&self, key: &[u8]) -> Vec<u8> {
        let names: usize = self.differs.iter().flatten().map(|name| name.len() + 2).sum();
        seal(KIND_CHANGE, key, 45 + self.id.len() + names + self.document.len(), |bytes| {
            bytes.extend(self.origin);
            for number in [self.incarnation, self.sequence, self.time.bits()] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.push(self.kind.code());
            put_text(bytes, self.id);
            put_names(bytes, self.differs.as_deref());
            bytes.extend(self.document);
        })
    }

    /// Reads what [`ChangeRecord::encode`] wrote under the same key, also that of version 1.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes are anything else.
    pub fn decode<'a>(key: &[u8], bytes: &'a [u8]) -> Result<ChangeRecord<'a>, RecordError> {
        let (version, mut fields) = open(KIND_CHANGE, key, bytes)?;
        let origin = fields.node()?;
        let (incarnation, mut sequence) = (fields.number()?, fields.number()?);
        let time = HybridTime::from_bits(fields.number()?);
        let kind = ChangeKind::of(fields.take(1)?[0]).ok_or(RecordError::Kind)?;
        let id = fields.text()?;
        let differs = if version == 1 { None } else { fields.names()? };
        if version == 1 {
            sequence = sequence_of(sequence, id);
        }
        Ok(ChangeRecord { origin, incarnation, sequence, time, id, kind, differs, document: fields.0 })
    }
}

/// The change position that a key and value carry, if they are a change.
#[must_use]
pub fn change_position(key: &[u8], value: &[u8]) -> Option<u64> {
    let position = key.try_into().map(u64::from_be_bytes).ok()?;
    (value.first() == Some(&KIND_CHANGE)).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A document and its change as the version before wrote them.
    fn version_1(id: &str, position: u64, body: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let write = |kind: u8, key: &[u8], parts: &[&[u8]]| {
            let fields = parts.concat();
            [&[kind, 1][..], &sum(key, &fields).to_le_bytes(), &fields].concat()
        };
        let number = &position.to_le_bytes()[..];
        let document = write(b'D', id.as_bytes(), &[number, number, &[7; 8], &[3; 16], body]);
        let length = u16::try_from(id.len()).unwrap().to_le_bytes();
        let change = [&[3; 16], number, number, &[7; 8], &[2], &length, id.as_bytes(), body];
        (document, write(b'C', &position.to_be_bytes(), &change))
    }

    proptest! {
        #[test]
        fn records_are_read_back_and_no_flipped_bit_passes(
            body in proptest::collection::vec(any::<u8>(), 0..200), born: u64, revision: u64, bit in 0usize..64
        ) {
            let (origin, theirs) = ([3; 16], &b"{}"[..]);
            let time = HybridTime::from_bits(7);
            let record =
                DocumentRecord { born, revision, time, origin, incarnation: 5, sequence: 6, theirs, body: &body };
            let mut bytes = record.encode(b"device/a");
            prop_assert_eq!(DocumentRecord::decode(b"device/a", &bytes).unwrap(), record);
            prop_assert!(DocumentRecord::decode(b"device/b", &bytes).is_err());
            let at = bit * bytes.len() / 64;
            bytes[at] ^= 1 << (bit % 8);
            prop_assert!(DocumentRecord::decode(b"device/a", &bytes).is_err());
        }

        #[test]
        fn a_change_is_read_back(
            id in "[a-z]{1,30}", code in 0u8..3, document in proptest::collection::vec(any::<u8>(), 0..99)
        ) {
            let change = ChangeRecord {
                origin: [9; 16], incarnation: 1, sequence: 2, time: HybridTime::from_bits(3), id: &id,
                kind: ChangeKind::of(code).unwrap(), differs: (code > 0).then(|| vec!["a", &id]), document: &document,
            };
            let bytes = change.encode(&[0; 8]);
            prop_assert_eq!(ChangeRecord::decode(&[0; 8], &bytes).unwrap(), change);
        }

        #[test]
        fn records_of_version_1_are_read_with_the_position_as_the_sequence_of_what_travels(
            body in proptest::collection::vec(any::<u8>(), 0..99), position in 1u64..1 << 60
        ) {
            for (id, sequence) in [("device/a", position), ("session/a", 0)] {
                let (document, change) = version_1(id, position, &body);
                let read = DocumentRecord::decode(id.as_bytes(), &document).unwrap();
                prop_assert_eq!((read.revision, read.sequence, read.body), (position, sequence, &body[..]));
                let read = ChangeRecord::decode(&position.to_be_bytes(), &change).unwrap();
                prop_assert_eq!((read.id, read.sequence, read.differs, read.document), (id, sequence, None, &body[..]));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = DocumentRecord::decode(&key, &bytes);
            let _ = ChangeRecord::decode(&key, &bytes);
        }
    }
}
