//! Serial numbers.

use std::fmt;
use std::str::FromStr;

use mf2c_domain::entropy::Entropy;

/// A serial number of at most 20 bytes (RFC 5280, 4.1.2.2); our own have 16 random ones, the first of them from 1 to 127,
/// so that it is positive and always as long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Box<[u8]>);

impl Serial {
    /// A new one.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes[0] = (bytes[0] & 0x7F).max(1);
        Self(bytes.into())
    }

    /// From a certificate: big-endian, without leading zeros.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1));
        Self(bytes.get(zeros..).unwrap_or_default().into())
    }

    /// Big-endian, without leading zeros.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = String;

    /// Hexadecimal in capitals or not, with or without colons, as `openssl` and browsers show it.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no serial number: expected up to 40 hexadecimal digits", text.escape_debug());
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        if digits.is_empty() || digits.len() > 40 {
            return Err(wrong());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
        let mut bytes = Vec::with_capacity(20);
        // An odd number of digits has lost a leading zero.
        let mut rest = digits.as_slice();
        if rest.len() % 2 == 1 {
            bytes.push(u8::try_from(digit(rest[0])?).map_err(|_| wrong())?);
            rest = &rest[1..];
        }
        for pair in rest.chunks(2) {
            bytes.push(u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| wrong())?);
        }
        Ok(Self::from_bytes(&bytes))
    }
}
