//! What is written anywhere in a fog of real agents gets to those above, survives cuts and kills, and comes once.

use mf2c_tests::{Fog, eventually};

/// A leader and a child.
fn pair() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog
}

#[test]
fn what_a_child_writes_is_at_its_leader_with_its_edits_and_its_end() {
    let fog = pair();
    let id = fog.put("kid", "first");
    fog.reaches("lead", &id);
    fog.agent("kid").send("PUT", &id, Some(r#"{"description":"edited at the child"}"#)).expect(200);
    eventually("the edit", || fog.document("lead", &id)["description"] == "edited at the child");
    assert_eq!(fog.document("lead", &id)["created"], fog.document("kid", &id)["created"]);
    fog.agent("kid").send("DELETE", &id, None).expect(200);
    eventually("the end", || fog.document("lead", &id).is_null());
}

#[test]
fn what_was_written_while_the_leader_was_down_comes_when_it_is_back_in_order_and_once() {
    let mut fog = pair();
    let id = fog.put("kid", "steady");
    fog.reaches("lead", &id);
    fog.kill("lead");
    for step in 0..20 {
        let body = format!(r#"{{"description":"step {step}"}}"#);
        fog.agent("kid").send("PUT", &id, Some(&body)).expect(200);
    }
    let gone = fog.put("kid", "short-lived");
    fog.agent("kid").send("DELETE", &gone, None).expect(200);
    fog.start("lead");
    eventually("the last step", || fog.document("lead", &id)["description"] == "step 19");
    assert!(fog.document("lead", &gone).is_null());
    assert_eq!(fog.count("lead", "steady"), 1);
}

#[test]
fn nothing_acknowledged_at_a_child_is_lost_when_leader_and_child_both_die() {
    let mut fog = pair();
    fog.kill("lead");
    fog.put_many("kid", "bulk", 5000);
    fog.kill("kid");
    fog.start("kid");
    fog.start("lead");
    eventually("all of them at the leader", || fog.count("lead", "bulk") == 5000);
    assert_eq!(fog.count("kid", "bulk"), 5000);
}

#[test]
fn an_edit_at_the_leader_of_a_childs_document_is_made_at_the_child_and_answered_with_the_new_document() {
    let mut fog = pair();
    let id = fog.put("kid", "shared");
    fog.reaches("lead", &id);
    let lead = fog.agent("lead");
    let answer = lead.send("PUT", &id, Some(r#"{"description":"from above"}"#)).expect(200);
    assert_eq!(answer.json()["description"], "from above");
    assert_eq!(fog.document("kid", &id)["description"], "from above");
    // An entity tag of the revision before is refused.
    let url = format!("{}/{id}", lead.api());
    let stale = mf2c_tests::curl([
        "-k",
        "-X",
        "PUT",
        &url,
        "-H",
        "slipstream-authn-info: internal ADMIN",
        "-H",
        "if-match: \"0-0\"",
        "-H",
        "content-type: application/json",
        "--data-binary",
        "{}",
    ]);
    assert_eq!(stale.status, 412, "{}", stale.text());
    // The child is away: not now, unless it may wait.
    fog.kill("kid");
    let lead = fog.agent("lead");
    let refused = lead.send("PUT", &id, Some(r#"{"description":"later"}"#)).expect(503);
    assert!(refused.message().contains("override=true"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let waits = lead.send("PUT", &format!("{id}?override=true"), Some(r#"{"description":"later"}"#)).expect(202);
    assert!(waits.header("location").is_some_and(|to| to.starts_with("proposal/")), "{}", waits.head);
    fog.start("kid");
    eventually("the edit that waited", || fog.document("kid", &id)["description"] == "later");
    eventually("it comes back", || fog.document("lead", &id)["description"] == "later");
    fog.agent("lead").send("DELETE", &id, None).expect(200);
    eventually("the deletion at the child", || fog.document("kid", &id).is_null());
}

#[test]
fn three_levels_hold_what_is_below_them_and_a_child_that_died_for_good_is_still_known_above() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    let id = fog.put("kid", "deep");
    fog.reaches("lead", &id);
    fog.reaches("cloud", &id);
    fog.kill("lead");
    let late = fog.put("kid", "late");
    fog.start("lead");
    fog.reaches("cloud", &late);
    fog.kill("kid");
    assert_eq!(fog.document("cloud", &id)["name"], "deep");
}
