//! `user-profile`: in which parts a device takes part.

use crate::resource::kind::{Field, boolean, pos, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "user-profile",
        title: "UserProfile",
        tag: "userProfiles",
        uri: "http://schemas.dmtf.org/cimi/2/UserProfile",
        about: "whether a device uses services and whether it lends itself to others",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    text("device_id").required("the device"),
    text("user_id").optional("the owner, as older clients send it"),
    boolean("service_consumer").required("whether it uses the services of the area"),
    boolean("resource_contributor").required("whether it runs services for others"),
    pos("max_apps").optional("most services at one time, as older clients send it"),
];
