//! `area-member`: what the leader of an area knows of one of its agents.

use crate::resource::kind::{Field, any_text, boolean, nat, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, USERS_VIEW_RULES, Verbs};

/// The description of the type. The leader alone adds members; the name of one begins as the
/// `deviceID` does. It also writes the events about them: a link that comes and goes must not fill the store with those.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "area-member",
        title: "AreaMember",
        tag: "areaMembers",
        uri: "urn:mf2c:resource:AreaMember",
        about: "an agent of the area as its leader sees it: what it is there, and whether it is in touch",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.default_rules(USERS_VIEW_RULES)
.travels();

const FIELDS: &[Field] = &[
    text("agent").required("whom its certificate names: a SPIFFE ID"),
    text("device").required("its `deviceID`"),
    text("area").required("its area"),
    any_text("node").optional("the name in the ids of its own documents"),
    any_text("address").optional("where it takes links from others, as host:port"),
    one_of("role", &["agent", "backup", "leader"]).required("what it is in the area"),
    nat("term").optional("of which term its leadership is, where it leads"),
    one_of("status", &["connected", "disconnected", "unavailable", "forgotten"])
        .required("whether the leader is in touch with it, or an operator has forgotten it"),
    timestamp("lastContact").optional("when it was last heard of, where it is not connected"),
    timestamp("staleSince").optional("since when its documents here may be behind its own"),
    boolean("expected").optional("whether it is on the leader's list of children and has not come yet"),
    nat("clockSkewMillis").optional("how far its clock differs, where that is worth a note").unit("ms"),
    timestamp("forgottenAt").optional("when it was forgotten: nobody keeps copies of what it had until then"),
    any_text("life").optional("the life of its store that is forgotten, a number"),
    nat("changes").optional("the newest change in that life that is forgotten"),
    any_text("trouble").optional("what is wrong with it, for people"),
];
