//! What was heard of an agent nearby. Nothing of it is proved.

use crate::time::Timestamp;

/// One agent that says it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its `deviceID`, in lower-case hexadecimal or as it says.
    pub device: String,
    /// Its area, if it says one.
    pub area: Option<String>,
    /// `leader`, `backup`, `agent` or `cloud`, if it says.
    pub role: Option<String>,
    /// The term of leadership that it claims.
    pub term: u64,
    /// Where it takes links, as `host:port`.
    pub address: Option<String>,
    /// SHA-256 of its root certificate, if it says.
    pub root: Option<[u8; 32]>,
    /// By which way it was heard: `mdns`, `beacon`, `list` or `wifi`.
    pub by: &'static str,
    /// When it was heard last.
    pub heard: Timestamp,
}
