//! OpenSLO documents, read and written.

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{OpenSloError, export, import};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

const LATENCY: &str = "
apiVersion: openslo/v1
kind: SLI
metadata: { name: latency }
spec:
  thresholdMetric:
    metricSource: { type: mf2c, spec: { metric: execution_time } }
---
apiVersion: openslo/v1
kind: Service
metadata: { name: hello }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: fast }
spec:
  service: hello
  indicatorRef: latency
  timeWindow: [{ duration: 1Q, isRolling: true }]
  budgetingMethod: Timeslices
  objectives:
    - { op: lt, value: 0.8, targetPercent: 99, timeSliceWindow: 5m, timeSliceTarget: 0.9 }
    - { op: lte, value: 5, target: 1.0 }
  alertPolicies: [wake-up]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: right }
spec:
  service: hello
  indicator:
    metadata: { name: errors }
    spec: { ratioMetric: { counter: true, bad: { metricSource: { spec: { query: error } } }, total: { metricSource: {} } } }
  timeWindow: [{ duration: 28d, isRolling: false }]
  objectives: [{ target: 0.99 }]
";

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn slos_of_one_service_become_one_agreement_with_a_guarantee_for_each_objective() {
    let imported = import(LATENCY, NOW).unwrap();
    assert_eq!(imported.agreements.len(), 1);
    let agreement = &imported.agreements[0];
    assert_eq!((&agreement["name"], &agreement["state"]), (&"hello".into(), &"stopped".into()));
    let guarantees = &agreement["details"]["guarantees"];
    assert_eq!(
        guarantees,
        &json!([
            { "name": "fast", "scope": "*", "constraint": "[execution_time] < 0.8", "slo": {
                "objective": 0.99, "window": "P3M", "budgeting": "timeslices", "slice": 300, "slice_target": 0.9,
            } },
            { "name": "fast-2", "scope": "*", "constraint": "[execution_time] <= 5" },
            { "name": "right", "scope": "*", "constraint": "[error] == 0", "slo": {
                "objective": 0.99, "window": "28d", "budgeting": "occurrences",
            } },
        ])
    );
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    assert!(crate::check(agreement, &mut crate::Expressions::default()).is_empty());
    let spec = mf2c_domain::resource::find("agreement").unwrap();
    spec.prepare_add(agreement.clone(), NOW, &Zeros).unwrap();
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let guarantees = json!([
        { "name": "es.bsc.Test.main", "constraint": "execution_time < 10" },
        { "name": "*", "constraint": "p95(execution_time, 300) < 8 and count(execution_time, 300) >= 10", "slo": {
            "objective": 0.995, "window": "28d", "budgeting": "occurrences",
        } },
        { "name": "label", "scope": "es.*", "constraint": "10 >= a", "slo": {
            "objective": 0.9, "window": "1w", "budgeting": "timeslices", "slice": 60, "slice_target": 0.5,
        } },
    ]);
    let agreement = object(json!({ "name": "svc", "state": "stopped", "details": {
        "id": "svc", "type": "agreement", "name": "svc", "creation": NOW.to_string(), "expiration": "2099-01-01T00:00:00Z",
        "provider": { "id": "p", "name": "p" }, "client": { "id": "c", "name": "c" }, "guarantees": guarantees,
    } }));
    let documents = export(&agreement).unwrap();
    assert_eq!(documents[0]["spec"]["objectives"][0]["op"], "lt");
    assert_eq!(documents[0]["metadata"]["name"], "svc-es-bsc-test-main-1");
    assert_eq!(documents[2]["spec"]["objectives"][0]["op"], "lte");
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    assert_eq!(import(&text.join("\n---\n"), NOW).unwrap().agreements, [agreement]);
}

#[test]
fn what_makes_no_sense_here_is_refused_with_what_was_expected() {
    let with = |from: &str, to: &str| import(&LATENCY.replace(from, to), NOW).unwrap_err().to_string();
    for (from, to, said) in [
        ("metric: execution_time", "query: 'sum(rate(x[5m]))'", "write its name"),
        ("indicatorRef: latency", "indicatorRef: other", "there is no SLI `other`"),
        ("op: lt,", "", "needs `op`"),
        ("value: 0.8", "value: .nan", "malformed YAML"),
        ("targetPercent: 99", "targetPercent: 0", "needs `target`"),
        ("1Q", "soon", "no period"),
        ("Timeslices", "Guesses", "budgetingMethod"),
        ("kind: SLI\nmetadata", "kind: SLI\napiVersion: openslo/v1alpha\nmetadata", "malformed YAML"),
    ] {
        let found = with(from, to);
        assert!(found.contains(said), "{to}: {found}");
    }
    assert_eq!(import("", NOW), Err(OpenSloError::Nothing));
    assert!(matches!(import("apiVersion: v2\nkind: SLO", NOW), Err(OpenSloError::Version { at: 1, .. })));
    assert!(matches!(import("[", NOW), Err(OpenSloError::Malformed(_))));
    assert!(matches!(import(&" ".repeat(5 << 20), NOW), Err(OpenSloError::TooLarge(_))));
    assert_eq!(export(&Map::new()), Err(OpenSloError::Empty));
}
