//! Each limit of an owner's at its edge, and what follows when it is broken.

use mf2c_domain::time::Timestamp;
use proptest::prelude::*;

use super::*;

fn profile(body: &str) -> UserProfile {
    UserProfile::read("user-profile/1", body.as_bytes()).unwrap()
}

fn lender() -> UserProfile {
    profile(r#"{"service_consumer":true,"resource_contributor":true}"#)
}

fn sharing(body: &str) -> SharingModel {
    SharingModel::read("sharing-model/1", body.as_bytes()).unwrap()
}

fn half() -> SharingModel {
    sharing(
        r#"{"gps_allowed":false,"max_apps":2,"max_cpu_usage":50,"max_memory_usage":50,"max_storage_usage":50,
        "max_bandwidth_usage":50,"battery_limit":50}"#,
    )
}

fn dynamic(body: &str) -> Dynamic {
    Dynamic::read(body.as_bytes()).unwrap()
}

fn codes(reasons: &[PolicyReason]) -> Vec<&'static str> {
    reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn cpu(percent: u32) -> Shares {
    Shares { cpu: Percent::whole(percent), ..Shares::default() }
}

#[test]
fn a_device_runs_services_only_if_its_owner_said_so() {
    let (lender, half) = (lender(), half());
    let asked = Question { profile: Some(&lender), sharing: Some(&half), must_have_said: true, ..Question::default() };
    assert!(verdict(&asked).allowed);
    let no = profile(r#"{"service_consumer":true,"resource_contributor":false}"#);
    for (question, says) in [
        (Question { profile: None, ..asked }, vec!["user_profile"]),
        (Question { profile: Some(&no), ..asked }, vec!["resource_contributor"]),
        (Question { sharing: None, ..asked }, vec!["sharing_model"]),
        (Question { profile: None, sharing: None, ..asked }, vec!["user_profile", "sharing_model"]),
        (Question { profile: None, sharing: None, must_have_said: false, ..asked }, vec![]),
        (Question { profile: Some(&no), must_have_said: false, ..asked }, vec!["resource_contributor"]),
    ] {
        let verdict = verdict(&question);
        assert_eq!((codes(&verdict.reasons), verdict.allowed), (says.clone(), says.is_empty()));
    }
}

#[test]
fn limits_hold_at_their_edge_and_every_broken_one_is_told() {
    let half = half();
    let asked = Question { sharing: Some(&half), ..Question::default() };
    for (question, says) in [
        (Question { apps: 1, ..asked }, vec![]),
        (Question { apps: 2, ..asked }, vec!["max_apps"]),
        (Question { used: cpu(30), requested: cpu(20), ..asked }, vec![]),
        (Question { used: cpu(30), requested: cpu(21), ..asked }, vec!["cpu_usage"]),
        // What takes nothing more is not refused for what others take.
        (Question { used: cpu(80), ..asked }, vec![]),
        (Question { wants_position: true, ..asked }, vec!["gps_allowed"]),
        (
            Question {
                apps: 9,
                wants_position: true,
                requested: Shares {
                    cpu: Percent::FULL,
                    memory: Percent::FULL,
                    storage: Percent::FULL,
                    bandwidth: Percent::FULL,
                },
                ..asked
            },
            vec!["max_apps", "cpu_usage", "memory_usage", "storage_usage", "bandwidth_usage", "gps_allowed"],
        ),
    ] {
        assert_eq!(codes(&verdict(&question).reasons), says, "{question:?}");
    }
    let reason = &verdict(&Question { used: cpu(30), requested: cpu(21), ..asked }).reasons[0];
    assert_eq!(reason.to_string(), "the owner lends 50% of the processor, and 51% is taken");
    let json = serde_json::to_value(reason).unwrap();
    assert_eq!(json, serde_json::json!({"code": "cpu_usage", "limit": 50.0, "actual": 51.0}));
}

#[test]
fn whoever_lends_all_lends_it_once() {
    let all = sharing(r#"{"max_cpu_usage":100,"max_apps":9}"#);
    let asked = Question { sharing: Some(&all), used: cpu(60), ..Question::default() };
    assert!(verdict(&Question { requested: cpu(40), ..asked }).allowed);
    assert_eq!(codes(&verdict(&Question { requested: cpu(41), ..asked }).reasons), ["cpu_usage"]);
}

#[test]
fn a_battery_counts_only_without_mains_power_and_only_if_it_can_be_read() {
    let half = half();
    for (body, passes) in [
        (r#"{"powerRemainingStatus":"50.1"}"#, true),
        (r#"{"powerRemainingStatus":"50"}"#, false),
        (r#"{"powerRemainingStatus":"3","powerPlugged":false}"#, false),
        (r#"{"powerRemainingStatus":"3","powerPlugged":true}"#, true),
        (r#"{"powerRemainingStatus":"Unlimited"}"#, true),
        (r#"{"powerRemainingStatus":"unknown"}"#, true),
        ("{}", true),
    ] {
        let dynamic = dynamic(body);
        let question = Question { sharing: Some(&half), dynamic: Some(&dynamic), ..Question::default() };
        assert_eq!(codes(&verdict(&question).reasons).is_empty(), passes, "{body}");
        let running = Question { apps: 1, ..question };
        assert_eq!(codes(&violations(&running)).is_empty(), passes, "{body}");
    }
}

#[test]
fn who_may_not_use_services_asks_in_vain() {
    assert_eq!(may_consume(None), None);
    assert_eq!(may_consume(Some(&lender())), None);
    let no = profile(r#"{"service_consumer":false,"resource_contributor":true}"#);
    assert_eq!(may_consume(Some(&no)).unwrap().code, PolicyCode::ServiceConsumer);
}

#[test]
fn what_runs_breaks_a_limit_beyond_it_and_nothing_is_broken_where_nothing_runs() {
    let (half, no) = (half(), profile("{}"));
    let running = Question { sharing: Some(&half), apps: 2, ..Question::default() };
    for (question, says) in [
        (running, vec![]),
        (Question { apps: 3, ..running }, vec!["max_apps"]),
        (Question { used: cpu(50), ..running }, vec![]),
        (Question { used: cpu(51), ..running }, vec!["cpu_usage"]),
        (Question { profile: Some(&no), ..running }, vec!["resource_contributor"]),
        (Question { wants_position: true, ..running }, vec!["gps_allowed"]),
        (Question { apps: 0, profile: Some(&no), used: cpu(90), ..running }, vec![]),
        (Question { sharing: None, profile: None, ..running }, vec![]),
    ] {
        assert_eq!(codes(&violations(&question)), says, "{question:?}");
    }
}

fn at(instance: &str, second: i64, uses_position: bool) -> Running<'_> {
    Running { instance, index: 0, started: Some(Timestamp::from_millis(second * 1000)), uses_position }
}

#[test]
fn the_youngest_goes_by_its_start_then_its_id() {
    let starting = Running { started: None, ..at("service-instance/0", 0, false) };
    let (old, new) = (at("service-instance/z", 1, true), at("service-instance/a", 2, false));
    let same = at("service-instance/b", 2, false);
    let too_many = [apps(&half(), 3)];
    for (running, youngest) in
        [(vec![old, new], new), (vec![new, old, same], same), (vec![same, starting, new], starting)]
    {
        assert_eq!(respond(Measure::StopYoungest, &too_many, &running), Response::Stop(youngest));
        assert_eq!(respond(Measure::Move, &too_many, &running), Response::Move(youngest));
        assert_eq!(respond(Measure::Warn, &too_many, &running), Response::Warn);
    }
    assert_eq!(respond(Measure::Move, &[], &[old]), Response::Nothing);
    assert_eq!(respond(Measure::Move, &too_many, &[]), Response::Warn);
    // Where the position alone is in the way, who does not use it stays.
    assert_eq!(respond(Measure::StopYoungest, &[position()], &[old, new]), Response::Stop(old));
    assert_eq!(respond(Measure::StopYoungest, &[position()], &[new]), Response::Warn);
}

#[test]
fn measures_are_named_as_in_a_configuration() {
    for (name, measure) in [("warn", Measure::Warn), ("stop-youngest", Measure::StopYoungest), ("move", Measure::Move)]
    {
        assert_eq!(serde_json::from_str::<Measure>(&format!("\"{name}\"")).unwrap(), measure);
    }
}

proptest! {
    #[test]
    fn less_taken_and_more_lent_never_makes_a_yes_a_no(
        used in 0..120u32, requested in 0..120u32, limit in 1..120u32,
        apps in 0..5u32, max in 1..5u32, more in 0..50u32,
    ) {
        let model = |limit: u32, max: u32| sharing(&format!(r#"{{"max_cpu_usage":{limit},"max_apps":{max}}}"#));
        let (strict, generous) = (model(limit, max), model(limit + more, max + 1));
        let (used_now, requested) = (cpu(used), cpu(requested));
        let tight = Question { sharing: Some(&strict), apps, used: used_now, requested, ..Question::default() };
        if verdict(&tight).allowed {
            let more_lent = Question { sharing: Some(&generous), ..tight };
            let less_taken = Question { used: cpu(used.saturating_sub(more)), apps: apps.saturating_sub(1), ..tight };
            prop_assert!(verdict(&more_lent).allowed && verdict(&less_taken).allowed);
        }
    }
}
