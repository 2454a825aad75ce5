//! The language in which resource types are described: kinds of values, and fields made of them.
//!
//! Every function is `const`, so that a type's file reads like a table and costs nothing at start.

use serde_json::{Map, Value};

use crate::time::Timestamp;

/// What values an attribute may take.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text with at least one character that is not white space.
    NonBlank,
    /// A text, which may be empty.
    Text,
    /// True or false.
    Bool,
    /// A number.
    Float,
    /// A whole number from 0. `3.0` counts as one, and is stored as `3`.
    Nat,
    /// A whole number from 1.
    Pos,
    /// A TCP or UDP port.
    Port,
    /// A date and time as RFC 3339 writes it, stored as it was sent.
    Timestamp,
    /// Words of lower-case letters and digits joined by `-`.
    Word,
    /// An e-mail address.
    Email,
    /// The target of a link as a bare text: `device/5f0c`.
    Href,
    /// An object with such an `href`; other members are allowed.
    Link,
    /// A [`Kind::Link`] that may also be sent as a bare text, and is stored as an object.
    LooseLink,
    /// An object whose `href` may hold any number of slashes and dots, as events have it.
    WideLink,
    /// A text of a certain shape.
    Shaped(&'static Shape),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list.
    List(List),
    /// An object with these members and no others.
    Object(&'static [Field]),
    /// An object with any keys, whose values are all of one kind.
    Map(&'static Kind),
    /// Any JSON, null included.
    Any,
}

/// What a text must look like, where no other kind says it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What was expected, in words that follow "is not".
    pub expected: &'static str,
    /// Its name in JSON Schema, if it has one.
    pub format: Option<&'static str>,
    /// Whether a text is of the shape.
    pub holds: fn(&str) -> bool,
}

/// What a list may hold.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The kind of each item.
    pub of: &'static Kind,
    /// Whether two equal items are refused.
    pub unique: bool,
    /// The fewest items.
    pub min: usize,
}

/// One attribute of a resource, or one member of an object inside it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// One line for people.
    pub about: &'static str,
    /// Whether a stored document must have it.
    pub required: bool,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// What it becomes when a new resource lacks it.
    pub fill: Option<Fill>,
    /// An older name under which it is accepted.
    pub alias: Option<Alias>,
    /// Whether answers must leave it out.
    pub secret: bool,
    /// Whether only administrators change it; what others send for it is passed over.
    pub for_admins: bool,
}

/// An older name of an attribute.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// The older name.
    pub name: &'static str,
    /// Whether documents carry the value under both names, for readers that know the older one.
    pub kept: bool,
}

/// What fills an attribute that a new resource lacks.
#[derive(Debug, Clone, Copy)]
pub enum Fill {
    /// This text.
    Text(&'static str),
    /// This whole number.
    Nat(u64),
    /// This number.
    Float(f64),
    /// The present time.
    Now,
    /// A random UUID.
    RandomId,
    /// A random key: `whsec_` and 32 bytes in base64, as the Standard Webhooks specification writes keys.
    Secret,
    /// What follows from the attributes before it and the present time.
    Computed(fn(&Map<String, Value>, Timestamp) -> Option<Value>),
}

impl Fill {
    /// The value, where it is always the same.
    #[must_use]
    pub fn constant(self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Nat(number) => Some(number.into()),
            Self::Float(number) => Some(number.into()),
            Self::Now | Self::RandomId | Self::Secret | Self::Computed(_) => None,
        }
    }
}

impl Kind {
    /// The least and the greatest whole number, for the kinds that are whole numbers.
    #[must_use]
    pub const fn bounds(self) -> Option<(u64, Option<u64>)> {
        match self {
            Self::Nat => Some((0, None)),
            Self::Pos => Some((1, None)),
            Self::Port => Some((1, Some(65_535))),
            _ => None,
        }
    }

    /// What was expected, in words that follow "is not".
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::NonBlank => "a text that is not blank".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Float => "a number".to_owned(),
            Self::Nat => "a whole number of at least 0".to_owned(),
            Self::Pos => "a whole number of at least 1".to_owned(),
            Self::Port => "a port number from 1 to 65535".to_owned(),
            Self::Timestamp => "a date and time such as 2019-06-14T18:06:24.203Z".to_owned(),
            Self::Word => "a word of lower-case letters and digits, joined by `-`".to_owned(),
            Self::Email => "an e-mail address such as user@example.com".to_owned(),
            Self::Href => "the id of a resource such as device/1".to_owned(),
            Self::Link => "a link such as {\"href\": \"device/1\"}".to_owned(),
            Self::LooseLink => "a link such as {\"href\": \"device/1\"}, or the text of its href".to_owned(),
            Self::WideLink => "a link such as {\"href\": \"device/1\"} of letters, digits and `_./-`".to_owned(),
            Self::Shaped(shape) => shape.expected.to_owned(),
            Self::OneOf(words) => format!("one of `{}`", words.join("`, `")),
            Self::List(_) => "a list".to_owned(),
            Self::Object(_) | Self::Map(_) => "an object".to_owned(),
            Self::Any => "a JSON value".to_owned(),
        }
    }
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            about: "",
            required: false,
            unit: None,
            fill: None,
            alias: None,
            secret: false,
            for_admins: false,
        }
    }

    /// Documents must have it.
    #[must_use]
    pub const fn required(mut self, about: &'static str) -> Self {
        self.required = true;
        self.about = about;
        self
    }

    /// Documents may have it.
    #[must_use]
    pub const fn optional(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The unit of the number.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// What it becomes when a new resource lacks it.
    #[must_use]
    pub const fn or(mut self, fill: Fill) -> Self {
        self.fill = Some(fill);
        self
    }

    /// An older name, accepted in its place.
    #[must_use]
    pub const fn once_called(mut self, name: &'static str) -> Self {
        self.alias = Some(Alias { name, kept: false });
        self
    }

    /// An older name, accepted in its place and stored beside it.
    #[must_use]
    pub const fn also_called(mut self, name: &'static str) -> Self {
        self.alias = Some(Alias { name, kept: true });
        self
    }

    /// Answers leave it out.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Only administrators change it.
    #[must_use]
    pub const fn for_admins(mut self) -> Self {
        self.for_admins = true;
        self
    }

    /// Two equal items of the list are refused.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        if let Kind::List(list) = self.kind {
            self.kind = Kind::List(List { unique: true, ..list });
        }
        self
    }

    /// The list has at least one item.
    #[must_use]
    pub const fn not_empty(mut self) -> Self {
        if let Kind::List(list) = self.kind {
            self.kind = Kind::List(List { min: 1, ..list });
        }
        self
    }
}

/// A text that is not blank.
#[must_use]
pub const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::NonBlank)
}

/// A text that may be empty.
#[must_use]
pub const fn any_text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

/// True or false.
#[must_use]
pub const fn boolean(name: &'static str) -> Field {
    Field::new(name, Kind::Bool)
}

/// A number.
#[must_use]
pub const fn float(name: &'static str) -> Field {
    Field::new(name, Kind::Float)
}

/// A whole number from 0.
#[must_use]
pub const fn nat(name: &'static str) -> Field {
    Field::new(name, Kind::Nat)
}

/// A whole number from 1.
#[must_use]
pub const fn pos(name: &'static str) -> Field {
    Field::new(name, Kind::Pos)
}

/// A port number.
#[must_use]
pub const fn port(name: &'static str) -> Field {
    Field::new(name, Kind::Port)
}

/// A date and time.
#[must_use]
pub const fn timestamp(name: &'static str) -> Field {
    Field::new(name, Kind::Timestamp)
}

/// Lower-case words joined by `-`.
#[must_use]
pub const fn word(name: &'static str) -> Field {
    Field::new(name, Kind::Word)
}

/// An e-mail address.
#[must_use]
pub const fn email(name: &'static str) -> Field {
    Field::new(name, Kind::Email)
}

/// The id of a resource as a bare text.
#[must_use]
pub const fn href(name: &'static str) -> Field {
    Field::new(name, Kind::Href)
}

/// A link to a resource.
#[must_use]
pub const fn link(name: &'static str) -> Field {
    Field::new(name, Kind::Link)
}

/// A link to anything an event may be about.
#[must_use]
pub const fn wide_link(name: &'static str) -> Field {
    Field::new(name, Kind::WideLink)
}

/// A text of a certain shape.
#[must_use]
pub const fn shaped(name: &'static str, shape: &'static Shape) -> Field {
    Field::new(name, Kind::Shaped(shape))
}

/// One of `words`.
#[must_use]
pub const fn one_of(name: &'static str, words: &'static [&'static str]) -> Field {
    Field::new(name, Kind::OneOf(words))
}

/// A list.
#[must_use]
pub const fn list(name: &'static str, of: &'static Kind) -> Field {
    Field::new(name, Kind::List(List { of, unique: false, min: 0 }))
}

/// An object with these members and no others.
#[must_use]
pub const fn object(name: &'static str, members: &'static [Field]) -> Field {
    Field::new(name, Kind::Object(members))
}

/// An object with any keys, whose values are all of one kind.
#[must_use]
pub const fn map(name: &'static str, of: &'static Kind) -> Field {
    Field::new(name, Kind::Map(of))
}

/// Any JSON.
#[must_use]
pub const fn any(name: &'static str) -> Field {
    Field::new(name, Kind::Any)
}
