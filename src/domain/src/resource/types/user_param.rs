//! `user-param`: what a user prefers.

use crate::resource::kind::{Field, any_text, nat, pos, word};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "user-param",
        title: "UserParam",
        tag: "userParam",
        uri: "http://sixsq.com/slipstream/1/UserParam",
        about: "the preferences of a user for the older console",
    },
    USERS_MODIFY,
    FIELDS,
);

const FIELDS: &[Field] = &[
    word("paramsType").required("which preferences these are"),
    any_text("defaultCloudService").optional("where things run if nothing else is said"),
    any_text("keepRunning").optional("when things go on running after an end"),
    any_text("mailUsage").optional("when to send mail about usage"),
    nat("verbosityLevel").optional("how much to log"),
    pos("timeout").optional("how long to wait for an end").unit("min"),
    any_text("sshPublicKey").optional("the keys to let in"),
];
