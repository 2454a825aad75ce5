//! `configuration-template`: the patterns of configurations.

use serde_json::json;

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, word};
use crate::resource::spec::{BuiltIn, Names, TypeSpec};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "configuration-template",
        title: "ConfigurationTemplate",
        tag: "configurationTemplates",
        uri: "http://sixsq.com/slipstream/1/ConfigurationTemplate",
        about: "the pattern that a configuration is made from",
    },
    COLLECTION,
    FIELDS,
)
.built_in(documents);

const COLLECTION_RULES: &[Rule] = &[Rule::role("ADMIN", Right::View)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] =
    &[word("service").required("the service that its configurations set up"), word("instance").optional("which one")];

fn documents() -> Vec<BuiltIn> {
    let slipstream = json!({
        "service": "slipstream",
        "name": "Agent",
        "description": "mail server, registration and public address of the agent",
    });
    BuiltIn::document("slipstream", slipstream, COLLECTION).into_iter().collect()
}
