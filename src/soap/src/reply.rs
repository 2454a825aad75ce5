//! Writes replies and faults, as like as can be to those that were recorded of the original.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::envelope::{Form, Side, Version};
use crate::table::Operation;
use crate::tree::is_allowed;
use crate::value::Value;
use crate::{PAYLOAD, SOAP_11, SOAP_12, XSI};

/// The first line of every document.
pub(crate) const PROLOGUE: &str = "<?xml version='1.0' encoding='UTF-8'?>\n";
/// What the services say for a reason, whatever it is.
const REASON: &str = "unknown";

/// What a service says of a request that it refuses.
#[derive(Debug, Clone)]
pub struct Detail<'d> {
    /// The service: `Users`.
    pub service: &'d str,
    /// The number of the error.
    pub code: i32,
    /// What the number says.
    pub message: &'d str,
    /// What was wrong.
    pub text: &'d str,
}

impl Form {
    /// The reply of an operation.
    #[must_use]
    pub fn reply(self, operation: &Operation, value: &Value) -> String {
        let mut out = String::with_capacity(512 + value.weight());
        out.push_str(PROLOGUE);
        self.enclosed(&mut out, |out| {
            let name = operation.name;
            out.push_str(&format!("<ns:{name}Response xmlns:ns=\"{PAYLOAD}\">"));
            write(out, "return", value, true);
            out.push_str(&format!("</ns:{name}Response>"));
        });
        out
    }

    /// A fault of a request that could not be read, or that the service refuses.
    #[must_use]
    pub fn fault(self, side: Side, reason: Option<&str>, detail: Option<&Detail<'_>>) -> String {
        let mut out = String::with_capacity(1024);
        out.push_str(PROLOGUE);
        let (code, reason) = (self.code(side), escaped(reason.unwrap_or(REASON)));
        self.enclosed(&mut out, |out| match self {
            Self::Soap(Version::V11) => {
                out.push_str("<soapenv:Fault>");
                out.push_str(&format!(
                    "<faultcode>soapenv:{code}</faultcode><faultstring>{reason}</faultstring><detail>"
                ));
                out.push_str(&detail.map(described).unwrap_or_default());
                out.push_str("</detail></soapenv:Fault>");
            }
            Self::Soap(Version::V12) | Self::Bare => {
                // A bare fault stands alone, and so brings its prefix itself.
                let bound = if self == Self::Bare { format!(" xmlns:soapenv=\"{SOAP_12}\"") } else { String::new() };
                out.push_str(&format!("<soapenv:Fault{bound}>"));
                out.push_str(&format!("<soapenv:Code><soapenv:Value>soapenv:{code}</soapenv:Value></soapenv:Code>"));
                let text = format!("<soapenv:Text xml:lang=\"en-US\">{reason}</soapenv:Text>");
                out.push_str(&format!("<soapenv:Reason>{text}</soapenv:Reason><soapenv:Detail>"));
                out.push_str(&detail.map(described).unwrap_or_default());
                out.push_str("</soapenv:Detail></soapenv:Fault>");
            }
        });
        out
    }

    /// The media type of an answer, with the action that it is.
    #[must_use]
    pub fn media(self, action: &str) -> String {
        match self {
            Self::Soap(Version::V11) => "text/xml;charset=UTF-8".to_owned(),
            Self::Soap(Version::V12) => format!("application/soap+xml; action=\"urn:{action}\";charset=UTF-8"),
            Self::Bare => "application/xml;charset=UTF-8".to_owned(),
        }
    }

    fn code(self, side: Side) -> &'static str {
        let old = self == Self::Soap(Version::V11);
        match side {
            Side::Sender if old => "Client",
            Side::Receiver if old => "Server",
            Side::Sender => "Sender",
            Side::Receiver => "Receiver",
            Side::VersionMismatch => "VersionMismatch",
            Side::MustUnderstand => "MustUnderstand",
        }
    }

    fn enclosed(self, out: &mut String, content: impl FnOnce(&mut String)) {
        let space = match self {
            Self::Bare => return content(out),
            Self::Soap(Version::V11) => SOAP_11,
            Self::Soap(Version::V12) => SOAP_12,
        };
        out.push_str(&format!("<soapenv:Envelope xmlns:soapenv=\"{space}\"><soapenv:Body>"));
        content(out);
        out.push_str("</soapenv:Body></soapenv:Envelope>");
    }
}

fn described(detail: &Detail<'_>) -> String {
    let Detail { service, code, message, text } = detail;
    format!(
        "<ns:{service}DeterFault xmlns:ns=\"{PAYLOAD}\"><DeterFault xmlns=\"{PAYLOAD}\" xmlns:xsi=\"{XSI}\" \
         xsi:type=\"ns:DeterFault\"><ns:detailMessage>{}</ns:detailMessage><ns:errorCode>{code}</ns:errorCode>\
         <ns:errorMessage>{}</ns:errorMessage></DeterFault></ns:{service}DeterFault>",
        escaped(text),
        escaped(message),
    )
}

/// Writes an element. The outermost brings the prefix of what its content says of itself.
fn write(out: &mut String, name: &str, value: &Value, outermost: bool) {
    let bound = if outermost { format!(" xmlns:xsi=\"{XSI}\"") } else { String::new() };
    match value {
        Value::List(values) => values.iter().for_each(|value| write(out, name, value, outermost)),
        Value::Nil => out.push_str(&format!("<ns:{name}{bound} xsi:nil=\"true\"/>")),
        Value::Object(object, members) => {
            out.push_str(&format!("<ns:{name}{bound} xsi:type=\"ns:{}\">", object.name));
            for field in object.ordered() {
                let given = members.iter().find(|(member, _)| *member == field.name);
                if let Some((_, value)) = given {
                    write(out, field.name, value, false);
                }
            }
            out.push_str(&format!("</ns:{name}>"));
        }
        scalar => out.push_str(&format!("<ns:{name}>{}</ns:{name}>", printed(scalar))),
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::Text(text) => escaped(text),
        Value::Int(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Double(number) if number.is_nan() => "NaN".to_owned(),
        Value::Double(number) if number.is_infinite() => if *number > 0.0 { "INF" } else { "-INF" }.to_owned(),
        Value::Double(number) => number.to_string(),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::Nil | Value::Object(..) | Value::List(_) => String::new(),
    }
}

/// A text as it stands in an element or an attribute. What XML has no character for becomes U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            c if is_allowed(c) => out.push(c),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}
