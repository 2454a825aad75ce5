//! Secrets of API keys (`spec/cimi.md` 9.8): 30 characters of 56, in five groups of six.
//!
//! A secret has 174 random bits, so that nobody finds it from its digest however fast the digest is: a salted SHA-256 is
//! enough, where a password needs a slow one.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use mf2c_domain::entropy::Entropy;

/// The characters of secrets: digits and letters that are not taken for each other.
pub const ALPHABET: &[u8; 56] = b"23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";

/// Secrets are read in no more than this many bytes; what is longer is none.
pub const MAX_LEN: usize = 256;

const GROUPS: usize = 5;
const GROUP: usize = 6;
const SALT: usize = 16;
const VERSION: &str = "sha256";

/// A new secret: `nehrHa.V9Ppzb.vHf4BG.5vxv3j.DzLtqb`.
#[must_use]
pub fn secret(entropy: &dyn Entropy) -> String {
    groups(GROUPS, entropy)
}

/// So many groups of six characters, joined by dots. Each character is as likely as any other.
#[must_use]
pub fn groups(count: usize, entropy: &dyn Entropy) -> String {
    let mut text = String::with_capacity(count * (GROUP + 1));
    let mut wanted = count * GROUP;
    let mut bytes = [0; 64];
    while wanted > 0 {
        entropy.fill(&mut bytes);
        // 224 is four times 56: of what lies above, some characters would get more than their share.
        for byte in bytes.iter().filter(|byte| **byte < 224).take(wanted) {
            if text.len() % (GROUP + 1) == GROUP {
                text.push('.');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 56)]));
            wanted -= 1;
        }
    }
    text
}

/// What is kept of a secret: `sha256$<salt>$<digest>`, in base64.
#[must_use]
pub fn digest(secret: &str, entropy: &dyn Entropy) -> String {
    let mut salt = [0; SALT];
    entropy.fill(&mut salt);
    format!("{VERSION}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(salted(&salt, secret)))
}

/// Whether `kept` was made of this secret. The time it takes does not depend on where they differ.
#[must_use]
pub fn matches(secret: &str, kept: &str) -> bool {
    let mut parts = kept.split('$');
    let (Some(VERSION), Some(salt), Some(expected), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (Ok(salt), Ok(expected)) = (STANDARD_NO_PAD.decode(salt), STANDARD_NO_PAD.decode(expected)) else {
        return false;
    };
    let whole = salt.len() == SALT && secret.len() <= MAX_LEN;
    verify_slices_are_equal(salted(&salt, secret).as_ref(), &expected).is_ok() && whole
}

/// Characters that no secret has are passed over, so that its dots may be left out.
fn salted(salt: &[u8], secret: &str) -> digest::Digest {
    let bytes = secret.bytes().take(MAX_LEN);
    let plain: Vec<u8> = bytes.filter(|byte| ALPHABET.contains(byte)).collect();
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(&plain);
    context.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A weak but fair generator.
    struct Seeded(AtomicU64);
    impl Entropy for Seeded {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                let last = self.0.load(Ordering::Relaxed);
                let next = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                self.0.store(next, Ordering::Relaxed);
                *byte = (next >> 56) as u8;
            }
        }
    }

    #[test]
    fn a_secret_has_five_groups_of_six_unmistakable_characters() {
        let secret = secret(&Seeded(1.into()));
        let groups: Vec<&str> = secret.split('.').collect();
        assert!(groups.len() == 5 && groups.iter().all(|group| group.len() == 6), "{secret}");
        assert!(secret.bytes().all(|byte| byte == b'.' || ALPHABET.contains(&byte)));
        for mistakable in b"01loIO" {
            assert!(!ALPHABET.contains(mistakable));
        }
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let (entropy, mut seen) = (Seeded(7.into()), [0u32; 256]);
        for _ in 0..1000 {
            secret(&entropy).bytes().for_each(|byte| seen[usize::from(byte)] += 1);
        }
        for byte in ALPHABET {
            let found = seen[usize::from(*byte)];
            assert!((400..680).contains(&found), "{}: {found} of 30,000", char::from(*byte));
        }
    }

    #[test]
    fn a_secret_fits_its_digest_with_and_without_dots() {
        let entropy = Seeded(3.into());
        let (one, other) = (secret(&entropy), secret(&entropy));
        let kept = digest(&one, &entropy);
        assert!(matches(&one, &kept) && matches(&one.replace('.', ""), &kept));
        assert!(matches(&format!(" {} ", one.replace('.', "-")), &kept));
        assert!(!matches(&other, &kept) && !matches("", &kept) && !matches(&one[1..], &kept));
        assert!(!matches(&format!("{one}{}", ".".repeat(1 << 20)), &kept), "too long");
        assert_ne!(digest(&one, &entropy), digest(&one, &entropy), "salted");
        assert!(!kept.contains(&one) && kept.starts_with("sha256$"));
    }

    #[test]
    fn what_is_no_digest_of_ours_fits_nothing() {
        for kept in ["", "sha256$$", "sha256$AAAA$AAAA", "sha256$AAAAAAAAAAAAAAAAAAAAAA$", "md5$a$b", "sha256$a$b$c"] {
            assert!(!matches("", kept) && !matches("abcdef", kept), "{kept}");
        }
    }
}
