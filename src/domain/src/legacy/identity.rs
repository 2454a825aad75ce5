//! The identifiers of the original's registration: the key of a user and the identifier of a device.

use sha2::{Digest as _, Sha512};

use crate::area::token::hex;

/// How many hexadecimal digits both identifiers have.
pub const DIGITS: usize = 128;

/// The `IDKey` of a user: SHA-512 of the e-mail address in lower-case hexadecimal (vector G1). It is no secret: whoever
/// knows the address can compute it.
#[must_use]
pub fn id_key(email: &str) -> String {
    hex(&Sha512::digest(email.as_bytes()))
}

/// The `deviceID` as the original's registration made it (vector G2): SHA-512 of the user's key and 64 random letters and
/// digits. Agents of today have an identifier of their own; this is for who must recognise old ones.
#[must_use]
pub fn device_id(id_key: &str, random: &str) -> String {
    hex(&Sha512::new().chain_update(id_key).chain_update(random).finalize())
}

/// Whether a text has the form of both identifiers: 128 hexadecimal digits.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What stands as common name in the certificate of a device: the first 63 characters of its identifier, because that is
/// how long a label of a DNS name can be, and where dataClay cuts.
#[must_use]
pub fn common_name(device: &str) -> &str {
    device.get(..63).unwrap_or(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0510b7fccec85c4ba5a3117eae7fd1cd699c221cdef75893b9295d5f414af54df36dc6226bdc3359a61d336c837f58a62c1893b901551cba8756501b261ab50c";

    #[test]
    fn the_key_of_a_user_is_the_digest_of_the_address() {
        assert_eq!(id_key("alice@example.org"), KEY);
    }

    #[test]
    fn the_identifier_of_a_device_is_the_digest_of_the_key_and_64_characters() {
        let device = "82562229e7978f50ad8097019a6697e3357c54bf700f3d40865cd8b0788ad271357177aaf7d0eac90ef16894a6252ccb085ef5de72a8dfb4234e8cdf2acefd25";
        assert_eq!(device_id(KEY, &"A".repeat(64)), device);
        assert_eq!(common_name(device), &device[..63]);
        assert!(is_identifier(device) && !is_identifier("abc") && !is_identifier(&device.replace('8', "g")));
    }
}
