//! SOAP as far as the services of a testbed need it: document/literal wrapped, versions 1.1 and 1.2, and the bare form that
//! Axis2 has besides.
//!
//! A service is a table ([`Service`]): its operations, what they take and what they give. From it follow how a request is read
//! ([`Envelope`], [`Request`]), how a reply is written ([`Form::reply`]), and the description that clients load
//! ([`Service::wsdl`]).

mod envelope;
mod reply;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod wsdl;

pub use envelope::{Envelope, Form, Refusal, Side, Version};
pub use reply::Detail;
pub use request::Request;
pub use table::{Field, Gives, Kind, ObjectType, Operation, Service};
pub use tree::{MOST_BYTES, Unreadable};
pub use value::Value;

/// The namespace of SOAP 1.1.
pub const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The namespace of SOAP 1.2.
pub const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// The namespace of `nil` and `type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of all elements and types of the services.
pub const PAYLOAD: &str = "http://api.testbed.deterlab.net/xsd";
/// The target namespaces of the descriptions, which some clients take for that of the elements. The first has its slash in the
/// wrong place in the original too.
pub const TARGETS: [&str; 2] = ["http://api.testbed.deterlab/net/", "http://api.testbed.deterlab.net/"];
