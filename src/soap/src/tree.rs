//! Reads a document of XML into elements, within bounds. Namespaces are told apart as far as they matter.

use quick_xml::Reader;
use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use thiserror::Error;

use crate::{PAYLOAD, SOAP_11, SOAP_12, TARGETS, XSI};

/// The largest document, in bytes.
pub const MOST_BYTES: usize = 10 << 20;
/// How deep elements may stand in each other.
const MOST_DEPTH: usize = 32;
/// The most elements of a document.
const MOST_ELEMENTS: usize = 50_000;
/// The most attributes of one element.
const MOST_ATTRIBUTES: usize = 64;
/// The most prefixes that are bound at a time.
const MOST_PREFIXES: usize = 64;
/// So much of a name or value is shown, in characters.
const SHOWN: usize = 60;

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It is too large.
    #[error("the document is larger than {} MB", MOST_BYTES >> 20)]
    TooLarge,
    /// It is no text.
    #[error("the document is not UTF-8")]
    NotText,
    /// It is in another encoding.
    #[error("the document says that it is `{0}`: expected UTF-8")]
    Encoding(String),
    /// It is no XML.
    #[error("malformed XML: {0}")]
    Malformed(String),
    /// It has a document type, which SOAP forbids.
    #[error("a document type is not allowed")]
    DocumentType,
    /// It refers to what a document type would say.
    #[error("the entity `{0}` is not known: expected one of amp, lt, gt, quot and apos, or a character by its number")]
    Entity(String),
    /// Elements stand in each other too deeply.
    #[error("elements stand deeper in each other than {MOST_DEPTH}")]
    TooDeep,
    /// It has too much of something.
    #[error("there are more than {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
}

/// What a prefix is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Nothing: the name stands alone.
    None,
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
    /// That of the services' elements.
    Payload,
    /// That of `nil`.
    Xsi,
    /// Any other.
    Other,
}

impl Space {
    fn of(uri: &str) -> Self {
        match uri {
            "" => Self::None,
            SOAP_11 => Self::Soap11,
            SOAP_12 => Self::Soap12,
            PAYLOAD => Self::Payload,
            XSI => Self::Xsi,
            other if TARGETS.contains(&other) => Self::Payload,
            _ => Self::Other,
        }
    }
}

/// An element.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) space: Space,
    pub(crate) name: String,
    /// `xsi:nil="true"`
    pub(crate) is_nil: bool,
    /// `mustUnderstand`, of either version.
    pub(crate) must_understand: bool,
    /// All text of it, without that of its children.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Whether there is text that is not only white space.
    pub(crate) fn has_text(&self) -> bool {
        !self.text.chars().all(is_space)
    }
}

/// White space of XML.
pub(crate) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// What XML 1.0 has as a character.
pub(crate) const fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The beginning of what a client sent, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Reads the one element that a document is.
pub(crate) fn read(document: &[u8]) -> Result<Element, Unreadable> {
    if document.len() > MOST_BYTES {
        return Err(Unreadable::TooLarge);
    }
    let text = std::str::from_utf8(document).map_err(|_| Unreadable::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(Unreadable::Malformed(format!("the character U+{:04X} is not allowed", u32::from(c))));
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut growing = Growing::default();
    loop {
        let event = reader.read_event().map_err(|error| malformed(&error))?;
        if !growing.take(event)? {
            return growing.root.ok_or_else(|| Unreadable::Malformed("there is no element".to_owned()));
        }
    }
}

fn malformed(error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable::Malformed(shown(&error.to_string()))
}

/// A document as far as it has been read.
#[derive(Default)]
struct Growing {
    open: Vec<Element>,
    root: Option<Element>,
    /// The prefixes that are bound, with the depth of the element that binds them; the latest counts.
    bound: Vec<(usize, String, Space)>,
    elements: usize,
}

impl Growing {
    /// Takes what comes next; false at the end.
    fn take(&mut self, event: Event<'_>) -> Result<bool, Unreadable> {
        match event {
            Event::Start(start) | Event::Empty(start) => self.start(&start)?,
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text)?,
            Event::CData(text) if self.open.is_empty() => {
                return Err(Unreadable::Malformed(format!("text outside of the element: {}", shown(&text))));
            }
            Event::CData(text) => self.text(&text)?,
            Event::GeneralRef(reference) => self.reference(&reference)?,
            Event::Decl(declaration) => encoding(&declaration)?,
            Event::DocType(_) => return Err(Unreadable::DocumentType),
            // Nobody here follows instructions that come with a document.
            Event::PI(_) | Event::Comment(_) => {}
            Event::Eof if self.open.is_empty() => return Ok(false),
            Event::Eof => return Err(Unreadable::Malformed("the document ends within an element".to_owned())),
        }
        Ok(true)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Unreadable> {
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(Unreadable::TooMany { what: "elements", most: MOST_ELEMENTS });
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(Unreadable::TooDeep);
        }
        if self.root.is_some() {
            return Err(Unreadable::Malformed("there is a second element beside the first".to_owned()));
        }
        let others = self.bind(start)?;
        let name = start.name();
        let (prefix, name) = split(name.as_ref())?;
        let mut element = Element {
            space: self.space(prefix)?,
            name: name.to_owned(),
            is_nil: false,
            must_understand: false,
            text: String::new(),
            children: Vec::new(),
        };
        for (name, value) in others {
            // Attributes without a prefix are in no namespace.
            let Some((prefix, local)) = name.split_once(':') else { continue };
            let is_true = matches!(value.trim_matches(is_space), "true" | "1");
            match (self.space(prefix)?, local) {
                (Space::Xsi, "nil") => element.is_nil = is_true,
                (Space::Soap11 | Space::Soap12, "mustUnderstand") => element.must_understand = is_true,
                _ => {}
            }
        }
        self.open.push(element);
        Ok(())
    }

    /// Binds the prefixes that an element names, and gives its other attributes.
    fn bind(&mut self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, Unreadable> {
        let depth = self.open.len();
        let mut others = Vec::new();
        for (count, attribute) in start.attributes().enumerate() {
            if count >= MOST_ATTRIBUTES {
                return Err(Unreadable::TooMany { what: "attributes of one element", most: MOST_ATTRIBUTES });
            }
            let attribute = attribute.map_err(|error| malformed(&error))?;
            let name: &str = attribute.key.as_ref();
            let raw: &str = &attribute.value;
            if raw.contains('<') {
                return Err(Unreadable::Malformed("`<` within the value of an attribute".to_owned()));
            }
            let value = unescape(raw).map_err(|_| Unreadable::Entity(shown(raw)))?.into_owned();
            if !value.chars().all(is_allowed) {
                return Err(Unreadable::Malformed("a character that is not allowed".to_owned()));
            }
            let prefix = if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") };
            let Some(prefix) = prefix else {
                others.push((name.to_owned(), value));
                continue;
            };
            if self.bound.len() >= MOST_PREFIXES {
                return Err(Unreadable::TooMany { what: "prefixes at a time", most: MOST_PREFIXES });
            }
            self.bound.push((depth, prefix.to_owned(), Space::of(&value)));
        }
        Ok(others)
    }

    fn space(&self, prefix: &str) -> Result<Space, Unreadable> {
        let bound = self.bound.iter().rev().find(|(_, name, _)| name == prefix).map(|(_, _, space)| *space);
        match (bound, prefix) {
            (Some(space), _) => Ok(space),
            (None, "") => Ok(Space::None),
            (None, "xml") => Ok(Space::Other),
            (None, _) => Err(Unreadable::Malformed(format!("the prefix `{}` is not bound", shown(prefix)))),
        }
    }

    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        let depth = self.open.len();
        self.bound.retain(|(at, _, _)| *at < depth);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        match self.open.last_mut() {
            // However lines end, they end alike for whoever reads them (XML 1.0, 2.11).
            Some(element) if text.contains('\r') => {
                element.text.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
            }
            Some(element) => element.text.push_str(text),
            None if text.chars().all(is_space) => {}
            None => return Err(Unreadable::Malformed(format!("text outside of the element: {}", shown(text)))),
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Unreadable> {
        let name: &str = reference;
        let unknown = || Unreadable::Entity(shown(name));
        let element = self.open.last_mut().ok_or_else(unknown)?;
        match reference.resolve_char_ref().map_err(|_| unknown())? {
            Some(c) if is_allowed(c) => element.text.push(c),
            Some(_) => return Err(unknown()),
            None => element.text.push_str(resolve_xml_entity(name).ok_or_else(unknown)?),
        }
        Ok(())
    }
}

/// A name and its prefix, which is empty where there is none.
fn split(name: &str) -> Result<(&str, &str), Unreadable> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let bad = local.is_empty() || local.contains(':') || (prefix.is_empty() && name.starts_with(':'));
    if bad { Err(Unreadable::Malformed(format!("`{}` is no name", shown(name)))) } else { Ok((prefix, local)) }
}

fn encoding(declaration: &BytesDecl<'_>) -> Result<(), Unreadable> {
    let Some(Ok(encoding)) = declaration.encoding() else { return Ok(()) };
    let known = ["utf-8", "utf8", "us-ascii"].iter().any(|known| encoding.eq_ignore_ascii_case(known));
    if known { Ok(()) } else { Err(Unreadable::Encoding(shown(&encoding))) }
}
