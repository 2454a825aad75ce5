//! The signature of a delivery, as the Standard Webhooks specification (1.0) has it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::time::Timestamp;

/// What keys begin with.
const PREFIX: &str = "whsec_";

/// The key of a webhook. Its text form never appears in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads `whsec_` and base64; none if the text is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }

    /// The header `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`.
    #[must_use]
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{}.", seconds(at)).as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-timestamp`: whole seconds since 1970.
#[must_use]
pub fn seconds(at: Timestamp) -> u64 {
    at.millis() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_other_implementations_make() {
        // The vector of the specification's reference libraries.
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_millis(1_614_265_330_000);
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_none_and_a_key_shows_nothing_of_itself() {
        for bad in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!"] {
            assert!(Key::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{:?}", Key::parse("whsec_AAAA")), "Some(Key)");
    }
}
