//! Sends mail by SMTP (RFC 5321), with TLS from the first byte (RFC 8314) or by STARTTLS (RFC 3207).
//!
//! Where STARTTLS is asked for, a server that does not offer it gets no mail and no password.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use mf2c_actors::ports::{Delivery, DeliveryError, MailTransport};
use mf2c_domain::entropy::{Entropy, uuid_v4};
use mf2c_domain::people::mail::Mail;
use thiserror::Error;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS by STARTTLS, or nothing at all.
    StartTls,
    /// Not at all.
    None,
}

/// Which mail server takes the mails, and how it is talked to.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// The name and the password to sign in with.
    pub credentials: Option<(String, String)>,
    /// The sender: `fog@example.org` or `Fog agent <fog@example.org>`.
    pub from: String,
    /// Certificates in PEM that are trusted besides those of the system.
    pub roots: Option<Vec<u8>>,
    /// How long the server may take for one answer.
    pub timeout: Duration,
}

/// Why no mail can be sent with these settings.
#[derive(Debug, Error)]
pub enum SmtpSettingsError {
    /// The sender is no address.
    #[error("`{from}` is no sender: expected an address such as fog@example.org")]
    From {
        /// What was given.
        from: String,
    },
    /// The certificates cannot be read.
    #[error("the certificates to trust cannot be used ({reason}): expected PEM")]
    Roots {
        /// What the library says.
        reason: String,
    },
}

/// See the module.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    entropy: Arc<dyn Entropy>,
}

/// Tells other programs that no person wrote it, so that none of them answers (RFC 3834, 5).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Smtp {
    /// A way to send mail. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SmtpSettingsError`].
    pub fn new(settings: SmtpSettings, entropy: Arc<dyn Entropy>) -> Result<Self, SmtpSettingsError> {
        let SmtpSettings { host, port, security, credentials, from, roots, timeout } = settings;
        let Ok(mailbox) = from.parse() else { return Err(SmtpSettingsError::From { from }) };
        let tls = match security {
            Security::None => Tls::None,
            Security::Tls => Tls::Wrapper(parameters(&host, roots)?),
            Security::StartTls => Tls::Required(parameters(&host, roots)?),
        };
        // The builder takes whatever it is given; what makes it dangerous, to have no TLS, is decided above.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host);
        builder = builder.port(port).tls(tls).timeout(Some(timeout));
        if let Some((name, password)) = credentials {
            builder = builder.credentials(Credentials::new(name, password));
        }
        Ok(Self { transport: builder.build(), from: mailbox, entropy })
    }

    fn message(&self, mail: Mail) -> Result<Message, DeliveryError> {
        let failed =
            |reason: &dyn std::fmt::Display| DeliveryError::Permanent(format!("no mail can be made: {reason}"));
        let to: Mailbox = mail.to.parse().map_err(|error| failed(&error))?;
        let id = format!("<{}@{}>", uuid_v4(&*self.entropy), self.from.email.domain());
        // Where it can be, the text goes as it is: a link that is cut by an encoding is hard to use.
        let body = if is_plain(&mail.text) {
            let lines = mail.text.replace('\n', "\r\n").into_bytes();
            Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
        } else {
            let encoded = Body::new_with_encoding(mail.text, ContentTransferEncoding::QuotedPrintable);
            encoded.map_err(|_| failed(&"its text cannot be encoded"))?
        };
        let message = Message::builder().from(self.from.clone()).to(to).subject(mail.subject).message_id(Some(id));
        let message = message.header(ContentType::TEXT_PLAIN).header(AutoSubmitted).date_now();
        message.body(body).map_err(|error| failed(&error))
    }
}

impl MailTransport for Smtp {
    fn deliver(&self, mail: Mail) -> Delivery {
        let message = self.message(mail);
        let transport = self.transport.clone();
        Box::pin(async move {
            let sent = transport.send(message?).await;
            sent.map(drop).map_err(|error| classified(&error))
        })
    }
}

/// Whether a text can be sent as it is: ASCII in lines that every server takes (RFC 5322, 2.1.1).
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) && text.lines().all(|line| line.len() <= 998)
}

fn parameters(host: &str, roots: Option<Vec<u8>>) -> Result<TlsParameters, SmtpSettingsError> {
    let failed = |error: SmtpError| SmtpSettingsError::Roots { reason: told(&error) };
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = roots {
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(failed)?);
    }
    builder.build_rustls().map_err(failed)
}

/// A refusal with a code of 500 or more is for good (RFC 5321, 4.2.1), as is a message that cannot be; all else may pass.
fn classified(error: &SmtpError) -> DeliveryError {
    if error.is_permanent() || error.is_client() {
        DeliveryError::Permanent(told(error))
    } else {
        DeliveryError::Temporary(told(error))
    }
}

/// The error with its causes.
fn told(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xFF);
        }
    }

    fn smtp(from: &str) -> Result<Smtp, SmtpSettingsError> {
        let settings = SmtpSettings {
            host: "localhost".to_owned(),
            port: 25,
            security: Security::None,
            credentials: None,
            from: from.to_owned(),
            roots: None,
            timeout: Duration::from_secs(1),
        };
        Smtp::new(settings, Arc::new(Ones))
    }

    fn written(to: &str, text: &str) -> Result<String, DeliveryError> {
        let mail = Mail { to: to.to_owned(), subject: "email validation", text: text.to_owned() };
        smtp("Fog <fog@example.org>").unwrap().message(mail).map(|made| String::from_utf8(made.formatted()).unwrap())
    }

    #[test]
    fn a_mail_has_one_recipient_one_plain_text_and_says_that_no_person_wrote_it() {
        let link = format!("    https://fog.example.org:8443/api/callback/{}/execute", "0".repeat(36));
        let mail = written("a@b.org", &format!("Follow:\n\n{link}\n")).unwrap();
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: Fog <fog@example.org>",
            "To: a@b.org",
            "Subject: email validation",
            "Auto-Submitted: auto-generated",
            "Content-Transfer-Encoding: 7bit",
            "Message-ID: <ffffffff-ffff-4fff-bfff-ffffffffffff@example.org>",
        ] {
            assert_eq!(head.lines().filter(|found| *found == line).count(), 1, "{line}\n{head}");
        }
        assert!(body.contains(&format!("\r\n{link}\r\n")), "{body}");
        let mail = written("a@b.org", "jürgen").unwrap();
        assert!(mail.contains("Content-Transfer-Encoding: quoted-printable") && mail.contains("j=C3=BCrgen"), "{mail}");
    }

    #[test]
    fn an_address_adds_no_header_and_no_recipient() {
        for to in ["a@b.org\r\nBcc: c@d.org", "a@b.org, c@d.org", "a@b.org\nBcc: c@d.org", ""] {
            assert!(matches!(written(to, "x"), Err(DeliveryError::Permanent(_))), "{to:?}");
        }
        assert!(smtp("nobody").is_err() && smtp("").is_err());
    }
}
