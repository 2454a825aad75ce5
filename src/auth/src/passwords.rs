//! Passwords as they are stored: argon2id, salted, in the PHC text form.
//!
//! One digest takes 19 MiB and some 20 ms of one core, so callers compute them off their arbiter and few at a time.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use mf2c_domain::entropy::Entropy;
use thiserror::Error;

/// The longest password, in bytes. Nothing longer is ever digested: it would only cost time.
pub const MAX_LEN: usize = 1024;

/// Memory, rounds and lanes as the OWASP Password Storage Cheat Sheet gives them: 19 MiB, 2, 1.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Digests that would cost more than this were not made here, and are not computed.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_ROUNDS: u32 = 8;
const MOST_LANES: u32 = 4;
/// 33 MiB, in blocks of 1 KiB.
const RESERVED_BLOCKS: usize = 33 * 1024;
const SALT: usize = 16;
/// The digest of a password that nobody has: its bytes are all zero.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password has no digest.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// It is too long.
    #[error("the password has {len} bytes: expected at most {MAX_LEN}, choose a shorter one")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// There is not memory enough, or the parameters are no parameters.
    #[error("the password's digest cannot be computed ({reason}): try again later")]
    Failed {
        /// What the library says.
        reason: String,
    },
}

/// The digest of a password with a new salt, as a PHC string: `$argon2id$v=19$m=19456,t=2,p=1$...`.
///
/// # Errors
/// [`PasswordError::TooLong`]; [`PasswordError::Failed`] where memory is short.
pub fn hash(password: &str, entropy: &dyn Entropy) -> Result<String, PasswordError> {
    if password.len() > MAX_LEN {
        return Err(PasswordError::TooLong { len: password.len() });
    }
    let failed = |reason: String| PasswordError::Failed { reason };
    let mut salt = [0; SALT];
    entropy.fill(&mut salt);
    let (memory, rounds, lanes) = COST;
    let params = Params::new(memory, rounds, lanes, None).map_err(|error| failed(error.to_string()))?;
    let output = compute(&params, password, &salt).map_err(failed)?;
    let digest = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|error| failed(error.to_string()))?,
        salt: Some(Salt::new(&salt).map_err(|error| failed(error.to_string()))?),
        hash: Some(output),
    };
    Ok(digest.to_string())
}

/// The digest itself.
fn compute(params: &Params, password: &str, salt: &[u8]) -> Result<Output, String> {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    // What is used is 19 MiB. More is reserved, and never touched, because the C library gives back to the system at once
    // only what is larger than 32 MiB; of anything smaller each thread keeps its own for ever.
    let mut memory: Vec<Block> = Vec::new();
    let count = params.block_count();
    memory.try_reserve_exact(count.max(RESERVED_BLOCKS)).map_err(|error| error.to_string())?;
    memory.resize(count, Block::default());
    let mut digest = [0; Output::MAX_LENGTH];
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let digest = digest.get_mut(..length).ok_or("the digest is too long")?;
    let computed = hasher.hash_password_into_with_memory(password.as_bytes(), salt, digest, &mut memory);
    computed.map_err(|error| error.to_string())?;
    Output::new(digest).map_err(|error| error.to_string())
}

/// Whether a password has this digest, which has passed [`is_affordable`].
fn fits(password: &str, digest: &PasswordHash) -> bool {
    let (Ok(params), Some(salt), Some(known)) = (Params::try_from(digest), &digest.salt, &digest.hash) else {
        return false;
    };
    let computed = compute(&params, password, salt);
    computed.is_ok_and(|computed| verify_slices_are_equal(computed.as_bytes(), known.as_bytes()).is_ok())
}

/// Whether `phc` is the digest of `password`.
///
/// The work is done also where `phc` is no digest of ours, so that the time tells nothing. Too long a password is wrong at
/// once: its length is known to whoever sent it.
#[must_use]
pub fn verify(password: &str, phc: &str) -> bool {
    if password.len() > MAX_LEN {
        return false;
    }
    let Some(digest) = PasswordHash::new(phc).ok().filter(is_affordable) else {
        verify_nobody(password);
        return false;
    };
    fits(password, &digest)
}

/// Does what [`verify`] does, for a name that nobody has.
pub fn verify_nobody(password: &str) {
    if password.len() > MAX_LEN {
        return;
    }
    if let Ok(digest) = PasswordHash::new(NOBODY) {
        std::hint::black_box(fits(password, &digest));
    }
}

/// Whether the digest is argon2id within our bounds: its parameters decide what checking it costs.
fn is_affordable(digest: &PasswordHash) -> bool {
    digest.algorithm.as_str() == "argon2id"
        && digest.version == Some(Version::V0x13.into())
        && digest.salt.is_some()
        && digest.hash.is_some()
        && Params::try_from(digest).is_ok_and(|params| {
            params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_ROUNDS && params.p_cost() <= MOST_LANES
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);
    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn entropy() -> Counting {
        Counting(1.into())
    }

    #[test]
    fn a_password_fits_its_own_digest_and_no_other_does() {
        let phc = hash("correct horse", &entropy()).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(verify("correct horse", &phc));
        for wrong in ["", "correct horse ", "Correct horse", "correct\0horse"] {
            assert!(!verify(wrong, &phc), "{wrong:?}");
        }
    }

    #[test]
    fn the_same_password_has_another_digest_each_time() {
        let entropy = entropy();
        assert_ne!(hash("12345678", &entropy).unwrap(), hash("12345678", &entropy).unwrap());
    }

    #[test]
    fn too_long_a_password_is_refused_before_any_work() {
        let long = "x".repeat(1 << 20);
        assert!(matches!(hash(&long, &entropy()), Err(PasswordError::TooLong { len: 1_048_576 })));
        assert!(!verify(&long, &hash("x", &entropy()).unwrap()));
        assert!(hash(&"x".repeat(MAX_LEN), &entropy()).is_ok());
    }

    #[test]
    fn what_is_no_digest_of_ours_fits_nothing_and_costs_no_more() {
        for phc in [
            "",
            "secret",
            "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=4000000000,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2d$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA",
            "BA3253876AED6BC22D4A6FF53D8406C6AD864195ED144AB5C87621B6C233B548",
        ] {
            assert!(!verify("secret", phc), "{phc}");
        }
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let params = |phc: &str| {
            let digest = PasswordHash::new(phc).unwrap();
            assert!(is_affordable(&digest));
            (Params::try_from(&digest).unwrap(), digest.hash.unwrap().len(), digest.salt.unwrap().len())
        };
        assert_eq!(params(&hash("x", &entropy()).unwrap()), params(NOBODY));
        assert!(!verify("x", NOBODY));
    }
}
