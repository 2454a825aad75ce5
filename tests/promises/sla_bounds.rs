//! What an agreement leaves behind has bounds.

use mf2c_tests::{Start, eventually};
use serde_json::{Value, json};

use crate::sla::terms;

#[test]
fn the_oldest_reports_and_violations_go_when_there_are_too_many_and_each_was_assessed() {
    let agent = Start::new()
        .environment("MF2C_STORE_KEEP_REPORTS", "1000")
        .environment("MF2C_STORE_KEEP_FINDINGS", "1000")
        .agent();
    let post = |kind: &str, body: &Value| agent.send("POST", kind, Some(&body.to_string())).expect(201).id();
    let agreement = post("agreement", &terms("bounds", "started", &[("*", "execution_time < 10")]));
    let instance =
        json!({"user": "u", "status": "started", "service": "service/1", "agreement": agreement, "agents": []});
    let instance = post("service-instance", &instance);
    let bad = json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": 50});
    for _ in 0..5 {
        let batch: Vec<&Value> = vec![&bad; 300];
        let answer = agent.send("POST", "service-operation-report", Some(&json!(batch).to_string())).expect(200).json();
        assert_eq!(answer["message"], "300 of 300 created");
    }
    let count = |kind: &str| agent.send("GET", &format!("{kind}?$last=0"), None).expect(200).json()["count"].clone();
    eventually("all are assessed", || agent.metric("mf2c_sla_violations_total") == 1500);
    for kind in ["service-operation-report", "sla-violation"] {
        eventually("the oldest are gone", || count(kind) == 1000);
    }
}
