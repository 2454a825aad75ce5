//! `cloud-entry-point`: the directory of collections. There is one; it is no collection itself.

use crate::acl::{Acl, Right, Rule};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type. Only the common attributes can be edited; the rest of the directory is made for each
/// caller.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "cloud-entry-point",
        title: "CloudEntryPoint",
        tag: "cloudEntryPoints",
        uri: "http://schemas.dmtf.org/cimi/2/CloudEntryPoint",
        about: "the directory of all collections",
    },
    VISIBLE,
    &[],
)
.verbs(Verbs { add: false, edit: true, delete: false })
.default_rules(VISIBLE_RULES);

const VISIBLE_RULES: &[Rule] = &[Rule::role("ANON", Right::View), Rule::role("ADMIN", Right::All)];
const VISIBLE: Acl = Acl::of_admin(VISIBLE_RULES);
