//! Takes envelopes apart: the version follows the envelope's namespace, whatever the address and the media type say.

use crate::request::Request;
use crate::table::Operation;
use crate::tree::{Element, Space, Unreadable, read, shown};
use crate::{PAYLOAD, SOAP_11, SOAP_12};

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.1
    V11,
    /// 1.2
    V12,
}

/// How a request came, and so how its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In an envelope.
    Soap(Version),
    /// Without one, or in the query of an address.
    Bare,
}

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who sent the request: it cannot be read.
    Sender,
    /// Who received it. The services say so of whatever they refuse, also for what the sender did wrong.
    Receiver,
    /// The envelope is of no version that is known.
    VersionMismatch,
    /// A header must be understood and is not.
    MustUnderstand,
}

/// Why a request was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How the answer goes.
    pub form: Form,
    /// Who is at fault.
    pub side: Side,
    /// What is wrong.
    pub reason: String,
}

/// A request that has been taken out of its envelope.
#[derive(Debug)]
pub struct Envelope {
    form: Form,
    payload: Element,
}

impl Envelope {
    /// Reads a body. `said` is what its media type says: it decides how a refusal goes where the envelope does not, and whether
    /// there may be none.
    ///
    /// # Errors
    /// [`Refusal`] where it is no XML, too much of it, or no envelope with one element.
    pub fn read(body: &[u8], said: Form) -> Result<Self, Refusal> {
        let refuse = |form: Form, side: Side, reason: String| Refusal { form, side, reason };
        let root = read(body).map_err(|error: Unreadable| refuse(said, Side::Sender, error.to_string()))?;
        let form = match (root.name.as_str(), root.space) {
            ("Envelope", Space::Soap11) => Form::Soap(Version::V11),
            ("Envelope", Space::Soap12) => Form::Soap(Version::V12),
            ("Envelope", _) => {
                let text = format!("the envelope is of no version that is known: expected {SOAP_12} or {SOAP_11}");
                return Err(refuse(said, Side::VersionMismatch, text));
            }
            _ if said == Form::Bare => Form::Bare,
            (other, _) => {
                let text = format!("the document is `{}`: expected an Envelope of SOAP", shown(other));
                return Err(refuse(said, Side::Sender, text));
            }
        };
        let payload = match form {
            Form::Bare => Ok(root),
            Form::Soap(_) => unwrapped(root),
        };
        let payload = payload.and_then(|payload| is_ours(&payload).map(|()| payload));
        let payload = payload.map_err(|(side, reason)| refuse(form, side, reason))?;
        Ok(Self { form, payload })
    }

    /// How it came.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The name of the operation that it asks for.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.payload.name
    }

    /// What the operation is given.
    ///
    /// # Errors
    /// [`Refusal`] where a value is none of its kind, or is there twice.
    pub fn request(&self, operation: &'static Operation) -> Result<Request, Refusal> {
        let form = self.form;
        let read = Request::of_element(operation.takes, &self.payload);
        read.map_err(|reason| Refusal { form, side: Side::Sender, reason })
    }
}

type Wrong = (Side, String);

fn sender(text: impl Into<String>) -> Wrong {
    (Side::Sender, text.into())
}

/// The one element in the body of an envelope.
fn unwrapped(envelope: Element) -> Result<Element, Wrong> {
    let space = envelope.space;
    let (mut header, mut body) = (None, None);
    for child in envelope.children {
        let place = match child.name.as_str() {
            "Header" if child.space == space && body.is_none() => &mut header,
            "Body" if child.space == space => &mut body,
            other => return Err(sender(format!("`{}` does not belong into an envelope here", shown(other)))),
        };
        if place.is_some() {
            return Err(sender(format!("the envelope has two elements `{}`", child.name)));
        }
        *place = Some(child);
    }
    let urgent = header.iter().flat_map(|header| &header.children).find(|entry| entry.must_understand);
    if let Some(entry) = urgent {
        return Err((Side::MustUnderstand, format!("the header `{}` is not understood here", shown(&entry.name))));
    }
    let mut body = body.ok_or_else(|| sender("the envelope has no Body"))?;
    let payload = body.children.pop().ok_or_else(|| sender("the Body is empty: expected an operation"))?;
    if body.children.is_empty() { Ok(payload) } else { Err(sender("the Body has several elements: expected one")) }
}

/// Some clients leave out the namespace.
fn is_ours(payload: &Element) -> Result<(), Wrong> {
    if matches!(payload.space, Space::Payload | Space::None) {
        return Ok(());
    }
    Err(sender(format!("`{}` is of another namespace: expected {PAYLOAD}", shown(&payload.name))))
}
