//! Keys for SSH: public ones as people have them in files, new pairs, and the fingerprints by which both are told apart.
//!
//! A pair that is made here is named by SHA-1 of its private key in PKCS#8, an RSA key that somebody brings by MD5 of its
//! `SubjectPublicKeyInfo`, every other one as `ssh-keygen -l` does: so EC2 has them, and so Deltacloud shows them.

mod encode;
mod private;
mod public;
#[cfg(test)]
mod tests;

pub use private::{Pair, fingerprint_of_private, pkcs1_of, pkcs8_of, rsa_private_pem};
pub use public::PublicKey;

/// The longest text that is read as a public key, in bytes.
pub const LONGEST: usize = 16 << 10;
/// The shortest RSA key that is taken, in bits.
pub const FEWEST_BITS: usize = 1024;
/// The longest RSA key that is taken, in bits.
pub const MOST_BITS: usize = 8192;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// Too long a text.
    #[error("the public key has {bytes} bytes: expected at most {LONGEST}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Neither of the two forms.
    #[error(
        "the text is no public key: expected one line as OpenSSH writes it, `ssh-ed25519 AAAA…`, or PEM with `BEGIN PUBLIC KEY`"
    )]
    Form,
    /// The other half of a pair.
    #[error("the text holds a private key, which nobody else should have: expected the public one")]
    Private,
    /// A kind that is not known here.
    #[error(
        "keys of the kind `{shown}` are not taken: expected ssh-rsa, ssh-ed25519 or ecdsa-sha2-nistp256, -384 or -521"
    )]
    Kind {
        /// The kind, cut to a readable length, with control characters escaped.
        shown: String,
    },
    /// An RSA key of a length that proves little or costs much.
    #[error("the RSA key has {bits} bits: expected {FEWEST_BITS} to {MOST_BITS}")]
    Bits {
        /// Its length.
        bits: usize,
    },
    /// The right form with the wrong content.
    #[error("the public key is damaged: its {what} cannot be read")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// No randomness, or no memory.
    #[error("no key could be made")]
    Make,
}

/// Bytes as fingerprints have them: `c6:80:5c:…`.
fn colons(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}
