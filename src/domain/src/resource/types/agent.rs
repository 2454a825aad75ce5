//! `agent`: what an agent tells of itself and of its place in the area.

use crate::resource::kind::{Field, Kind, any_text, boolean, list, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "agent",
        title: "Agent",
        tag: "agents",
        uri: "http://schemas.dmtf.org/cimi/2/Agent",
        about: "what an agent is: its device, its leader, its backup and its children",
    },
    USERS_MODIFY,
    FIELDS,
)
.one_per_node()
.travels();

const FIELDS: &[Field] = &[
    text("device_id").required("the device that the agent runs on: its hash, or its resource"),
    any_text("device_ip").required("the device's address; empty while it is not known"),
    boolean("authenticated").required("whether the agent has a valid certificate"),
    boolean("connected").required("whether the agent has a link to its leader"),
    boolean("isLeader").required("whether the agent leads its area"),
    any_text("leader_id").optional("the leader's device"),
    any_text("leader_ip").optional("the leader's address"),
    any_text("leaderAddress").optional("the leader's address as older clients call it"),
    any_text("backup_id").optional("the backup's device"),
    any_text("backup_ip").optional("the backup's address"),
    list("childrenIPs", &Kind::Text).optional("the addresses of the agents that this one leads"),
];
