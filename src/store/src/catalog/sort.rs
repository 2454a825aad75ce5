//! The order of a query's answer, and the cursors that continue it.

use std::borrow::Cow;
use std::cmp::Ordering;

use mf2c_domain::query::OrderKey;
use mf2c_domain::scalar::Scalar;
use mf2c_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// What a row sorts by. The order of the variants is the order among kinds; `Missing` comes last in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum SortValue<'a> {
    #[serde(rename = "n")]
    Number(f64),
    #[serde(rename = "b")]
    Bool(bool),
    #[serde(rename = "i")]
    Instant(i128),
    #[serde(rename = "t")]
    Text(Cow<'a, str>),
    /// The beginning of a long text; only in cursors.
    #[serde(rename = "c")]
    Cut(Cow<'a, str>),
    #[serde(rename = "m")]
    Missing,
}

impl<'a> SortValue<'a> {
    /// What a value sorts by.
    pub(crate) fn of(value: &'a Scalar<'_>) -> Self {
        match value {
            #[expect(clippy::cast_precision_loss, reason = "an order among huge integers may be approximate")]
            Scalar::Int(number) => Self::Number(*number as f64),
            Scalar::Float(number) => Self::Number(*number),
            Scalar::Bool(value) => Self::Bool(*value),
            Scalar::Text(text) => match Timestamp::parse(text) {
                Some(at) => Self::Instant(at.nanos()),
                None => Self::Text(Cow::Borrowed(text)),
            },
            Scalar::Null | Scalar::Composite => Self::Missing,
        }
    }

    /// The same, free of what it was read from.
    pub(crate) fn into_owned(self) -> SortValue<'static> {
        match self {
            Self::Number(number) => SortValue::Number(number),
            Self::Bool(value) => SortValue::Bool(value),
            Self::Instant(nanos) => SortValue::Instant(nanos),
            Self::Text(text) => SortValue::Text(Cow::Owned(text.into_owned())),
            Self::Cut(text) => SortValue::Cut(Cow::Owned(text.into_owned())),
            Self::Missing => SortValue::Missing,
        }
    }

    /// The same with at most `limit` bytes of text, as JSON writes it.
    fn cut(self, limit: usize) -> Self {
        let Self::Text(text) = self else { return self };
        let mut size = 0;
        let end = text.char_indices().find(|(_, character)| {
            size += match character {
                '"' | '\\' => 2,
                control if control.is_ascii_control() => 6,
                other => other.len_utf8(),
            };
            size > limit
        });
        match end {
            None => Self::Text(text),
            Some((end, _)) => Self::Cut(Cow::Owned(text[..end].to_owned())),
        }
    }

    /// Whether this value may be the one that a cursor's value was made of.
    pub(crate) fn may_be(&self, of_cursor: &SortValue<'_>) -> bool {
        match (self, of_cursor) {
            (Self::Text(text), SortValue::Cut(start)) => text.starts_with(&**start),
            (own, of_cursor) => own.compare(of_cursor, false) == Ordering::Equal,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Bool(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) | Self::Cut(_) => 3,
            Self::Missing => 4,
        }
    }

    /// The order in one direction.
    pub(crate) fn compare(&self, other: &SortValue<'_>, descending: bool) -> Ordering {
        let missing = matches!(self, Self::Missing).cmp(&matches!(other, SortValue::Missing));
        if missing != Ordering::Equal {
            return missing;
        }
        let order = match (self, other) {
            (Self::Number(a), SortValue::Number(b)) => a.total_cmp(b),
            (Self::Bool(a), SortValue::Bool(b)) => a.cmp(b),
            (Self::Instant(a), SortValue::Instant(b)) => a.cmp(b),
            (Self::Text(a) | Self::Cut(a), SortValue::Text(b) | SortValue::Cut(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        };
        if descending { order.reverse() } else { order }
    }
}

/// The most bytes of text in a cursor, over all its keys; with it a cursor stays below the bound of `$after`.
const CURSOR_TEXT: usize = 512;

/// Where a page ended: the sort values of its last document, and its place in the natural order.
///
/// It names no row and no count, so it stays good while others write. Of long texts it holds the beginning: the rest is
/// taken from the document, and if that has changed or gone, documents that begin alike may come again, but none is lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// A hash of the order it belongs to.
    #[serde(rename = "o")]
    pub(crate) order: u64,
    #[serde(rename = "k")]
    pub(crate) keys: Vec<SortValue<'static>>,
    #[serde(rename = "b")]
    pub(crate) born: u64,
}

/// A cursor that does not fit the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not a text that a page ended with.
    #[error("`$after` is no cursor: expected the value of `after` of the page before")]
    Malformed,
    /// From a query with another `$orderby`.
    #[error("`$after` belongs to a query with another `$orderby`: send the one of the page before")]
    OtherOrder,
}

/// An order as a number, to compare by.
fn order_hash(keys: &[OrderKey]) -> u64 {
    let keys = keys.iter().map(|key| format!("{}:{}", key.path, if key.descending { "desc" } else { "asc" }));
    xxh3_64(keys.collect::<Vec<_>>().join(",").as_bytes())
}

/// Base64 for URLs (RFC 4648, section 5), without padding.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|digit| text.push(char::from(DIGITS[word >> (18 - 6 * digit) & 63])));
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0usize;
        for digit in chunk {
            word = word << 6 | DIGITS.iter().position(|known| known == digit)?;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend((0..chunk.len() - 1).map(|byte| (word >> (16 - 8 * byte) & 255) as u8));
    }
    Some(bytes)
}

impl Cursor {
    /// Where a page in the order of `keys` ends with a document of these sort values.
    pub(crate) fn new(keys: &[OrderKey], values: Vec<SortValue<'static>>, born: u64) -> Self {
        let limit = CURSOR_TEXT / values.len().max(1);
        Self { order: order_hash(keys), keys: values.into_iter().map(|value| value.cut(limit)).collect(), born }
    }

    /// As an opaque word that needs no escaping in a URL.
    pub(crate) fn to_text(&self) -> String {
        encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor for a query with order `keys`.
    pub(crate) fn parse(text: &str, keys: &[OrderKey]) -> Result<Self, CursorError> {
        let json = decode(text).ok_or(CursorError::Malformed)?;
        let cursor: Self = serde_json::from_slice(&json).map_err(|_| CursorError::Malformed)?;
        if cursor.order != order_hash(keys) || cursor.keys.len() != keys.len() {
            return Err(CursorError::OtherOrder);
        }
        Ok(cursor)
    }

    /// Whether it lacks the end of a text.
    pub(crate) fn is_cut(&self) -> bool {
        self.keys.iter().any(|key| matches!(key, SortValue::Cut(_)))
    }

    /// Whether a document of these sort values comes behind it.
    pub(crate) fn is_before(&self, values: &[SortValue<'_>], born: u64, keys: &[OrderKey]) -> bool {
        for ((value, own), key) in values.iter().zip(&self.keys).zip(keys) {
            if matches!(own, SortValue::Cut(_)) && value.may_be(own) {
                return true;
            }
            match value.compare(own, key.descending) {
                Ordering::Equal => {}
                order => return order == Ordering::Greater,
            }
        }
        born > self.born
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mf2c_domain::path::Path;
    use mf2c_domain::query::MAX_CURSOR_BYTES;
    use proptest::prelude::*;

    fn keys(count: usize) -> Vec<OrderKey> {
        (0..count).map(|key| OrderKey { path: Path::parse(&format!("k{key}")).unwrap(), descending: false }).collect()
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back_and_never_too_long_for_its_parameter(
            texts in prop::collection::vec(".{0,300}|[\\x00-\"]{0,99}|x{0,2000}", 0..16), born: u64, number: f64, instant: i64
        ) {
            let mut values: Vec<_> = texts.into_iter().map(|text| SortValue::Text(text.into())).collect();
            values.extend([SortValue::Instant(i128::from(instant) * 100)]);
            if let (true, Some(first)) = (number.is_finite(), values.first_mut()) {
                *first = SortValue::Number(number);
            }
            let keys = keys(values.len());
            let cursor = Cursor::new(&keys, values.clone(), born);
            prop_assert!(cursor.to_text().len() <= MAX_CURSOR_BYTES, "{}", cursor.to_text().len());
            prop_assert_eq!(Cursor::parse(&cursor.to_text(), &keys), Ok(cursor.clone()));
            prop_assert!(values.iter().zip(&cursor.keys).all(|(value, own)| value.may_be(own)));
        }

        #[test]
        fn arbitrary_text_is_refused_without_a_panic(text in ".{0,60}|[A-Za-z0-9_-]{0,60}") {
            prop_assert_eq!(Cursor::parse(&text, &keys(1)), Err(CursorError::Malformed));
        }
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let text = Cursor::new(&keys(1), vec![SortValue::Bool(true)], 7).to_text();
        assert_eq!(Cursor::parse(&text, &keys(2)), Err(CursorError::OtherOrder));
        assert_eq!(Cursor::parse(&text, &[]), Err(CursorError::OtherOrder));
    }
}
