//! The beacon of a leader, as the original put it into the vendor element of a Wi-Fi network (IEEE 802.11, 9.4.2.25):
//! `dd`, a length, `ff 22 cc`, then values as type, length, content. Whoever hears one knows nothing for sure: it is a hint.
//!
//! The original's values are 01 to 04. Ours follow them: 05 term (8 bytes), 06 area, 07 TCP port (2), 08 SHA-256 of the root
//! certificate (32), 09 role (1), 0a hybrid time (8), 0b how many seconds it holds (2; 0 is a farewell), and 0c the `deviceID`
//! where it is no hexadecimal number. Numbers begin with the highest byte. Readers pass over what they do not know.
//!
//! The same values go by UDP ([`Beacon::to_datagram`]) and, as text, by DNS-SD ([`dns_sd`]).

pub mod dns_sd;
mod values;

use std::fmt;

use thiserror::Error;

use super::token::hex;
use crate::time::HybridTime;

/// The element's number, for what vendors define.
const VENDOR: u8 = 0xdd;
/// Which vendor: the original's own choice.
const OWNER: [u8; 3] = [0xff, 0x22, 0xcc];
/// The most bytes of values: an element has at most 255.
const MOST: usize = 255 - OWNER.len();
/// How a datagram begins: the vendor, and the version of what follows.
const DATAGRAM: [u8; 4] = [OWNER[0], OWNER[1], OWNER[2], 1];
/// The longest datagram, in bytes: it must never be cut into pieces on its way.
pub const LONGEST_DATAGRAM: usize = 511;

/// What a leader says of itself. What is not said, or not in a way that is known, is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beacon {
    /// The bytes of its `deviceID`.
    pub leader: Option<Vec<u8>>,
    /// What it offers.
    pub service: Option<Service>,
    /// What it pays, in EUR.
    pub reward: Option<u8>,
    /// How much it wants somebody to come: the less loaded a leader is, the more.
    pub urgency: Option<Level>,
    /// The term of leadership that it claims.
    pub term: Option<u64>,
    /// Its area.
    pub area: Option<String>,
    /// The TCP port where it takes links.
    pub port: Option<u16>,
    /// SHA-256 of the root certificate of its area.
    pub root: Option<[u8; 32]>,
    /// What it is in its area.
    pub role: Option<Role>,
    /// When it was said, by the speaker's clock.
    pub said: Option<HybridTime>,
    /// For how many seconds it holds; 0 is a farewell.
    pub holds: Option<u16>,
    /// Its `deviceID`, where that is no hexadecimal number.
    pub name: Option<String>,
}

/// What an agent says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It leads its area.
    Leader,
    /// It may lead it.
    Backup,
    /// A child.
    Agent,
    /// The root of the tree of areas.
    Cloud,
}

/// What a leader offers, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// How much.
    pub level: Level,
    /// Of what.
    pub kind: ServiceKind,
}

/// What a leader offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Disks.
    Storage,
    /// Network.
    Bandwidth,
    /// Processors.
    Processing,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Much.
    High,
    /// Some.
    Medium,
    /// Little.
    Low,
}

/// Why bytes are no beacon, or a beacon has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BeaconError {
    /// Another element, or another vendor's.
    #[error("this is no beacon: expected an element that begins with dd, its length, and ff22cc")]
    Foreign,
    /// Something is longer than what is there.
    #[error("the beacon is cut off: its length says {said} bytes, {there} are there")]
    CutOff {
        /// Bytes that were announced.
        said: usize,
        /// Bytes that are there.
        there: usize,
    },
    /// Too much for one element.
    #[error("the beacon has {0} bytes of values, expected at most {MOST}: shorten the identifier of the leader")]
    TooLong(usize),
}

impl Beacon {
    /// The whole element (vector G3).
    ///
    /// # Errors
    /// [`BeaconError::TooLong`].
    pub fn to_element(&self) -> Result<Vec<u8>, BeaconError> {
        let mut out = vec![VENDOR, 0];
        out.extend(OWNER);
        self.write_values(&mut out)?;
        let length = out.len() - 2;
        let byte = u8::try_from(length).map_err(|_| BeaconError::TooLong(length - OWNER.len()))?;
        if let Some(place) = out.get_mut(1) {
            *place = byte;
        }
        Ok(out)
    }

    /// Reads a whole element; what follows it is not looked at.
    ///
    /// # Errors
    /// [`BeaconError::Foreign`], [`BeaconError::CutOff`].
    pub fn from_element(element: &[u8]) -> Result<Self, BeaconError> {
        let [VENDOR, length, rest @ ..] = element else { return Err(BeaconError::Foreign) };
        let said = usize::from(*length);
        let content = rest.get(..said).ok_or(BeaconError::CutOff { said, there: rest.len() })?;
        Self::from_values(content.strip_prefix(&OWNER).ok_or(BeaconError::Foreign)?)
    }

    /// The whole datagram.
    ///
    /// # Errors
    /// [`BeaconError::TooLong`].
    pub fn to_datagram(&self) -> Result<Vec<u8>, BeaconError> {
        let mut out = DATAGRAM.to_vec();
        self.write_values(&mut out)?;
        if out.len() > LONGEST_DATAGRAM { Err(BeaconError::TooLong(out.len() - DATAGRAM.len())) } else { Ok(out) }
    }

    /// Reads a whole datagram.
    ///
    /// # Errors
    /// [`BeaconError::Foreign`], [`BeaconError::CutOff`], [`BeaconError::TooLong`].
    pub fn from_datagram(datagram: &[u8]) -> Result<Self, BeaconError> {
        let values = datagram.strip_prefix(&DATAGRAM).ok_or(BeaconError::Foreign)?;
        if datagram.len() > LONGEST_DATAGRAM {
            return Err(BeaconError::TooLong(values.len()));
        }
        Self::from_values(values)
    }

    /// The `deviceID` that it names.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        self.name.clone().or_else(|| self.leader.as_deref().filter(|bytes| !bytes.is_empty()).map(hex))
    }

    /// Names a `deviceID`: as bytes where it is a hexadecimal number in lower case, as the original's are.
    #[must_use]
    pub fn of_device(mut self, device: &str) -> Self {
        self.leader = values::bytes_of(device);
        self.name = self.leader.is_none().then(|| device.to_owned());
        self
    }

    /// What the original's scan showed of it, by the names that stood there.
    #[must_use]
    pub fn shown(&self) -> [(&'static str, String); 4] {
        let text = |text: Option<String>| text.unwrap_or_else(|| "Not found".to_owned());
        [
            ("Leader ID", text(self.leader.as_deref().map(hex))),
            ("Service type", text(self.service.map(|service| service.to_string()))),
            ("Reward", text(self.reward.map(|reward| format!("{reward}EUR")))),
            ("Urgency level", text(self.urgency.map(|urgency| urgency.to_string()))),
        ]
    }
}

impl Role {
    const ALL: [Self; 4] = [Self::Leader, Self::Backup, Self::Agent, Self::Cloud];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Backup => "backup",
            Self::Agent => "agent",
            Self::Cloud => "cloud",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    fn number(self) -> u8 {
        match self {
            Self::Leader => 1,
            Self::Backup => 2,
            Self::Agent => 3,
            Self::Cloud => 4,
        }
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.number() == number)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Level {
    fn number(self) -> u8 {
        match self {
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::High, Self::Medium, Self::Low].into_iter().find(|level| level.number() == number)
    }
}

impl Service {
    fn number(self) -> u8 {
        let kind = match self.kind {
            ServiceKind::Storage => 0,
            ServiceKind::Bandwidth => 3,
            ServiceKind::Processing => 6,
        };
        kind + self.level.number()
    }

    fn of(number: u8) -> Option<Self> {
        let kind = match number {
            1..=3 => ServiceKind::Storage,
            4..=6 => ServiceKind::Bandwidth,
            7..=9 => ServiceKind::Processing,
            _ => return None,
        };
        Some(Self { level: Level::of((number - 1) % 3 + 1)?, kind })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.level, format!("{:?}", self.kind).to_lowercase())
    }
}

#[cfg(test)]
mod tests;
