//! The words on a link between two agents.

mod error;
mod message;

pub use error::{Code, WireError};
pub use message::{
    Answer, Ask, AuthorityTrust, Bytes, Enrolled, Hello, Message, Notice, PROTOCOL_VERSION, Proof, TrustNews,
};
