//! The words on a link between two agents.

mod codec;
mod error;
pub mod hello;
mod later;
mod message;

pub use codec::{Decoder, PREFIX, decode, encode, encode_notice};
pub use error::{Code, WireError};
pub use message::{
    Answer, Ask, AuthorityTrust, Bytes, Enrolled, Hello, Message, Notice, PROTOCOL_VERSION, Proof, Proposed,
    RoleChange, Succession, TrustNews, Work,
};
