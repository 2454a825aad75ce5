//! Certificates of users of a member that the authority at its leader takes back.

use std::time::Duration;

use mf2c_tests::{eventually, let_pass};
use serde_json::json;

use super::place::{Follower, Place, Talk, start};

#[test]
fn what_the_leader_revokes_ends_open_connections_and_streams_at_the_member() {
    let leader = Place::new();
    let member = Place::without_area(start());
    let token = leader.command("token create").expect(0).out;
    let _ = member.command(&format!("join {}", token.trim_end())).expect(0);
    member.user("jane", false);
    let [held, other] = [member.certify("jane", None), member.certify("jane", None)];
    let mut talks = [&held, &other].map(|held| Talk::open(&member, held));
    let mut streams = [&held, &other].map(|held| Follower::open(&member, held));
    for talk in &mut talks {
        assert_eq!(talk.get("device").0, 200);
    }
    let serial = held.id.split('/').next_back().unwrap();
    let _ = leader.command(&format!("ca revoke {serial}")).expect(0);
    eventually("the end of the connection's rights", || {
        let (status, said) = talks[0].get("device");
        status == 403 && said == "credentials required: the client certificate has been revoked"
    });
    eventually("the end of the stream", || streams[0].has_ended());
    assert!(member.refused(&held).contains("certificate revoked"));
    let shown = member.admin("GET", &held.id, None).expect(200).json();
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("REVOKED"), &json!("the authority of the area has revoked it"))
    );
    // The other certificate of the same user goes on.
    let_pass(Duration::from_millis(500));
    assert_eq!(talks[1].get("device").0, 200);
    assert!(!streams[1].has_ended());
}
