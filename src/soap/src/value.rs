//! What an operation gives.

use crate::table::ObjectType;

/// A value on its way to the client.
#[derive(Debug, Clone)]
pub enum Value {
    /// None: an element that says so.
    Nil,
    /// A text.
    Text(String),
    /// A whole number of 32 bits.
    Int(i32),
    /// A whole number of 64 bits.
    Long(i64),
    /// True or false.
    Bool(bool),
    /// A number.
    Double(f64),
    /// Bytes; written in base64.
    Bytes(Vec<u8>),
    /// An object of a type. Members that its table does not have are not written, and members that are not given are
    /// left out.
    Object(&'static ObjectType, Vec<(&'static str, Value)>),
    /// Repeated elements; none where it is empty.
    List(Vec<Value>),
}

impl Value {
    /// Repeated elements.
    pub fn list<T: Into<Self>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }

    /// About how many bytes it takes when it is written, and no fewer than its texts and bytes take.
    #[must_use]
    pub fn weight(&self) -> usize {
        /// What the tags of an element take, besides its name.
        const TAGS: usize = 5;
        /// `&quot;`
        const LONGEST_MARK: usize = 6;
        match self {
            Self::Nil | Self::Int(_) | Self::Long(_) | Self::Bool(_) | Self::Double(_) => 20,
            Self::Text(text) => {
                text.bytes().map(|byte| if matches!(byte, b'&' | b'<' | b'>' | b'"') { LONGEST_MARK } else { 1 }).sum()
            }
            Self::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
            Self::Object(_, members) => {
                members.iter().map(|(name, value)| 2 * name.len() + TAGS + value.weight()).sum()
            }
            Self::List(values) => values.iter().map(|value| TAGS + value.weight()).sum(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Long(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}
