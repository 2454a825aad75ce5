//! `flocker-lease`: who holds a dataset.

use crate::resource::kind::{Field, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The door for Flocker's clients alone adds members; the name of one is that of its dataset.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "flocker-lease",
        title: "FlockerLease",
        tag: "flockerLeases",
        uri: "urn:mf2c:resource:FlockerLease",
        about: "which node holds a dataset, and until when: nobody else gets it, and it is not removed",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.travels();

const FIELDS: &[Field] = &[
    text("node").required("the node that holds it: a UUID"),
    timestamp("until").optional("when it ends; for ever unless said"),
];
