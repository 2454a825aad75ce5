//! `flocker-dataset`: a volume that outlives the containers that use it, as a client of Flocker wants it.

use crate::resource::kind::{Field, Kind, any_text, boolean, list, map, pos, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The door for Flocker's clients alone adds members; the name of one is the id that the client knows.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "flocker-dataset",
        title: "FlockerDataset",
        tag: "flockerDatasets",
        uri: "urn:mf2c:resource:FlockerDataset",
        about: "a volume that outlives the containers that use it, as a client of Flocker wants it, and where it is",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.travels();

const FIELDS: &[Field] = &[
    text("primary").required("the node that it shall be on: a UUID"),
    map("metadata", &Kind::Text).required("the client's own keys and values"),
    pos("maximum_size").optional("how large it may become; nobody enforces it").unit("B"),
    boolean("deleted").required("whether it shall be gone"),
    list("places", &Kind::Object(PLACE)).required("where it is"),
    any_text("detail").optional("why it is not where it shall be"),
];

const PLACE: &[Field] =
    &[text("device").required("the device"), any_text("path").optional("where it is on the disk of that device")];
