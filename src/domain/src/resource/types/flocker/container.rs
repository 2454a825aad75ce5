//! `flocker-container`: a container as a client of Flocker wants it.

use crate::resource::kind::{Field, Kind, any_text, boolean, list, map, nat, one_of, port, pos, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The door for Flocker's clients alone adds members.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "flocker-container",
        title: "FlockerContainer",
        tag: "flockerContainers",
        uri: "urn:mf2c:resource:FlockerContainer",
        about: "a container as a client of Flocker wants it, and the service instance that carries it out",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.travels();

const FIELDS: &[Field] = &[
    text("name").required("its name, which no other container has"),
    text("node").required("the node that it shall run on: a UUID"),
    text("image").required("the image, with its tag"),
    list("ports", &Kind::Object(PORT)).optional("which port inside is reached at which port of the node"),
    map("environment", &Kind::Text).optional("variables of its environment"),
    one_of("restart", &["never", "on-failure", "always"]).required("when it is started again"),
    pos("attempts").optional("so often at most, after failures"),
    list("command", &Kind::Text).optional("its arguments"),
    pos("cpu_shares").optional("its weight among the containers of the node"),
    pos("memory_limit").optional("main memory").unit("B"),
    list("volumes", &Kind::Object(VOLUME)).optional("the dataset that it works with"),
    list("links", &Kind::Object(LINK)).optional("ports of other containers that it is told of"),
    text("user").required("whose container it is: it is carried out with his rights"),
    boolean("trusted").optional("whether the user has no account here, and the operator trusts his certificate"),
    one_of("desired", &["running", "deleted"]).required("what shall become of it"),
    nat("launches").required("how often it was launched"),
    text("instance").optional("the service instance that it is"),
    text("placed").optional("the node that this instance was launched for"),
    text("leaving").optional("the service instance that it was, while that one is being removed"),
    any_text("detail").optional("why it is not carried out, or does not run"),
];

const PORT: &[Field] =
    &[port("internal").required("the port inside"), port("external").required("the port of the node")];

const VOLUME: &[Field] =
    &[text("dataset").required("the dataset: a UUID"), text("mountpoint").required("where the container finds it")];

const LINK: &[Field] = &[
    text("alias").required("what the other is called in variables of the environment"),
    port("local_port").required("which port the variables speak of"),
    port("remote_port").required("the external port of the other container"),
];
