//! PEM (RFC 7468) for files that people may read.

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// What stands in the first and last line of a certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// What stands in the first and last line of a revocation list.
pub(crate) const REVOCATION_LIST: &str = "X509 CRL";
/// What stands in the first and last line of a public key.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

/// One block, with lines of 64 characters and a line feed at the end.
pub(crate) fn block(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut block = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        block.push_str(line);
        block.push('\n');
        rest = after;
    }
    block.push_str(&format!("-----END {label}-----\n"));
    block
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};

    use super::*;

    #[test]
    fn blocks_of_every_length_are_read_again() {
        for length in 1..200_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = block(CERTIFICATE, &bytes);
            assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().as_ref(), bytes);
            assert!(text.lines().all(|line| line.len() <= 64), "{text}");
        }
    }
}
