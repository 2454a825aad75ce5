//! A key that is made for a user who is given it: RSA, in the form that older clients of testbeds look for.

use std::fmt;

use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};

use super::AreaError;
use super::key::request;
use super::peer::sha1_of_key;
use crate::ssh::{pkcs1_of, rsa_private_pem};

/// An RSA key pair of 2048 bits.
pub struct UserKey {
    pair: KeyPair,
}

/// Shows the identifier of the public key, never the private one.
impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl UserKey {
    /// A new pair. It takes a core for a while: tenths of a second, at times some seconds on small machines.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn generate() -> Result<Self, AreaError> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        pair.map(|pair| Self { pair }).map_err(AreaError::sign)
    }

    /// A PKCS#10 request in DER.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn request(&self, common_name: &str) -> Result<Vec<u8>, AreaError> {
        request(&self.pair, None, common_name)
    }

    /// The identifier of the key: SHA-1 of its bits, in lower-case hexadecimal (RFC 5280, 4.2.1.2).
    #[must_use]
    pub fn id(&self) -> String {
        sha1_of_key(self.pair.der_bytes())
    }

    /// PKCS#1 in PEM: `BEGIN RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// Where the library writes PKCS#8 in another way than RFC 5208 has it.
    pub fn to_pem(&self) -> Result<String, AreaError> {
        let whole = self.pair.serialize_der();
        let inner =
            pkcs1_of(&whole).ok_or_else(|| AreaError::Unreadable("the key was not written as PKCS#8".to_owned()))?;
        Ok(rsa_private_pem(inner))
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

    use super::*;
    use crate::area::Request;

    #[test]
    fn a_key_is_written_in_pkcs1_and_asks_for_a_certificate_of_itself() {
        let key = UserKey::generate().unwrap();
        let pem = key.to_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"), "{}", &pem[..60]);
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        assert!(matches!(der, PrivateKeyDer::Pkcs1(_)));
        let again = KeyPair::try_from(&der).unwrap();
        assert_eq!(again.der_bytes(), key.pair.der_bytes());
        let request = Request::from_der(&key.request("jane").unwrap()).unwrap();
        assert_eq!(request.common_name(), Some("jane"));
        assert_eq!((key.id().len(), key.id()), (40, sha1_of_key(again.der_bytes())));
    }
}
