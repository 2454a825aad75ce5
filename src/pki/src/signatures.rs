//! What every verifier of certificates says of signatures in handshakes: the provider's algorithms check them.

/// The methods of a rustls verifier, of servers or of clients, that have to do with signatures. The argument gives the
/// algorithms: `signatures_by!(|it| &it.algorithms);`
macro_rules! signatures_by {
    (|$it:ident| $algorithms:expr) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let $it = self;
            rustls::crypto::verify_tls12_signature(message, certificate, signed, $algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let $it = self;
            rustls::crypto::verify_tls13_signature(message, certificate, signed, $algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            let $it = self;
            ($algorithms).supported_schemes()
        }
    };
}

pub(crate) use signatures_by;
