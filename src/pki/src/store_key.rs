//! The key by which a store is known again wherever its agent joins: Ed25519, because its signatures need no randomness.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The bytes of a seed, and of a public key.
pub const KEY_BYTES: usize = 32;

/// See the module.
pub struct StoreKey(Ed25519KeyPair);

/// Nothing of it is shown: it is a secret.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKey").finish_non_exhaustive()
    }
}

impl StoreKey {
    /// From a seed of random bytes; none if they are not [`KEY_BYTES`].
    #[must_use]
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    /// The signature of a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// Whether the private key of a public one has signed a message.
#[must_use]
pub fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    key.len() == KEY_BYTES && UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_believed_of_that_key_and_nothing_else() {
        let key = StoreKey::from_seed(&[7; KEY_BYTES]).unwrap();
        let signature = key.sign(b"a1");
        assert_eq!(signature, StoreKey::from_seed(&[7; KEY_BYTES]).unwrap().sign(b"a1"), "without randomness");
        assert!(is_signed(&key.public(), b"a1", &signature));
        assert!(!is_signed(&key.public(), b"a2", &signature));
        let other = StoreKey::from_seed(&[8; KEY_BYTES]).unwrap();
        assert!(!is_signed(&other.public(), b"a1", &signature));
        assert!(!is_signed(b"short", b"a1", &signature) && !is_signed(&key.public(), b"a1", b""));
        assert!(StoreKey::from_seed(b"short").is_none());
        assert_eq!(format!("{key:?}"), "StoreKey { .. }");
    }
}
