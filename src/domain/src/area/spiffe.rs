//! Names in certificates: one URI in the subject alternative names, as SPIFFE defines it (SPIFFE-ID 2, X509-SVID 2).
//!
//! ```text
//! spiffe://<trust domain>                                         a root
//! spiffe://<trust domain>/area/<area>                             the authority of an area
//! spiffe://<trust domain>/area/<area>/agent/<device>              an agent
//! spiffe://<trust domain>/area/<area>/agent/<device>/user/<name>  a user of that agent
//! ```

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest trust domain, in bytes (SPIFFE-ID 2.1).
const LONGEST_DOMAIN: usize = 255;
/// The longest name of an area, in bytes: it stands in DNS names too.
pub const LONGEST_AREA: usize = 63;
/// The longest identifier of a device, in bytes: the original's have 128 hexadecimal digits.
pub const LONGEST_DEVICE: usize = 128;
/// The longest URI, in bytes (SPIFFE-ID 2.3).
const LONGEST_URI: usize = 2048;

/// Whom a certificate names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SpiffeId {
    /// The deployment that all names belong to: lower-case letters, digits, `.`, `-`, `_`.
    pub trust_domain: String,
    /// Who it is there.
    pub subject: Subject,
}

/// Who it is in a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The root authority.
    Root,
    /// The authority of an area.
    Area {
        /// Its area.
        area: String,
    },
    /// An agent.
    Agent {
        /// Its area.
        area: String,
        /// Its `deviceID`.
        device: String,
    },
    /// A user of an agent, who may sign in there and nowhere else.
    User {
        /// The agent's area.
        area: String,
        /// The agent's `deviceID`.
        device: String,
        /// The user's name.
        name: String,
    },
}

/// Why a text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpiffeError {
    /// Not of one of the four forms.
    #[error("expected spiffe://DOMAIN, optionally followed by /area/AREA, /agent/DEVICE and /user/NAME")]
    Form,
    /// A trust domain with other characters, empty or too long.
    #[error("a trust domain has 1 to 255 lower-case letters, digits, `.`, `-` and `_`")]
    Domain,
    /// An area with other characters, empty or too long.
    #[error("an area has 1 to 63 lower-case letters, digits and `-`, and begins and ends with a letter or digit")]
    Area,
    /// A device with other characters, empty or too long.
    #[error("a device has 1 to 128 letters, digits, `-` and `_`")]
    Device,
    /// A user name that was not written by us.
    #[error(
        "a user name is written with letters, digits, `.` and `-`, everything else as `_` and two hexadecimal digits"
    )]
    User,
    /// Longer than 2048 bytes.
    #[error("longer than 2048 bytes")]
    Long,
}

/// Whether an area may have this name.
///
/// # Errors
/// [`SpiffeError::Area`].
pub fn check_area(area: &str) -> Result<(), SpiffeError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = (1..=LONGEST_AREA).contains(&area.len())
        && area.bytes().all(plain)
        && !area.starts_with('-')
        && !area.ends_with('-');
    good.then_some(()).ok_or(SpiffeError::Area)
}

/// Whether a device may have this identifier.
///
/// # Errors
/// [`SpiffeError::Device`].
pub fn check_device(device: &str) -> Result<(), SpiffeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let good = (1..=LONGEST_DEVICE).contains(&device.len()) && device.bytes().all(plain);
    good.then_some(()).ok_or(SpiffeError::Device)
}

/// Whether a deployment may have this name.
///
/// # Errors
/// [`SpiffeError::Domain`].
pub fn check_trust_domain(domain: &str) -> Result<(), SpiffeError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let good = (1..=LONGEST_DOMAIN).contains(&domain.len()) && domain.bytes().all(plain);
    good.then_some(()).ok_or(SpiffeError::Domain)
}

impl SpiffeId {
    /// The area, unless it is the root's name.
    #[must_use]
    pub fn area(&self) -> Option<&str> {
        match &self.subject {
            Subject::Root => None,
            Subject::Area { area } | Subject::Agent { area, .. } | Subject::User { area, .. } => Some(area),
        }
    }

    /// The device of an agent or of its user.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match &self.subject {
            Subject::Root | Subject::Area { .. } => None,
            Subject::Agent { device, .. } | Subject::User { device, .. } => Some(device),
        }
    }

    /// The DNS name that an agent's certificate holds besides: a whole `deviceID` is longer than a label may be.
    #[must_use]
    pub fn dns_name(&self) -> Option<String> {
        let device = self.device()?;
        let label: String = device.chars().take(32).map(|c| c.to_ascii_lowercase()).collect();
        let label = label.replace('_', "-");
        Some(format!("{}.agent.mf2c.internal", label.trim_matches('-')))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}", self.trust_domain)?;
        match &self.subject {
            Subject::Root => Ok(()),
            Subject::Area { area } => write!(f, "/area/{area}"),
            Subject::Agent { area, device } => write!(f, "/area/{area}/agent/{device}"),
            Subject::User { area, device, name } => {
                write!(f, "/area/{area}/agent/{device}/user/")?;
                name.bytes().try_for_each(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => f.write_char(char::from(byte)),
                    _ => write!(f, "_{byte:02x}"),
                })
            }
        }
    }
}

/// A segment of a path with what [`fmt::Display`] wrote as `_` and two digits.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => bytes.push(byte),
            b'_' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
            }
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = SpiffeError;

    fn try_from(text: String) -> Result<Self, SpiffeError> {
        text.parse()
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > LONGEST_URI {
            return Err(SpiffeError::Long);
        }
        let rest = text.strip_prefix("spiffe://").ok_or(SpiffeError::Form)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let domain = parts.first().copied().unwrap_or_default();
        check_trust_domain(domain)?;
        let subject = match parts.get(1..).unwrap_or_default() {
            [] => Subject::Root,
            ["area", area, rest @ ..] => {
                check_area(area)?;
                let area = (*area).to_owned();
                match rest {
                    [] => Subject::Area { area },
                    ["agent", device, rest @ ..] => {
                        check_device(device)?;
                        let device = (*device).to_owned();
                        match rest {
                            [] => Subject::Agent { area, device },
                            ["user", name] => {
                                Subject::User { area, device, name: unescape(name).ok_or(SpiffeError::User)? }
                            }
                            _ => return Err(SpiffeError::Form),
                        }
                    }
                    _ => return Err(SpiffeError::Form),
                }
            }
            _ => return Err(SpiffeError::Form),
        };
        let id = Self { trust_domain: domain.to_owned(), subject };
        // One name has one text, so that texts can be compared.
        if id.to_string() == text { Ok(id) } else { Err(SpiffeError::User) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_four_forms_are_read_as_they_are_written() {
        for text in [
            "spiffe://fog.example",
            "spiffe://fog.example/area/harbour",
            "spiffe://fog.example/area/harbour/agent/0a1b",
            "spiffe://fog.example/area/harbour/agent/0a1b/user/jane_40example_2eorg",
        ] {
            assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        }
        let user: SpiffeId = "spiffe://d/area/a/agent/x/user/a_2fb".parse().unwrap();
        assert!(matches!(user.subject, Subject::User { name, .. } if name == "a/b"));
    }

    #[test]
    fn other_texts_are_refused_with_what_is_wrong() {
        for (text, error) in [
            ("https://fog.example/area/a", SpiffeError::Form),
            ("spiffe://", SpiffeError::Domain),
            ("spiffe://Fog/area/a", SpiffeError::Domain),
            ("spiffe://d/", SpiffeError::Form),
            ("spiffe://d/area/", SpiffeError::Area),
            ("spiffe://d/area/-a", SpiffeError::Area),
            ("spiffe://d/area/a/agent/../b", SpiffeError::Device),
            ("spiffe://d/area/a/agent/x/admin/y", SpiffeError::Form),
            ("spiffe://d/area/a/agent/x/user/", SpiffeError::User),
            ("spiffe://d/area/a/agent/x/user/_6Aane", SpiffeError::User),
            ("spiffe://d/area/a/agent/x/user/_6a", SpiffeError::User),
            ("spiffe://d/area/a/agent/x/user/j/y", SpiffeError::Form),
        ] {
            assert_eq!(text.parse::<SpiffeId>(), Err(error), "{text}");
        }
        assert_eq!(format!("spiffe://{}", "a/".repeat(2000)).parse::<SpiffeId>(), Err(SpiffeError::Long));
    }

    #[test]
    fn the_dns_name_of_an_agent_is_one_that_stands_in_a_certificate() {
        let device = "82562229e7978f50ad8097019a6697e3357c54bf700f3d40865cd8b0788ad271".to_owned();
        let id = SpiffeId { trust_domain: "d".into(), subject: Subject::Agent { area: "a".into(), device } };
        assert_eq!(id.dns_name().unwrap(), "82562229e7978f50ad8097019a6697e3.agent.mf2c.internal");
    }

    proptest! {
        #[test]
        fn every_user_name_comes_back(name in "\\PC{1,40}") {
            let subject = Subject::User { area: "a".into(), device: "x".into(), name };
            let id = SpiffeId { trust_domain: "d".into(), subject };
            prop_assert_eq!(id.to_string().parse::<SpiffeId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(spiffe://)?\\PC{0,60}") {
            let _ = text.parse::<SpiffeId>();
        }
    }
}
