//! The tables that describe services.

/// What an element holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `xs:string`
    Text,
    /// `xs:int`
    Int,
    /// `xs:long`
    Long,
    /// `xs:boolean`
    Bool,
    /// `xs:double`
    Double,
    /// `xs:base64Binary`
    Bytes,
    /// Elements of its own.
    Object(&'static ObjectType),
}

impl Kind {
    /// The name in XML Schema, with the prefix that descriptions use.
    pub(crate) fn schema_name(self) -> String {
        match self {
            Self::Text => "xs:string".to_owned(),
            Self::Int => "xs:int".to_owned(),
            Self::Long => "xs:long".to_owned(),
            Self::Bool => "xs:boolean".to_owned(),
            Self::Double => "xs:double".to_owned(),
            Self::Bytes => "xs:base64Binary".to_owned(),
            Self::Object(object) => format!("ns:{}", object.name),
        }
    }

    /// Whether Java has a null for it: Axis2 says of no other that it may be nil.
    pub(crate) const fn is_nillable(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Object(_))
    }
}

/// An element of a request or of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name by which it is described and written.
    pub name: &'static str,
    /// Other names by which clients send it. Case never counts.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be repeated.
    pub many: bool,
}

impl Field {
    /// An element that may be there once.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, aliases: &[], kind, many: false }
    }

    /// A text.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A whole number of 32 bits.
    #[must_use]
    pub const fn int(name: &'static str) -> Self {
        Self::new(name, Kind::Int)
    }

    /// A whole number of 64 bits.
    #[must_use]
    pub const fn long(name: &'static str) -> Self {
        Self::new(name, Kind::Long)
    }

    /// True or false.
    #[must_use]
    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, Kind::Bool)
    }

    /// Bytes, in base64.
    #[must_use]
    pub const fn bytes(name: &'static str) -> Self {
        Self::new(name, Kind::Bytes)
    }

    /// An object.
    #[must_use]
    pub const fn object(name: &'static str, object: &'static ObjectType) -> Self {
        Self::new(name, Kind::Object(object))
    }

    /// The same, repeated as often as there are values.
    #[must_use]
    pub const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    /// The same, with other names by which clients send it.
    #[must_use]
    pub const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Whether an element of this name is meant.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// A type with elements of its own.
#[derive(Debug)]
pub struct ObjectType {
    /// Its name.
    pub name: &'static str,
    /// What it holds, in whatever order: descriptions and replies have it by the alphabet, capitals first.
    pub fields: &'static [Field],
}

impl ObjectType {
    /// The fields in the order of descriptions and replies.
    pub(crate) fn ordered(&self) -> Vec<&'static Field> {
        let mut fields: Vec<&Field> = self.fields.iter().collect();
        fields.sort_by_key(|field| field.name);
        fields
    }
}

/// What an operation gives.
#[derive(Debug, Clone, Copy)]
pub struct Gives {
    /// What a `return` holds.
    pub kind: Kind,
    /// Whether there may be none, or several.
    pub many: bool,
}

impl Gives {
    /// One value, which may be nil.
    #[must_use]
    pub const fn one(kind: Kind) -> Self {
        Self { kind, many: false }
    }

    /// As many as there are.
    #[must_use]
    pub const fn many(kind: Kind) -> Self {
        Self { kind, many: true }
    }

    /// True, where there is nothing to tell but success.
    #[must_use]
    pub const fn done() -> Self {
        Self::one(Kind::Bool)
    }

    /// An object.
    #[must_use]
    pub const fn object(object: &'static ObjectType) -> Self {
        Self::one(Kind::Object(object))
    }

    /// Objects.
    #[must_use]
    pub const fn objects(object: &'static ObjectType) -> Self {
        Self::many(Kind::Object(object))
    }
}

/// An operation of a service.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// What it takes, in the order of the description. Requests may have it in any order, and leave out what they like.
    pub takes: &'static [Field],
    /// What it gives.
    pub gives: Gives,
    /// Whether it may be asked for by GET, with what it takes in the query: it changes nothing, and takes no secret.
    pub query: bool,
}

impl Operation {
    /// An operation that is asked for by POST alone.
    #[must_use]
    pub const fn new(name: &'static str, takes: &'static [Field], gives: Gives) -> Self {
        Self { name, takes, gives, query: false }
    }

    /// One that only reads, and may be asked for by GET.
    #[must_use]
    pub const fn reading(name: &'static str, takes: &'static [Field], gives: Gives) -> Self {
        Self { name, takes, gives, query: true }
    }

    /// What it takes, by the other names that are read: for clients that send only what a description names. They come after
    /// the first names, whose order counts for those who leave names out.
    #[must_use]
    pub fn other_names(&self) -> Vec<Field> {
        let mut named: Vec<&str> = self.takes.iter().map(|field| field.name).collect();
        let mut others = Vec::new();
        for field in self.takes {
            for alias in field.aliases {
                if !named.iter().any(|name| name.eq_ignore_ascii_case(alias)) {
                    named.push(alias);
                    others.push(Field { name: alias, ..*field });
                }
            }
        }
        others
    }
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its name: `Users`.
    pub name: &'static str,
    /// The target namespace of its description.
    pub target_namespace: &'static str,
    /// What it does.
    pub operations: &'static [Operation],
}

impl Service {
    /// The operation of this name, with or without regard to case: paths and elements are written by hand at times.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&'static Operation> {
        let operations = self.operations;
        let exact = operations.iter().find(|operation| operation.name == name);
        exact.or_else(|| operations.iter().find(|operation| operation.name.eq_ignore_ascii_case(name)))
    }
}
