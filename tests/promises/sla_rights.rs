//! Agreements are between those who have a part in them: nobody else's reports, instances, names or words count.

use mf2c_tests::{Agent, Answer, Start, eventually};
use serde_json::{Value, json};

use crate::sla::terms;

const ADMIN: &str = "internal ADMIN";
const ALICE: &str = "alice USER";
const BOB: &str = "bob USER";

fn send(agent: &Agent, who: &str, method: &str, path: &str, body: &Value) -> Answer {
    agent.send_as(Some(who), method, path, Some(&body.to_string()))
}

fn post(agent: &Agent, who: &str, kind: &str, body: &Value) -> String {
    send(agent, who, "POST", kind, body).expect(201).id()
}

fn promise(name: &str) -> Value {
    terms(name, "started", &[("*", "execution_time < 10")])
}

fn instance(agreement: &str) -> Value {
    let mut body = json!({"user": "u", "status": "started", "service": "service/1", "agents": []});
    if !agreement.is_empty() {
        body["agreement"] = json!(agreement);
    }
    body
}

fn report(instance: &str, seconds: f64) -> Value {
    json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": seconds})
}

fn assessed(agent: &Agent) {
    let sent = agent.metric("mf2c_store_position");
    eventually("everything is assessed", || agent.metric("mf2c_sla_position") >= sent);
}

fn refused(answer: Answer, why: &str) {
    let text = answer.expect(403).json()["message"].to_string();
    assert!(text.contains(why), "{text}");
}

#[test]
fn a_name_reaches_the_instances_of_its_owner_and_the_administrators_reach_all() {
    let agent = Start::new().agent();
    let (bobs, own) =
        (post(&agent, BOB, "agreement", &promise("*")), post(&agent, BOB, "service-instance", &instance("")));
    let (early, link) = (post(&agent, ALICE, "service-instance", &instance("")), |id: &str| {
        agent.send("GET", id, None).expect(200).json()["agreement"].clone()
    });
    eventually("it finds his own", || link(&own) == *bobs);
    assert_eq!(link(&early), "", "bob's name is not hers");
    let star = post(&agent, ADMIN, "agreement", &promise("*"));
    eventually("the platform's reaches her", || link(&early) == *star);
    let alices = post(&agent, ALICE, "agreement", &promise("*"));
    let late = post(&agent, ALICE, "service-instance", &instance(""));
    eventually("her own comes first", || link(&late) == *alices);
}

#[test]
fn reports_and_instances_come_from_who_has_a_part_in_them() {
    let agent = Start::new().agent();
    let agreement = post(&agent, ALICE, "agreement", &promise("alice"));
    let running = post(&agent, ALICE, "service-instance", &instance(&agreement));
    let kind = "service-operation-report";
    refused(send(&agent, BOB, "POST", kind, &report(&running, 50.0)), "who may change the instance");
    let mut forged = report(&running, 50.0);
    forged["acl"] = json!({"owner": {"principal": "alice", "type": "USER"}});
    refused(send(&agent, BOB, "POST", kind, &forged), "who may change the instance");
    refused(send(&agent, BOB, "POST", "service-instance", &instance(&agreement)), "its maker may see");
    let bobs = post(&agent, BOB, "service-instance", &instance(""));
    refused(send(&agent, BOB, "PUT", &bobs, &json!({"agreement": agreement})), "its maker may see");
    let own = post(&agent, BOB, kind, &report(&bobs, 50.0));
    let moved = json!({"serviceInstance": {"href": running}});
    refused(send(&agent, BOB, "PUT", &own, &moved), "who may change the instance");
    // In a list each is looked at for itself.
    let list = json!([report(&running, 50.0), report(&bobs, 50.0)]);
    let answer = send(&agent, BOB, "POST", kind, &list).expect(200).json();
    assert_eq!((&answer["results"][0]["status"], &answer["results"][1]["status"]), (&json!(403), &json!(201)));
    assessed(&agent);
    assert_eq!(agent.metric("mf2c_sla_violations_total"), 0);
    // Who may change the agreement may report as well: a platform does so for its users.
    post(&agent, ADMIN, kind, &report(&running, 50.0));
    post(&agent, ALICE, kind, &report(&running, 50.0));
    assessed(&agent);
    assert_eq!(agent.metric("mf2c_sla_violations_total"), 2);
}

#[test]
fn an_agreement_an_instance_and_a_service_are_made_in_nobody_elses_name() {
    let agent = Start::new().agent();
    let owned = |mut body: Value, kind: &str, name: &str| {
        body["acl"] = json!({"owner": {"principal": name, "type": kind}, "rules": []});
        body
    };
    let service = json!({"name": "foo", "exec": "x", "exec_type": "docker", "agent_type": "normal"});
    for (kind, body, admins) in
        [("agreement", promise("*"), 403), ("service-instance", instance(""), 201), ("service", service, 201)]
    {
        refused(send(&agent, BOB, "POST", kind, &owned(body.clone(), "USER", "alice")), "somebody else");
        let _ = send(&agent, BOB, "POST", kind, &owned(body.clone(), "ROLE", "ADMIN")).expect(admins);
        let own = post(&agent, BOB, kind, &owned(body.clone(), "USER", "bob"));
        refused(send(&agent, BOB, "PUT", &own, &owned(json!({}), "USER", "alice")), "somebody else");
        let _ = send(&agent, ADMIN, "PUT", &own, &owned(json!({}), "USER", "alice")).expect(200);
    }
}

#[test]
fn what_was_found_is_seen_with_the_agreement_and_changed_by_administrators_alone() {
    let agent = Start::new().agent();
    let mut shared = promise("shared");
    shared["acl"] = json!({
        "owner": {"principal": "alice", "type": "USER"},
        "rules": [{"principal": "carol", "type": "USER", "right": "MODIFY"}],
    });
    let agreement = post(&agent, ALICE, "agreement", &shared);
    let running = post(&agent, ALICE, "service-instance", &instance(&agreement));
    post(&agent, ALICE, "service-operation-report", &report(&running, 50.0));
    assessed(&agent);
    let found = agent.send("GET", "sla-violation", None).expect(200).json()["slaViolations"][0].clone();
    let id = found["id"].as_str().unwrap();
    for (who, seen) in [(ALICE, 200), ("carol USER", 200), (BOB, 403)] {
        let _ = agent.send_as(Some(who), "GET", id, None).expect(seen);
        let _ = send(&agent, who, "PUT", id, &json!({"guarantee": "none"})).expect(403);
        let _ = agent.send_as(Some(who), "DELETE", id, None).expect(403);
    }
    let told = json!({
        "agreement_id": {"href": agreement}, "guarantee": "*", "datetime": "2030-01-01T00:00:00Z", "constraint": "x < 1",
        "values": {"x": 2},
    });
    refused(send(&agent, BOB, "POST", "sla-violation", &told), "who may change it");
    let due = json!({
        "agreement_id": {"href": agreement}, "guarantee": "*", "datetime": "2030-01-01T00:00:00Z", "amount": 1e9,
        "definition": {"type": "x", "value": "1", "unit": "EUR"}, "violation": {"href": id},
    });
    refused(send(&agent, BOB, "POST", "sla-penalty", &due), "who may change it");
    post(&agent, "carol USER", "sla-violation", &told);
}

#[test]
fn what_an_assessment_says_is_for_the_agent_alone_to_write() {
    let agent = Start::new().agent();
    let mut silent = promise("silent");
    let all_time = json!({"stopped": [{"from": "2000-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z"}]});
    silent["assessment"] = all_time.clone();
    let agreement = post(&agent, ALICE, "agreement", &silent);
    assert_eq!(agent.send("GET", &agreement, None).json().get("assessment"), None);
    let running = post(&agent, ALICE, "service-instance", &instance(&agreement));
    post(&agent, ALICE, "service-operation-report", &report(&running, 50.0));
    let shown = || agent.send("GET", &agreement, None).json()["assessment"]["guarantees"]["*"]["state"].clone();
    eventually("it is assessed", || shown() == "violated");
    for (who, path) in [(ALICE, agreement.clone()), (ADMIN, format!("{agreement}?$select=assessment"))] {
        let _ = send(&agent, who, "PUT", &path, &json!({"assessment": all_time})).expect(200);
    }
    assert_eq!(shown(), "violated");
    let killed = agent.kill();
    let agent = Start::new().data_dir(&killed.0).agent();
    post(&agent, ALICE, "service-operation-report", &report(&running, 50.0));
    assessed(&agent);
    assert_eq!(agent.send("GET", "sla-violation", None).json()["count"], 2);
}
