//! What an operation is given, read by its table: in any order, under any of the names, each value of its kind.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::table::{Field, Kind, Operation};
use crate::tree::{Element, Space, is_allowed, is_space, shown};

/// Some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an operation, or an object that it is given, holds. Elements that are not in its table have been passed over,
/// and those that say that they are nil count as absent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    values: Vec<(&'static Field, Vec<Datum>)>,
}

#[derive(Debug, Clone)]
enum Datum {
    Text(String),
    Int(i32),
    Long(i64),
    Bool(bool),
    Double(f64),
    Bytes(Vec<u8>),
    Object(Request),
}

impl Request {
    pub(crate) fn of_element(fields: &'static [Field], element: &Element) -> Result<Self, String> {
        if element.has_text() {
            return Err(format!("Element {} holds text: expected elements", shown(&element.name)));
        }
        let mut request = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for child in &element.children {
            let ours = matches!(child.space, Space::Payload | Space::None);
            let Some(field) = fields.iter().find(|field| ours && field.is_called(&child.name)) else { continue };
            // Clients that fill in one of several names may say that the others are nil, but no name twice.
            if !field.many {
                if seen.iter().any(|name| name.eq_ignore_ascii_case(&child.name)) {
                    return Err(format!("Element {} is there more than once", field.name));
                }
                seen.push(&child.name);
            }
            if child.is_nil {
                continue;
            }
            request.put(field, Datum::of_element(field, child)?)?;
        }
        Ok(request)
    }

    /// What an operation is given in the query of an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_pairs<'p>(
        operation: &'static Operation,
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, String> {
        let mut request = Self::default();
        for (name, value) in pairs {
            let Some(field) = operation.takes.iter().find(|field| field.is_called(name)) else { continue };
            request.put(field, Datum::of_text(field, value)?)?;
        }
        Ok(request)
    }

    fn put(&mut self, field: &'static Field, datum: Datum) -> Result<(), String> {
        match self.values.iter_mut().find(|(known, _)| std::ptr::eq(*known, field)) {
            Some((_, data)) if field.many => data.push(datum),
            Some(_) => return Err(format!("Element {} is there more than once", field.name)),
            None => self.values.push((field, vec![datum])),
        }
        Ok(())
    }

    fn all(&self, name: &str) -> &[Datum] {
        let found = self.values.iter().find(|(field, _)| field.is_called(name));
        found.map(|(_, data)| data.as_slice()).unwrap_or_default()
    }

    fn first(&self, name: &str) -> Option<&Datum> {
        self.all(name).first()
    }

    /// Whether something is given under this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The text under this name. An element that is there and empty is an empty text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The texts under this name, in their order.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).iter().filter_map(|datum| if let Datum::Text(text) = datum { Some(text.as_str()) } else { None })
    }

    /// The whole number of 32 bits under this name.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i32> {
        self.first(name).and_then(|datum| if let Datum::Int(number) = datum { Some(*number) } else { None })
    }

    /// The whole number of 64 bits under this name.
    #[must_use]
    pub fn long(&self, name: &str) -> Option<i64> {
        self.longs(name).next()
    }

    /// The whole numbers of 64 bits under this name, in their order.
    pub fn longs(&self, name: &str) -> impl Iterator<Item = i64> {
        self.all(name).iter().filter_map(|datum| if let Datum::Long(number) = datum { Some(*number) } else { None })
    }

    /// Whether what has this name is true.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.first(name).and_then(|datum| if let Datum::Bool(flag) = datum { Some(*flag) } else { None })
    }

    /// The number under this name.
    #[must_use]
    pub fn double(&self, name: &str) -> Option<f64> {
        self.first(name).and_then(|datum| if let Datum::Double(number) = datum { Some(*number) } else { None })
    }

    /// The bytes under this name.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.first(name).and_then(|datum| if let Datum::Bytes(bytes) = datum { Some(bytes.as_slice()) } else { None })
    }

    /// The objects under this name, in their order.
    pub fn objects(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.all(name).iter().filter_map(|datum| if let Datum::Object(object) = datum { Some(object) } else { None })
    }
}

impl Datum {
    fn of_element(field: &'static Field, element: &Element) -> Result<Self, String> {
        if let Kind::Object(object) = field.kind {
            return Request::of_element(object.fields, element).map(Self::Object);
        }
        if !element.children.is_empty() {
            return Err(format!("Element {} holds elements: expected a value alone", field.name));
        }
        Self::of_text(field, &element.text)
    }

    fn of_text(field: &'static Field, text: &str) -> Result<Self, String> {
        let trimmed = text.trim_matches(is_space);
        let datum = match field.kind {
            Kind::Text => text.chars().all(is_allowed).then(|| Self::Text(text.to_owned())),
            Kind::Int => trimmed.parse().ok().map(Self::Int),
            Kind::Long => trimmed.parse().ok().map(Self::Long),
            Kind::Bool => flag(trimmed).map(Self::Bool),
            Kind::Double => trimmed.parse().ok().map(Self::Double),
            Kind::Bytes => decoded(text).map(Self::Bytes),
            Kind::Object(_) => None,
        };
        datum.ok_or_else(|| format!("Invalid value \"{}\" for element {}", shown(trimmed), field.name))
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Bytes from base64, in however many lines.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|c| !is_space(*c)).collect();
    BASE64.decode(dense).ok()
}
