//! `certificate`: what an authority of this agent has issued.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, href, list, one_of, text, timestamp};
use crate::resource::spec::{Action, Names, Offered, TypeSpec, USERS_VIEW, Verbs};
use crate::time::Timestamp;

/// The description of the type. The agent alone adds members; the name of one is its serial number in hexadecimal.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "certificate",
        title: "Certificate",
        tag: "certificates",
        uri: "urn:mf2c:resource:Certificate",
        about: "a certificate that an authority of this agent has issued, or that lets a user sign in here",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.descending("created")
.actions(&[Action {
    name: "revoke",
    rel: "revoke",
    about: "ends it before its time: what it proves counts no longer, and its connections are closed",
    methods: &["POST"],
    body: Some(&[text("reason").optional("why, in a few words; kept with the certificate")]),
    success: 200,
    to: Offered::Editors,
    when: is_valid,
}])
.kept_on_disk();

fn is_valid(certificate: &Map<String, Value>, now: Timestamp) -> bool {
    let end = certificate.get("notAfter").and_then(Value::as_str).and_then(Timestamp::parse);
    certificate.get("state").is_some_and(|state| state == "VALID") && end.is_none_or(|end| now < end)
}

const FIELDS: &[Field] = &[
    text("serial").required("its serial number, in lower-case hexadecimal"),
    one_of("kind", &["root", "area", "agent", "leader", "user", "legacy"]).required("what it was issued as"),
    text("issuer").required("which authority issued it: the name in its certificate"),
    text("subject").required("whom it names: a SPIFFE ID, or a distinguished name where it has none"),
    text("area").optional("the area"),
    text("device").optional("the device"),
    text("user").optional("the user"),
    list("names", &Kind::Text).optional("the host names and addresses that it holds besides"),
    timestamp("notBefore").required("from when it holds"),
    timestamp("notAfter").required("until when it holds"),
    one_of("state", &["VALID", "REVOKED"]).required("whether it still counts").or(Fill::Text("VALID")),
    timestamp("revokedAt").optional("when it was revoked"),
    text("reason").optional("why it was revoked"),
    text("publicKey").required("the certified public key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal"),
    text("publicKeyPem").optional("the certified public key in PEM, for who encrypts to its owner"),
    text("pem").required("the certificate in PEM"),
    href("token").optional("the join token that it was issued for"),
];
