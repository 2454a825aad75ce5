//! `configuration`: what administrators set for the services around the store.

use serde_json::{Map, Value};

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, Fill, boolean, object, one_of, port, text, word};
use crate::resource::spec::{Names, TypeSpec};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "configuration",
        title: "Configuration",
        tag: "configurations",
        uri: "http://sixsq.com/slipstream/1/Configuration",
        about: "the settings of one service of the agent, such as its mail server",
    },
    COLLECTION,
    FIELDS,
)
.named(&["service", "instance"], name)
.rework(unwrap_template);

const COLLECTION_RULES: &[Rule] = &[Rule::role("ADMIN", Right::Modify)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    word("service").required("the service that it sets up").or(Fill::Text("slipstream")),
    word("instance").optional("which one, where there are several"),
    object("configurationTemplate", TEMPLATE).optional("the template that it was made from"),
    text("serviceURL").optional("the address under which people reach the agent"),
    text("supportEmail").optional("whom to ask for help"),
    text("mailHost").optional("the mail server"),
    port("mailPort").optional("the mail server's port"),
    boolean("mailSSL").optional("whether mail is sent over TLS from the first byte"),
    boolean("mailDebug").optional("whether the talk with the mail server is logged"),
    text("mailUsername").optional("the name at the mail server"),
    text("mailPassword").optional("the password at the mail server").secret(),
    boolean("registrationEnable").optional("whether people may register themselves"),
    text("registrationEmail").optional("the sender of registration mails"),
    text("termsAndConditions").optional("where the terms of use are"),
];

const TEMPLATE: &[Field] = &[one_of("href", &["configuration-template/slipstream"]).required("the template's id")];

/// `configuration/<service>`, or `configuration/<service>-<instance>`.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let service = attributes.get("service")?.as_str()?;
    Some(match attributes.get("instance").and_then(Value::as_str) {
        Some(instance) => format!("{service}-{instance}"),
        None => service.to_owned(),
    })
}

/// Clients send the settings inside the template's link; what stands beside it counts more.
fn unwrap_template(body: &mut Map<String, Value>) {
    let Some(Value::Object(template)) = body.get_mut("configurationTemplate") else { return };
    let mut settings = std::mem::take(template);
    if let Some(href) = settings.remove("href") {
        template.insert("href".to_owned(), href);
    }
    for (key, value) in settings {
        body.entry(key).or_insert(value);
    }
}
