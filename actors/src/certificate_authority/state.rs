//! What an authority keeps besides keys and certificates: `ca/authority.json`. It is written last in every change, so that
//! it decides which change has happened.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mf2c_domain::time::Timestamp;
use mf2c_fabric::wire::{AuthorityTrust, Bytes};
use mf2c_pki::area::Trust;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::AuthorityError;
use super::heritage::Heritage;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    /// The `deviceID` of this agent, which leads the area.
    pub(super) device: String,
    /// Domains below which members may have host names, where the root is here.
    #[serde(default)]
    pub(super) domains: Vec<String>,
    /// Grows with every change of the roots.
    pub(super) sequence: u64,
    /// The number of the newest revocation lists.
    pub(super) list_number: u64,
    /// SHA-256 of the root whose key is here, in hexadecimal; none where the root is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<String>,
    /// Since when two roots are believed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changing_since: Option<u64>,
    /// The roots in DER, where their keys are elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) upper_roots: Vec<Base64>,
    /// The lists of the authorities above, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) upper_lists: Vec<Base64>,
    /// Whether the keys are only kept here, for another agent that leads the area.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) kept: bool,
    /// The term of leadership in which the keys were handed over last.
    #[serde(default)]
    pub(super) term: u64,
    /// What earlier leaders have left.
    #[serde(default, skip_serializing_if = "Heritage::is_empty")]
    pub(super) heritage: Heritage,
}

impl State {
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// The same without line breaks, for a successor.
    pub(super) fn to_wire(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The same below these roots. Of the lists, those of the roots count: the others are for who is in those areas.
    pub(super) fn below(self, upper: &AuthorityTrust, now: Timestamp) -> Result<Self, AuthorityError> {
        let plain = |bytes: &[Bytes]| bytes.iter().map(|bytes| bytes.0.clone()).collect();
        let believed = Trust::new(upper.sequence, plain(&upper.roots), Vec::new(), plain(&upper.lists), now);
        let (believed, _) = believed.map_err(|error| AuthorityError::Refused(error.to_string()))?;
        Ok(Self {
            sequence: upper.sequence,
            upper_roots: upper.roots.iter().map(|root| Base64(root.0.clone())).collect(),
            upper_lists: believed.lists().into_iter().map(Base64).collect(),
            ..self
        })
    }

    pub(super) fn changing_since(&self) -> Option<Timestamp> {
        self.changing_since.map(|millis| Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)))
    }
}

/// Bytes that stand in JSON as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl From<&Base64> for Bytes {
    fn from(bytes: &Base64) -> Self {
        Self(bytes.0.clone())
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let state = State {
            device: "d1".into(),
            sequence: 3,
            list_number: 7,
            changing_since: Some(5),
            upper_roots: vec![Base64(vec![0, 255, 7])],
            ..State::default()
        };
        assert_eq!(State::read(&state.write()), Ok(state));
        assert!(State::read(b"{}").is_err() && State::read(b"").is_err());
    }
}
