//! The identity of a device: 128 hex digits that stay the same for ever.
//!
//! It is made once, at the first start, and kept in the store. Where the hardware has marks of its own it comes out the
//! same again after the store was lost; the marks themselves cannot be read from it.

use std::fmt::Write as _;

use mf2c_domain::entropy::Entropy;
use sha2::{Digest as _, Sha512};

use crate::roots::{Roots, read_word};

/// Separates these digests from other uses of the same marks, as machine-id(5) asks.
const DOMAIN: &str = "mf2c device identity 1";

/// Words that firmware and images leave in place of a real mark.
const PLACEHOLDERS: [&str; 4] =
    ["uninitialized", "not specified", "to be filled by o.e.m.", "03000200-0400-0500-0006-000700080009"];

/// A lower-case hex SHA-512 (128 digits) of `inputs`, order and boundaries included.
#[must_use]
pub fn digest(inputs: &[&str]) -> String {
    let mut hasher = Sha512::new();
    for input in [DOMAIN].iter().chain(inputs) {
        hasher.update((input.len() as u64).to_be_bytes());
        hasher.update(input.as_bytes());
    }
    hasher.finalize().iter().fold(String::with_capacity(128), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What tells this machine from others and outlives a restart: machine-id, the board's UUID (readable by root only) and
/// the serial number of an ARM board. A cloned disk image repeats the first, hence the others.
#[must_use]
pub fn hardware_marks(roots: &Roots) -> Vec<String> {
    [
        ("machine-id", roots.etc.join("machine-id")),
        ("product-uuid", roots.sys.join("class/dmi/id/product_uuid")),
        ("board-serial", roots.sys.join("firmware/devicetree/base/serial-number")),
    ]
    .into_iter()
    .filter_map(|(name, path)| {
        let word = read_word(&path)?.to_lowercase();
        let unset = word.chars().all(|c| matches!(c, '0' | '-')) || word.chars().all(|c| matches!(c, 'f' | '-'));
        (!unset && !PLACEHOLDERS.contains(&word.as_str())).then(|| format!("{name}={word}"))
    })
    .collect()
}

/// A new identity for the device: from its [`hardware_marks`], or from `entropy` where it has none.
///
/// `instance` tells agents on one machine apart (empty for the only one). Call this once and keep the answer: the marks
/// readable at the next start may be others.
#[must_use]
pub fn device_id(roots: &Roots, instance: &str, entropy: &dyn Entropy) -> String {
    let mut inputs = hardware_marks(roots);
    if inputs.is_empty() {
        let mut random = [0u8; 32];
        entropy.fill(&mut random);
        inputs.push(format!("random={random:02x?}"));
    }
    inputs.push(format!("instance={instance}"));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    digest(&inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::fixture::Tree;

    struct Bytes(u8);
    impl Entropy for Bytes {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn a_digest_is_128_lower_case_hex_digits_and_feels_every_boundary() {
        let digits = digest(&["a", "b"]);
        assert_eq!(digits.len(), 128);
        assert!(digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')));
        assert_eq!(digits, digest(&["a", "b"]));
        for other in [&["ab"][..], &["b", "a"], &["a", "b", ""], &[]] {
            assert_ne!(digits, digest(other));
        }
    }

    #[test]
    fn a_machine_with_marks_gets_the_same_identity_whatever_the_randomness() {
        let tree = Tree::new(&[("etc/machine-id", "0123456789abcdef0123456789abcdef\n")]);
        let roots = tree.roots();
        let first = device_id(&roots, "", &Bytes(1));
        assert_eq!(first, device_id(&roots, "", &Bytes(2)));
        assert_ne!(first, device_id(&roots, "second", &Bytes(1)));
        tree.write("sys/firmware/devicetree/base/serial-number", "10000000abcd\0");
        assert_ne!(first, device_id(&roots, "", &Bytes(1)));
    }

    #[test]
    fn a_machine_whose_marks_are_missing_or_placeholders_gets_a_random_identity() {
        let tree = Tree::new(&[
            ("etc/machine-id", "uninitialized\n"),
            ("sys/class/dmi/id/product_uuid", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"),
        ]);
        assert!(hardware_marks(&tree.roots()).is_empty());
        assert_ne!(device_id(&tree.roots(), "", &Bytes(1)), device_id(&tree.roots(), "", &Bytes(2)));
    }

    #[test]
    fn the_marks_cannot_be_read_from_the_identity() {
        let tree = Tree::new(&[("etc/machine-id", "0123456789abcdef0123456789abcdef\n")]);
        assert!(!device_id(&tree.roots(), "", &Bytes(1)).contains("0123456789abcdef"));
    }
}
