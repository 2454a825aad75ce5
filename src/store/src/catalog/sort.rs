//! The order of a query's answer, and the cursors that continue it.

use std::borrow::Cow;
use std::cmp::Ordering;

use mf2c_domain::query::OrderKey;
use mf2c_domain::scalar::Scalar;
use mf2c_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

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
            Self::Missing => SortValue::Missing,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Bool(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) => 3,
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
            (Self::Text(a), SortValue::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        };
        if descending { order.reverse() } else { order }
    }
}

/// Where a page ended: the sort values of its last document, and its place in the natural order.
///
/// It names no row and no count, so it stays good while others write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// The order it belongs to, as text.
    #[serde(rename = "o")]
    pub(crate) order: String,
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

/// An order as text, to compare by.
pub(crate) fn order_text(keys: &[OrderKey]) -> String {
    let keys = keys.iter().map(|key| format!("{}:{}", key.path, if key.descending { "desc" } else { "asc" }));
    keys.collect::<Vec<_>>().join(",")
}

impl Cursor {
    /// As an opaque word that needs no escaping in a URL.
    pub(crate) fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        json.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a cursor for a query with order `keys`.
    pub(crate) fn parse(text: &str, keys: &[OrderKey]) -> Result<Self, CursorError> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) || digits.len() > 16_384 {
            return Err(CursorError::Malformed);
        }
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        let byte = |pair: &[u8]| Some(u8::try_from(nibble(pair[0])? << 4 | nibble(pair[1])?).unwrap_or_default());
        let json: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let cursor: Self =
            serde_json::from_slice(&json.ok_or(CursorError::Malformed)?).map_err(|_| CursorError::Malformed)?;
        if cursor.order != order_text(keys) || cursor.keys.len() != keys.len() {
            return Err(CursorError::OtherOrder);
        }
        Ok(cursor)
    }
}
