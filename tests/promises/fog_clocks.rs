//! Clocks that are wrong: a child hours ahead, or put back, under real agents whose wall clock is turned while they run.
//!
//! Proves over real TLS: R13, R14 of the cluster's vectors. Where no C compiler is, it says so and proves nothing.

use mf2c_tests::{Clock, Fog, eventually};
use serde_json::json;

/// A leader, a child whose clock can be turned, and another one.
fn three(clock: &Clock) -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    for (key, value) in clock.environment() {
        fog.set("ahead", key, &value);
    }
    fog.found("lead", "pier");
    fog.add("ahead", "lead");
    fog.add("right", "lead");
    fog
}

fn number(fog: &Fog, name: &str, id: &str, number: u32) {
    let _ = fog.agent(name).send("PUT", id, Some(&json!({ "num_agents": number }).to_string())).expect(200);
}

fn updated(fog: &Fog, name: &str, id: &str) -> String {
    fog.document(name, id)["updated"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn r13_a_child_two_hours_ahead_orders_nobody_elses_changes_and_is_refused_until_its_clock_is_right() {
    let Some(clock) = Clock::new() else { return };
    let mut fog = three(&clock);
    let (made, other) = (fog.put("ahead", "made"), fog.put("right", "other"));
    fog.reaches("lead", &made);
    fog.reaches("lead", &other);
    // While the link is open the changes come in their order, however they are dated.
    clock.turn(7200);
    number(&fog, "ahead", &made, 1);
    eventually("its edit", || fog.document("lead", &made)["num_agents"] == 1);
    let future = updated(&fog, "lead", &made);
    clock.turn(0);
    number(&fog, "ahead", &made, 2);
    eventually("its next edit", || fog.document("lead", &made)["num_agents"] == 2);
    // Whoever comes later still wins, also from elsewhere.
    number(&fog, "lead", &made, 3);
    assert_eq!(fog.document("ahead", &made)["num_agents"], 3);
    // Nobody else's time has jumped.
    number(&fog, "right", &other, 9);
    eventually("the edit of another", || fog.document("lead", &other)["num_agents"] == 9);
    let own = fog.put("lead", "own");
    for (name, id) in [("lead", &other), ("lead", &own)] {
        assert!(updated(&fog, name, id) < future, "{} is not before {future}", updated(&fog, name, id));
    }
    assert!(updated(&fog, "lead", &own) >= updated(&fog, "lead", &other));

    // A new link is refused while the clocks differ by so much. The child works on.
    clock.turn(7200);
    fog.kill("lead");
    fog.start("lead");
    eventually("the refusal", || {
        fog.agent("ahead").log().contains("clock_skew") || fog.agent("lead").log().contains("clock")
    });
    let waits = fog.put("ahead", "waits");
    number(&fog, "right", &other, 10);
    eventually("the other child goes on", || fog.document("lead", &other)["num_agents"] == 10);
    assert!(fog.document("lead", &waits).is_null());
    clock.turn(0);
    fog.reaches("lead", &waits);
    assert_eq!(fog.document("lead", &made)["num_agents"], fog.document("ahead", &made)["num_agents"]);
}

#[test]
fn r14_after_a_clock_was_put_back_an_hour_what_is_written_later_still_counts() {
    let Some(clock) = Clock::new() else { return };
    let fog = three(&clock);
    let made = fog.put("ahead", "made");
    number(&fog, "ahead", &made, 1);
    eventually("the first edit", || fog.document("lead", &made)["num_agents"] == 1);
    let before = updated(&fog, "lead", &made);
    clock.turn(-3600);
    number(&fog, "ahead", &made, 2);
    eventually("the second", || fog.document("lead", &made)["num_agents"] == 2);
    number(&fog, "lead", &made, 3);
    number(&fog, "ahead", &made, 4);
    eventually("the last", || fog.document("lead", &made)["num_agents"] == 4);
    assert!(updated(&fog, "ahead", &made) >= before, "the own time does not go back");
}
