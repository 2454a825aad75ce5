//! `resource-metadata`: the descriptions of the types, as documents.

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, Kind, any, any_text, boolean, list, map, text};
use crate::resource::spec::{BuiltIn, Names, TypeSpec};
use crate::resource::{all, metadata};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "resource-metadata",
        title: "ResourceMetadata",
        tag: "resourceMetadatas",
        uri: "http://schemas.dmtf.org/cimi/2/ResourceMetadata",
        about: "the description of a resource type",
    },
    COLLECTION,
    FIELDS,
)
.built_in(documents);

const COLLECTION_RULES: &[Rule] = &[Rule::role("ANON", Right::View)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    text("typeURI").required("the resourceURI of the type's members"),
    list("attributes", &Kind::Object(ATTRIBUTE)).required("what members may hold"),
    list("actions", &Kind::Object(ACTION)).required("what can be done"),
    list("capabilities", &Kind::Object(CAPABILITY)).required("what else is particular about the type"),
];

const ATTRIBUTE: &[Field] = &[
    text("name").required("its name"),
    text("type").required("what it holds"),
    boolean("mandatory").required("whether a client must send it"),
    boolean("consumerWritable").required("whether a client may send it"),
    any_text("description").required("what it is, for people"),
    text("unit").optional("the unit of a number"),
    any("default").optional("what it becomes if a client sends none"),
    text("alias").optional("an older name"),
    boolean("sensitive").optional("whether answers leave it out"),
    map("constraints", &Kind::Any).optional("which values are accepted"),
    list("attributes", &Kind::Any).optional("the same for the members of an object"),
    any("items").optional("the same for the items of a list or a map"),
];

const ACTION: &[Field] = &[
    text("name").required("its name"),
    text("uri").required("the `rel` of the operation"),
    text("method").required("the HTTP method"),
    text("description").required("what it does, for people"),
    text("inputMessage").required("the media type of the body"),
    text("outputMessage").required("the media type of the answer"),
];

const CAPABILITY: &[Field] = &[
    text("name").required("its name"),
    text("description").required("what it means"),
    any("value").required("how it is set"),
];

fn documents() -> Vec<BuiltIn> {
    all().iter().map(|spec| BuiltIn { name: spec.name, attributes: metadata(spec), acl: COLLECTION }).collect()
}
