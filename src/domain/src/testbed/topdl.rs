//! Topologies in topdl, as far as they matter here: computers with attributes and interfaces, and the substrates that connect
//! them. They come from strangers: size, depth and counts are bounded, document types and entities are refused.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::Event;

use super::names;

/// The largest topology, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// How deep it may nest.
const MAX_DEPTH: usize = 32;
/// The most XML elements in it.
const MAX_NODES: usize = 20_000;
/// The most computers in it.
pub const MAX_COMPUTERS: usize = 64;
/// The most substrates.
const MAX_SUBSTRATES: usize = 256;
/// The most interfaces, and the most attributes, of one computer.
const MAX_PARTS: usize = 64;
/// The longest value of an attribute, in bytes.
const MAX_VALUE: usize = 4096;

/// Why a text is no topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopdlError {
    /// Too much of something.
    #[error("{what}: at most {most} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// It has a document type, or an entity that is not one of XML's own.
    #[error("document types and entities are not accepted")]
    Entity,
    /// It is no XML.
    #[error("it is no well-formed XML at byte {at}")]
    Malformed {
        /// Where.
        at: u64,
    },
    /// It is XML and says something else.
    #[error("{0}")]
    Senseless(String),
}

/// What a topology says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Its computers, in their order.
    pub computers: Vec<Computer>,
    /// The names of what connects them.
    pub substrates: Vec<String>,
}

/// A computer that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Computer {
    /// What it is called within the experiment.
    pub name: String,
    /// What is wanted of it.
    pub attributes: BTreeMap<String, String>,
    /// The substrates that it is connected to, in the order of its interfaces.
    pub substrates: Vec<String>,
}

/// Reads a topology. Namespaces and what is unknown are passed over.
///
/// # Errors
/// [`TopdlError`].
pub fn read(bytes: &[u8]) -> Result<Layout, TopdlError> {
    if bytes.len() > MAX_BYTES {
        return Err(TopdlError::TooMany { what: "bytes", most: MAX_BYTES });
    }
    let root = tree(bytes)?;
    if !["experiment", "topology"].contains(&root.name.as_str()) {
        return Err(TopdlError::Senseless("the root is neither <experiment> nor <topology>".to_owned()));
    }
    let mut layout = Layout::default();
    for substrate in root.all("substrates").chain(root.all("substrate")) {
        layout.substrates.push(named("substrate", substrate)?);
    }
    for group in root.all("elements").chain(root.all("element")) {
        for computer in group.all("computer") {
            layout.computers.push(self::computer(computer)?);
            bounded("computers", layout.computers.len(), MAX_COMPUTERS)?;
        }
    }
    bounded("substrates", layout.substrates.len(), MAX_SUBSTRATES)?;
    check(&layout)?;
    Ok(layout)
}

fn bounded(what: &'static str, count: usize, most: usize) -> Result<(), TopdlError> {
    if count > most { Err(TopdlError::TooMany { what, most }) } else { Ok(()) }
}

/// Names are said once, and interfaces lead to substrates that are there.
fn check(layout: &Layout) -> Result<(), TopdlError> {
    let mut seen = BTreeSet::new();
    let all = layout.computers.iter().map(|computer| &computer.name).chain(&layout.substrates);
    if let Some(twice) = all.into_iter().find(|name| !seen.insert(name.as_str())) {
        return Err(TopdlError::Senseless(format!("`{twice}` is there twice")));
    }
    for computer in &layout.computers {
        if let Some(missing) = computer.substrates.iter().find(|name| !layout.substrates.contains(name)) {
            let text = format!("an interface of `{}` leads to no substrate: `{missing}`", computer.name);
            return Err(TopdlError::Senseless(text));
        }
    }
    Ok(())
}

fn named(what: &str, node: &Node) -> Result<String, TopdlError> {
    let name = node.all("name").next().map(|name| name.text.trim()).unwrap_or_default();
    if names::is_name(name) {
        return Ok(name.to_owned());
    }
    let shown: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    let text = format!("`{shown}` names no {what}: expected letters, digits, `.`, `_` and `-`");
    Err(TopdlError::Senseless(text))
}

fn computer(node: &Node) -> Result<Computer, TopdlError> {
    let mut computer = Computer { name: named("computer", node)?, ..Computer::default() };
    for attribute in node.all("attribute") {
        let text = |name: &str| attribute.all(name).next().map(|value| value.text.trim()).unwrap_or_default();
        let (name, value) = (text("attribute"), text("value"));
        if !names::is_long_name(name) || value.len() > MAX_VALUE || value.contains('\0') {
            let text = format!("an attribute of `{}` has no name, or too long a value", computer.name);
            return Err(TopdlError::Senseless(text));
        }
        let before = computer.attributes.insert(name.to_owned(), value.to_owned());
        if before.is_some() {
            return Err(TopdlError::Senseless(format!("`{}` has the attribute `{name}` twice", computer.name)));
        }
    }
    for interface in node.all("interface") {
        let substrates = interface.all("substrate").map(|substrate| substrate.text.trim().to_owned());
        computer.substrates.extend(substrates);
    }
    bounded("attributes of a computer", computer.attributes.len(), MAX_PARTS)?;
    bounded("interfaces of a computer", computer.substrates.len(), MAX_PARTS)?;
    Ok(computer)
}

/// An XML element: what of it is not text or elements is passed over.
#[derive(Default)]
struct Node {
    name: String,
    text: String,
    inside: Vec<Node>,
}

impl Node {
    fn all<'n>(&'n self, name: &str) -> impl Iterator<Item = &'n Node> + use<'n> {
        let name = name.to_owned();
        self.inside.iter().filter(move |node| node.name == name)
    }
}

/// Reads XML into a bounded tree, without recursion.
fn tree(bytes: &[u8]) -> Result<Node, TopdlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| TopdlError::Malformed { at: error.valid_up_to() as u64 })?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let (mut root, mut count) = (None, 0_usize);
    loop {
        let at = reader.buffer_position();
        let malformed = || TopdlError::Malformed { at };
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) => {
                open.push(node(start.local_name().as_ref(), &mut count, open.len(), root.is_some(), at)?);
            }
            Event::Empty(start) => {
                let node = node(start.local_name().as_ref(), &mut count, open.len(), root.is_some(), at)?;
                close(node, &mut open, &mut root);
            }
            Event::End(_) => close(open.pop().ok_or_else(malformed)?, &mut open, &mut root),
            Event::Text(text) => said(&text, &mut open, at)?,
            Event::CData(text) => said(&text, &mut open, at)?,
            Event::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref().map_err(|_| malformed())? {
                    Some(character) => character,
                    None => predefined(&entity)?,
                };
                said(resolved.encode_utf8(&mut [0; 4]), &mut open, at)?;
            }
            Event::DocType(_) => return Err(TopdlError::Entity),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return root.filter(|_| open.is_empty()).ok_or_else(malformed),
        }
    }
}

fn predefined(name: &str) -> Result<char, TopdlError> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(TopdlError::Entity),
    }
}

fn node(name: &str, count: &mut usize, depth: usize, is_second: bool, at: u64) -> Result<Node, TopdlError> {
    *count += 1;
    bounded("XML elements", *count, MAX_NODES)?;
    bounded("levels of XML elements", depth + 1, MAX_DEPTH)?;
    if depth == 0 && is_second {
        return Err(TopdlError::Malformed { at });
    }
    Ok(Node { name: name.to_owned(), ..Node::default() })
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(above) => above.inside.push(node),
        None => *root = Some(node),
    }
}

fn said(text: &str, open: &mut [Node], at: u64) -> Result<(), TopdlError> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{feff}').is_empty() => {}
        None => return Err(TopdlError::Malformed { at }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <t:experiment xmlns:t="http://www.isi.edu/topdl"><version>1.0</version>
          <t:substrates><name>lan0</name><capacity><rate>100.0</rate><kind>max</kind></capacity></t:substrates>
          <elements><computer><name>a</name><os><name>linux</name></os>
            <interface><substrate>lan0</substrate><name>eth0</name></interface>
            <attribute><attribute>image</attribute><value>nginx:alpine</value></attribute>
            <attribute><attribute>note</attribute><value>a &lt;b&gt; &#38; <![CDATA[<c>]]></value></attribute>
          </computer></elements>
          <elements><computer><name>b</name>
            <interface><substrate>lan0</substrate></interface>
            <attribute><attribute>exec</attribute><value>/bin/sleep 600</value></attribute></computer></elements>
        </t:experiment>"#;

    #[test]
    fn computers_have_attributes_and_are_connected_by_substrates() {
        let layout = read(TWO.as_bytes()).unwrap();
        assert_eq!(layout.substrates, ["lan0"]);
        let [a, b] = &layout.computers[..] else { panic!("two computers") };
        assert_eq!((a.name.as_str(), a.attributes["image"].as_str()), ("a", "nginx:alpine"));
        assert_eq!((a.attributes["note"].as_str(), &a.substrates[..]), ("a <b> & <c>", &["lan0".to_owned()][..]));
        assert_eq!((b.name.as_str(), b.attributes["exec"].as_str()), ("b", "/bin/sleep 600"));
        assert_eq!(read(b"<topology/>").unwrap(), Layout::default());
    }

    fn with(inside: &str) -> Result<Layout, TopdlError> {
        read(format!("<experiment>{inside}</experiment>").as_bytes())
    }

    #[test]
    fn bombs_depth_and_entities_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xx\">]><experiment>&x;</experiment>";
        assert_eq!(read(bomb.as_bytes()), Err(TopdlError::Entity));
        assert_eq!(with("&x;"), Err(TopdlError::Entity));
        let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
        assert!(matches!(with(&deep), Err(TopdlError::TooMany { most: MAX_DEPTH, .. })));
        assert!(matches!(with(&"<a/>".repeat(MAX_NODES)), Err(TopdlError::TooMany { most: MAX_NODES, .. })));
        let long = " ".repeat(MAX_BYTES);
        assert!(matches!(with(&long), Err(TopdlError::TooMany { most: MAX_BYTES, .. })));
        let computers: String =
            (0..=MAX_COMPUTERS).map(|n| format!("<computer><name>c{n}</name></computer>")).collect();
        let many = format!("<elements>{computers}</elements>");
        assert!(matches!(with(&many), Err(TopdlError::TooMany { most: MAX_COMPUTERS, .. })));
    }

    #[test]
    fn names_are_plain_and_said_once_and_interfaces_lead_somewhere() {
        let computer = |name: &str| with(&format!("<elements><computer><name>{name}</name></computer></elements>"));
        for bad in ["&lt;script&gt;", "", "../a", "a b"] {
            assert!(matches!(computer(bad), Err(TopdlError::Senseless(_))), "{bad}");
        }
        for bad in [
            "<substrates><name>a</name></substrates><elements><computer><name>a</name></computer></elements>",
            "<elements><computer><name>a</name><interface><substrate>s</substrate></interface></computer></elements>",
            "<elements><computer><name>a</name><attribute><value>1</value></attribute></computer></elements>",
        ] {
            assert!(matches!(with(bad), Err(TopdlError::Senseless(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_xml_is_said_to_be_none() {
        for bad in ["", "x", "<experiment>", "<experiment></a>", "<experiment/><experiment/>", "<a", "<experiment/>x"] {
            assert!(matches!(read(bad.as_bytes()), Err(TopdlError::Malformed { .. })), "{bad}");
        }
        assert!(read(b"\xff<experiment/>").is_err() && read(b"<html/>").is_err());
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), tags in "(<[a-c]>|</[a-c]>|&amp;|x){0,40}") {
            let _ = read(&bytes);
            let _ = with(&tags);
        }
    }
}
