//! The port through which randomness comes in, and the identifiers made from it.

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// Where random bytes come from: the operating system in production, a seed in the simulation.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);
}

/// A random UUID (version 4, RFC 9562), in its 36-character form.
#[must_use]
pub fn uuid_v4(entropy: &dyn Entropy) -> String {
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes);
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 0x0F] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// A new key for signatures: `whsec_` and 32 random bytes in base64.
#[must_use]
pub fn webhook_key(entropy: &dyn Entropy) -> String {
    let mut bytes = [0u8; 32];
    entropy.fill(&mut bytes);
    format!("whsec_{}", BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xFF);
        }
    }

    #[test]
    fn a_uuid_carries_its_version_and_variant() {
        assert_eq!(uuid_v4(&Ones), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
