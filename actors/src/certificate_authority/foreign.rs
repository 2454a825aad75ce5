//! Certificates that other doors of this agent have issued: recorded, and their tokens used up, in one write.

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::{TokenAsk, TokenUse, Verdict};
use mf2c_domain::legacy::identity::common_name;
use mf2c_pki::area::{Facts, Serial};
use mf2c_store::NewDocument;

use super::record::Record;
use super::register::{Entry, Issuer};
use super::tokens::{self, Unusable};
use super::{AuthorityError, CertificateAuthority, Permit, RecordForeign};

/// A certificate that is recorded when its document is on disk.
pub(super) struct Recording {
    pub(super) document: NewDocument,
    pub(super) serial: Serial,
    /// The id of the token, and its use.
    pub(super) token: Option<(String, TokenUse)>,
}

impl CertificateAuthority {
    /// Checks what permits a certificate, and reserves its token.
    pub(super) fn record_foreign(&mut self, foreign: &RecordForeign) -> Result<Recording, AuthorityError> {
        let refused = |text: &str| AuthorityError::Refused(text.to_owned());
        let facts = Facts::of(&foreign.certificate).map_err(|error| AuthorityError::Refused(error.to_string()))?;
        if self.register.get(&facts.serial).is_some() {
            return Err(refused("a certificate with this serial number has been issued already"));
        }
        let device = foreign.device.as_deref();
        let token = match &foreign.permit {
            Permit::Operator => None,
            Permit::Token(token) => {
                let found = tokens::read(&self.store, &token.id).filter(|found| found.accepts(&token.secret));
                let found = found.ok_or_else(|| {
                    refused("there is no such join token, or its secret is wrong: ask for a new token")
                })?;
                self.use_up(&token.id, &found, device.unwrap_or_default(), facts.key)?;
                Some(token.id.clone())
            }
            Permit::Device => Some(self.use_open(device.unwrap_or_default(), facts.key)?),
        };
        let recording = self.recording(foreign, &facts, token.as_deref());
        if let (Err(_), Some(token)) = (&recording, &token) {
            self.tokens.release(token, None);
        }
        recording
    }

    fn recording(
        &mut self,
        foreign: &RecordForeign,
        facts: &Facts,
        token: Option<&str>,
    ) -> Result<Recording, AuthorityError> {
        let device = foreign.device.as_deref();
        let record = Record {
            serial: &facts.serial,
            kind: "legacy",
            issuer: foreign.issuer.clone(),
            subject: facts.subject.clone(),
            area: None,
            device,
            user: None,
            names: &[],
            from: facts.not_before,
            until: facts.not_after,
            key: facts.key,
            key_pem: foreign.public_key_pem.clone(),
            der: &foreign.certificate,
            token,
            owner: None,
        };
        let document = record.document(&*self.world.entropy).map_err(AuthorityError::Failed)?;
        let entry = Entry {
            issuer: Issuer::Other,
            device: device.map(Into::into),
            user: None,
            until: facts.not_after,
            revoked: None,
        };
        self.register.insert(facts.serial.clone(), entry);
        let used = TokenUse { key: facts.key, serial: facts.serial.to_string(), at: self.now() };
        Ok(Recording { document, serial: facts.serial.clone(), token: token.map(|id| (id.to_owned(), used)) })
    }

    /// Reserves a token for a device. Another door has issued already, so nothing is repeated.
    fn use_up(&mut self, id: &str, token: &tokens::Stored, device: &str, key: [u8; 32]) -> Result<(), AuthorityError> {
        let refused = |text: &str| AuthorityError::Refused(text.to_owned());
        let bound = token.device.as_deref() == Some(device);
        // Who reads these certificates sees the common name alone, which is the beginning of a long identifier.
        let name = common_name(device);
        let alike = |other: &str| common_name(other) == name;
        let own = self.seat.as_ref().is_some_and(|seat| alike(&seat.state.device));
        if !bound && (own || self.register.knows_like(name).is_some_and(alike)) {
            return Err(AuthorityError::Refused(format!(
                "the device `{device}` has a certificate already: make a token with `--device {device}`"
            )));
        }
        let ask = TokenAsk { role: MemberRole::Agent, area: None, device, key };
        match self.tokens.reserve(id, token, &ask, self.now()) {
            Ok(Verdict::Issue) => Ok(()),
            Ok(Verdict::Repeat(_)) | Err(Unusable::Replayed { .. } | Unusable::InFlight) => {
                tracing::warn!(token = id, "somebody tried to use a join token again");
                Err(refused("the token has been used: ask for a new one"))
            }
            Err(Unusable::Refused(refusal)) => Err(AuthorityError::Refused(refusal.to_string())),
            Err(Unusable::Invalid | Unusable::Wait(_)) => Err(refused("there is no such join token")),
        }
    }

    /// Reserves an open token of a device that needs no secret.
    fn use_open(&mut self, device: &str, key: [u8; 32]) -> Result<String, AuthorityError> {
        let mut last = AuthorityError::Refused(
            "no open join token allows this device: make one with `mf2c token create --device ID --without-secret`"
                .to_owned(),
        );
        for id in self.tokens.open_for(device).into_iter().filter(|_| !device.is_empty()) {
            let Some(token) = tokens::read(&self.store, &id).filter(|token| token.without_secret) else { continue };
            match self.use_up(&id, &token, device, key) {
                Ok(()) => return Ok(id),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
