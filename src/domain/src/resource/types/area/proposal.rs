//! `proposal`: an edit of another agent's document that waits for that agent.

use crate::acl::Acl;
use crate::resource::kind::{Field, Fill, Kind, href, list, map, nat, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type. An edit with `override=true` adds members; deleting one takes the edit back.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "proposal",
        title: "Proposal",
        tag: "proposals",
        uri: "urn:mf2c:resource:Proposal",
        about: "an edit of a document that belongs to an agent which is away; it is made when that agent is back",
    },
    Acl::of_admin(&[]),
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true });

const FIELDS: &[Field] = &[
    href("resource").required("the document"),
    text("origin").required("the agent that orders its edits: the name of its node"),
    one_of("operation", &["edit", "delete"]).required("what shall be done"),
    map("changes", &Kind::Any).optional("attributes to set"),
    list("removed", &Kind::Text).optional("attributes to remove"),
    text("by").required("who asked"),
    text("time").required("when, as a hybrid time in decimal digits"),
    nat("base").required("the number of the origin's change that it is based on"),
    one_of("state", &["WAITING", "REFUSED"]).required("how it stands").or(Fill::Text("WAITING")),
    timestamp("expires").optional("when it is given up"),
    text("reason").optional("why the origin refused it"),
];
