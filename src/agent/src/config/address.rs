//! Addresses to listen on, and values that may be left empty.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An address and a port to listen on: `127.0.0.1:8443`, `[::1]:8443`. Port 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(pub SocketAddr);

/// A text that is no address and port.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an address and a port; write for example `{example}`")]
pub struct AddressError {
    text: String,
    example: String,
}

impl ListenAddress {
    /// Whether only programs on this machine can reach it.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }

    /// Whether both cannot be listened on at once.
    #[must_use]
    pub fn collides(self, other: Self) -> bool {
        let (mine, theirs) = (self.0.ip(), other.0.ip());
        let everywhere = |ip: IpAddr| ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let overlap = mine == theirs
            || (mine.is_ipv4() == theirs.is_ipv4() && (mine.is_unspecified() || theirs.is_unspecified()))
            || everywhere(mine)
            || everywhere(theirs);
        self.0.port() != 0 && self.0.port() == other.0.port() && overlap
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wanted = text.trim();
        wanted.parse().map(Self).map_err(|_| AddressError {
            text: wanted.chars().take(60).collect(),
            example: meant(wanted).unwrap_or_else(|| "127.0.0.1:8443".into()),
        })
    }
}

/// The address that the usual shorthands stand for.
fn meant(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, 8443).to_string());
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    matches!(host, "" | "localhost" | "*").then(|| match host {
        "*" => format!("0.0.0.0:{port}"),
        _ => format!("127.0.0.1:{port}"),
    })
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

/// Reads and writes an `Option` as text where empty means none: TOML has no null.
pub(super) mod empty_is_none {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::{Serialize, Serializer};

    pub(in crate::config) fn serialize<T, S>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        match value {
            Some(value) => value.serialize(to),
            None => to.serialize_str(""),
        }
    }

    pub(in crate::config) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: TryFrom<String>,
        T::Error: std::fmt::Display,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        if text.trim().is_empty() { Ok(None) } else { T::try_from(text).map(Some).map_err(D::Error::custom) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ListenAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_needs_a_port_and_a_refusal_shows_what_was_meant() {
        assert_eq!(address(" [::1]:0 ").to_string(), "[::1]:0");
        let cases = [
            ("8443", "`8443` is not an address and a port; write for example `127.0.0.1:8443`"),
            (":9000", "`:9000` is not an address and a port; write for example `127.0.0.1:9000`"),
            ("*:9000", "`*:9000` is not an address and a port; write for example `0.0.0.0:9000`"),
            ("localhost:80", "`localhost:80` is not an address and a port; write for example `127.0.0.1:80`"),
            ("::1", "`::1` is not an address and a port; write for example `[::1]:8443`"),
            ("0.0.0.0", "`0.0.0.0` is not an address and a port; write for example `0.0.0.0:8443`"),
            ("1.2.3.4:99999", "`1.2.3.4:99999` is not an address and a port; write for example `127.0.0.1:8443`"),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<ListenAddress>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_same_port_collides_unless_the_addresses_differ_or_the_system_chooses() {
        let collides = |a, b| address(a).collides(address(b));
        assert!(collides("127.0.0.1:80", "127.0.0.1:80"));
        assert!(collides("0.0.0.0:80", "127.0.0.1:80"));
        assert!(collides("[::]:80", "127.0.0.1:80"));
        assert!(!collides("0.0.0.0:80", "[::1]:80"));
        assert!(!collides("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!collides("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collides("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn loopback_is_seen_through_a_mapped_address() {
        assert!(address("127.8.0.1:1").is_loopback() && address("[::ffff:127.0.0.1]:1").is_loopback());
        assert!(!address("0.0.0.0:1").is_loopback() && !address("[::]:1").is_loopback());
    }
}
