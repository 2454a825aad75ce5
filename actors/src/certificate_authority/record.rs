//! The documents of certificates: what is written before one is handed out, and what is read of them at the next start.

use std::borrow::Cow;

use mf2c_domain::acl::{Acl, Principal, Right, Rule};
use mf2c_domain::area::spiffe::Subject;
use mf2c_domain::area::token::hex;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::resource::Draft;
use mf2c_domain::resource::types::area::certificate::SPEC;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::{PeerIdentity, Serial, certificate_pem};
use mf2c_store::NewDocument;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The type of the documents.
pub(super) const KIND: &str = "certificate";

/// What is written of a certificate.
pub(super) struct Record<'a> {
    pub(super) serial: &'a Serial,
    pub(super) kind: &'static str,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) area: Option<&'a str>,
    pub(super) device: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) names: &'a [String],
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) key: [u8; 32],
    pub(super) key_pem: String,
    pub(super) der: &'a [u8],
    /// The id of the token that it was issued for.
    pub(super) token: Option<&'a str>,
    /// A user of this agent, who may revoke it.
    pub(super) owner: Option<&'a str>,
}

impl Record<'_> {
    /// The document. It is built as it is stored: everything in it was checked before.
    pub(super) fn document(self, entropy: &dyn Entropy) -> Result<NewDocument, String> {
        let serial = self.serial.to_string();
        let mut attributes = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                attributes.insert(name.to_owned(), value);
            }
        };
        put("serial", Some(serial.clone().into()));
        put("kind", Some(self.kind.into()));
        put("issuer", Some(self.issuer.into()));
        put("subject", Some(self.subject.into()));
        put("area", self.area.map(Value::from));
        put("device", self.device.map(Value::from));
        put("user", self.user.map(Value::from));
        put("names", (!self.names.is_empty()).then(|| self.names.into()));
        put("notBefore", Some(self.from.to_string().into()));
        put("notAfter", Some(self.until.to_string().into()));
        put("state", Some("VALID".into()));
        put("publicKey", Some(hex(&self.key).into()));
        put("publicKeyPem", Some(self.key_pem).filter(|pem| !pem.is_empty()).map(Value::from));
        put("pem", Some(certificate_pem(self.der).into()));
        put("token", self.token.map(|id| format!("join-token/{id}").into()));
        let acl = match self.owner {
            None => Acl::of_admin(&[]),
            Some(user) => Acl::new(Principal::role("ADMIN"), vec![Rule::user(user, Right::Modify)]),
        };
        let draft = Draft { attributes, acl: Some(acl), name: Some(serial) };
        NewDocument::new(&SPEC, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
    }
}

/// The document of a user's certificate that the authority of another agent has issued, for the agent at which it is good:
/// only what is recorded there lets its user in.
///
/// # Errors
/// Where the certificate is none of a user.
pub fn document_of_user(certificate: &[u8], key_pem: String, entropy: &dyn Entropy) -> Result<NewDocument, String> {
    let peer = PeerIdentity::of(certificate).map_err(|error| error.to_string())?;
    let Subject::User { area, device, name } = &peer.id.subject else {
        return Err(format!("{} is no user", peer.id));
    };
    let record = Record {
        serial: &peer.serial,
        kind: "user",
        issuer: format!("spiffe://{}/area/{area}", peer.id.trust_domain),
        subject: peer.id.to_string(),
        area: Some(area),
        device: Some(device),
        user: Some(name),
        names: &[],
        from: peer.not_before,
        until: peer.not_after,
        key: peer.key,
        key_pem,
        der: certificate,
        token: None,
        owner: Some(name),
    };
    record.document(entropy)
}

/// What is read of a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored<'a> {
    #[serde(borrow)]
    pub(super) serial: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    pub(super) area: Option<String>,
    pub(super) device: Option<String>,
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) names: Vec<String>,
    #[serde(borrow)]
    not_before: Cow<'a, str>,
    #[serde(borrow)]
    not_after: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    revoked_at: Option<String>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
}

impl Stored<'_> {
    pub(super) fn from(&self) -> Timestamp {
        Timestamp::parse(&self.not_before).unwrap_or_default()
    }

    pub(super) fn until(&self) -> Timestamp {
        Timestamp::parse(&self.not_after).unwrap_or_default()
    }

    /// When it was revoked, if it was.
    pub(super) fn revoked(&self) -> Option<Timestamp> {
        let at = self.revoked_at.as_deref().and_then(Timestamp::parse).unwrap_or_default();
        (self.state == "REVOKED").then_some(at)
    }

    pub(super) fn key(&self) -> Option<[u8; 32]> {
        mf2c_domain::area::token::unhex(&self.public_key)
    }

    /// The id of the token that it was issued for.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()?.strip_prefix("join-token/")
    }
}

/// The certificate in a document.
#[derive(Deserialize)]
pub(super) struct Pem {
    pub(super) pem: String,
}
