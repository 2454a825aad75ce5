//! What the agent's own documents say of its place in the area.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, Standing};
use serde_json::{Map, Value, json};

use super::members::{host, object};

/// The attributes of `agent` that are kept up here. The others are the inventory's.
pub(super) const AGENT: [&str; 9] = [
    "authenticated",
    "connected",
    "isLeader",
    "leader_id",
    "leader_ip",
    "leaderAddress",
    "backup_id",
    "backup_ip",
    "childrenIPs",
];

/// Those attributes. Whoever leads has the agent above for a leader, as in the original, or none; `linked` tells to whom
/// there is a link.
pub(super) fn agent(
    standing: &Standing,
    declared_leader: bool,
    linked: impl Fn(&SpiffeId) -> bool,
    children: &BTreeSet<IpAddr>,
) -> Map<String, Value> {
    let leader = if standing.leads() { standing.upper.as_ref() } else { standing.leader.as_ref() };
    let connected = leader.map_or(standing.leads(), |leader| linked(&leader.id));
    let mut all = json!({
        "authenticated": standing.own.is_some(),
        "connected": connected,
        "isLeader": is_leader(standing, declared_leader),
    });
    let backup = standing.backups.iter().find(|backup| Some(&backup.id) != standing.own.as_ref());
    for (peer, id, ip) in [(leader, "leader_id", "leader_ip"), (backup, "backup_id", "backup_ip")] {
        let Some(AreaPeer { id: spiffe, address }) = peer else { continue };
        all[id] = spiffe.device().unwrap_or_default().into();
        all[ip] = host(address).into();
    }
    if let Some(leader) = leader {
        all["leaderAddress"] = host(&leader.address).into();
    }
    if standing.leads() {
        all["childrenIPs"] = children.iter().map(ToString::to_string).collect::<Vec<_>>().into();
    }
    object(all)
}

/// Whether the agent leads. Outside of any area it is what its configuration says.
pub(super) fn is_leader(standing: &Standing, declared: bool) -> bool {
    if standing.own.is_some() { standing.leads() } else { declared }
}

#[cfg(test)]
mod tests {
    use mf2c_domain::area::standing::AreaRole;

    use super::*;

    fn peer(name: &str) -> AreaPeer {
        let id = format!("spiffe://d/area/a1/agent/{name}").parse().unwrap();
        AreaPeer { id, address: format!("10.0.0.{}:8444", name.len()) }
    }

    fn standing(role: AreaRole) -> Standing {
        let (own, leader) = (peer("me").id, peer("boss"));
        Standing {
            own: Some(own),
            role,
            leader: Some(leader),
            backups: vec![peer("me"), peer("b"), peer("bb")],
            ..Standing::default()
        }
    }

    #[test]
    fn a_child_names_its_leader_and_the_first_other_backup_and_has_no_children() {
        let children = BTreeSet::from([IpAddr::from([10, 0, 0, 9])]);
        let all = agent(&standing(AreaRole::Backup), true, |id| id.device() == Some("boss"), &children);
        let expected = json!({
            "authenticated": true, "connected": true, "isLeader": false,
            "leader_id": "boss", "leader_ip": "10.0.0.4", "leaderAddress": "10.0.0.4",
            "backup_id": "b", "backup_ip": "10.0.0.1",
        });
        assert_eq!(Value::Object(all), expected);
        let cut_off = agent(&standing(AreaRole::Agent), true, |_| false, &children);
        assert_eq!(cut_off["connected"], false);
    }

    #[test]
    fn a_leader_has_children_and_the_agent_above_for_a_leader() {
        let children = BTreeSet::from([IpAddr::from([10, 0, 0, 11]), IpAddr::from([10, 0, 0, 9])]);
        let alone = agent(&standing(AreaRole::Leader), false, |_| false, &children);
        assert_eq!((&alone["isLeader"], &alone["connected"]), (&json!(true), &json!(true)));
        assert_eq!(alone["childrenIPs"], json!(["10.0.0.9", "10.0.0.11"]));
        assert!(!alone.contains_key("leader_id"));
        let below = Standing { upper: Some(peer("cloud")), ..standing(AreaRole::Leader) };
        let below = agent(&below, false, |_| false, &children);
        assert_eq!((&below["leader_id"], &below["connected"]), (&json!("cloud"), &json!(false)));
    }

    #[test]
    fn outside_of_any_area_an_agent_is_what_its_configuration_says() {
        let all = agent(&Standing::default(), true, |_| true, &BTreeSet::new());
        assert_eq!(Value::Object(all), json!({"authenticated": false, "connected": false, "isLeader": true}));
    }
}
