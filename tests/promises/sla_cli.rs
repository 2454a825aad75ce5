//! `mf2c sla`: agreements from and to OpenSLO, and a dry run on reports.

use std::fs;

use mf2c_tests::{Start, mf2c};
use serde_json::{Value, json};

const SLO: &str = "
apiVersion: openslo/v1
kind: SLO
metadata: { name: fast }
spec:
  service: hello
  indicator: { metadata: { name: latency }, spec: { thresholdMetric: { metricSource: { spec: { metric: execution_time } } } } }
  timeWindow: [{ duration: 28d, isRolling: true }]
  objectives: [{ op: lt, value: 10, target: 0.99 }]
";

#[test]
fn an_agreement_comes_from_openslo_and_goes_back_to_it() {
    let agent = Start::new().agent();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slo.yaml");
    fs::write(&file, SLO).unwrap();
    let file = file.to_str().unwrap();
    let at = format!("https://{}", agent.https());
    let as_jane = ["--url", &at, "--insecure", "--as", "jane USER"];
    let printed = mf2c(&["sla", "import", "--print", file]).expect(0);
    let planned: Value = serde_json::from_str(printed.out.trim()).unwrap();
    assert_eq!(planned["details"]["guarantees"][0]["constraint"], "[execution_time] < 10");
    let imported = mf2c(&[&["sla", "import", file][..], &as_jane].concat()).expect(0);
    let id = imported.out.trim().to_owned();
    let stored = agent.send_as(Some("jane USER"), "GET", &id, None).expect(200).json();
    assert_eq!(
        (&stored["name"], &stored["details"]["guarantees"]),
        (&"hello".into(), &planned["details"]["guarantees"])
    );
    let exported = mf2c(&[&["sla", "export", &id][..], &as_jane].concat()).expect(0);
    assert!(exported.err.contains("mf2c.eu/agreement"), "what has no place is told: {}", exported.err);
    fs::write(file, &exported.out).unwrap();
    let again = mf2c(&["sla", "import", "--print", file]).expect(0);
    let again: Value = serde_json::from_str(again.out.trim()).unwrap();
    assert_eq!(again["details"]["guarantees"], stored["details"]["guarantees"]);
    fs::write(file, SLO.replace("metric: execution_time", "query: sum(x)")).unwrap();
    mf2c(&["sla", "import", file]).expect(2).tells(&["SLO `fast`", "write its name"]);
}

#[test]
fn a_dry_run_tells_what_would_have_been_violated_and_fails_if_anything_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (agreement, reports) = (path("agreement.json"), path("reports.ndjson"));
    let body = |constraint: &str| {
        json!({ "name": "n", "details": {
            "id": "n", "type": "agreement", "name": "n", "creation": "2026-01-16T17:09:45Z",
            "provider": { "id": "p", "name": "P" }, "client": { "id": "c", "name": "C" },
            "guarantees": [{ "name": "*", "constraint": constraint }],
        } })
        .to_string()
    };
    let report = |id: &str, length: f64| {
        json!({ "id": id, "operation": "op", "execution_time": length, "created": "2026-05-01T00:00:00Z" }).to_string()
    };
    fs::write(&agreement, body("execution_time < 10")).unwrap();
    fs::write(&reports, [report("r1", 5.0), report("r2", 50.0), report("r3", 0.0)].join("\n")).unwrap();
    let tried = mf2c(&["sla", "test", &agreement, &reports, "-o", "json"]).expect(1);
    let found: Value = serde_json::from_str(&tried.out).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    assert_eq!((&found[0]["report"], &found[0]["values"]["execution_time"]), (&"r2".into(), &50.0.into()));
    let table = mf2c(&["sla", "test", &agreement, &reports]).expect(1);
    assert!(table.out.contains("violation") && table.out.contains("r2"), "{}", table.out);
    fs::write(&agreement, body("execution_time < 100")).unwrap();
    let fine = mf2c(&["sla", "test", &agreement, &reports]).expect(0);
    assert!(fine.out.contains("nothing would have been violated"), "{}", fine.out);
    // Silence shows after ten minutes, if so much time passes.
    fs::write(&agreement, body("count(execution_time, 10m) > 0")).unwrap();
    let _ = mf2c(&["sla", "test", &agreement, &reports]).expect(0);
    let silent = mf2c(&["sla", "test", &agreement, &reports, "--until", "2026-05-01T01:00:00Z", "-o", "csv"]).expect(1);
    let expected = "finding,datetime,guarantee,constraint,values,report\r\n\
        violation,2026-05-01T00:10:00.000Z,*,\"count(execution_time, 10m) > 0\",\
        \"{\"\"count(execution_time, 600)\"\":0.0}\",\r\n";
    assert_eq!(silent.out, expected);
    mf2c(&["sla", "test", &agreement, &reports, "--until", "2026-04-01T01:00:00Z"]).expect(2).tells(&["--until"]);
    mf2c(&["sla", "test", &agreement, &reports, "--until", "soon"]).expect(2).tells(&["RFC 3339"]);
    fs::write(&agreement, body("execution_time LT 100")).unwrap();
    mf2c(&["sla", "test", &agreement, &reports]).expect(2).tells(&["guarantees[0].constraint", "column 16"]);
    fs::write(&agreement, body("execution_time < 100")).unwrap();
    fs::write(&reports, "{bad").unwrap();
    mf2c(&["sla", "test", &agreement, &reports]).expect(2).tells(&["line 1"]);
    // What is misspelt must not pass for what breaks nothing.
    for (wrong, told) in [
        (json!({ "operation": "op", "execution_tme": 50 }), "`execution_length` is missing"),
        (json!({ "operation": "op", "execution_time": "x" }), "`execution_time` is \"x\""),
        (json!({ "operation": "op", "execution_time": 5, "created": "yesterday" }), "`created` is \"yesterday\""),
    ] {
        fs::write(&reports, format!("{}\n{wrong}", report("r1", 5.0))).unwrap();
        mf2c(&["sla", "test", &agreement, &reports]).expect(2).tells(&["line 2", told]);
    }
    let of =
        |instance: &str| json!({ "serviceInstance": { "href": instance }, "operation": "op", "execution_time": 5 });
    fs::write(&reports, format!("{}\n{}", of("service-instance/1"), of("service-instance/2"))).unwrap();
    mf2c(&["sla", "test", &agreement, &reports]).expect(0).tells(&["of 2 instances"]);
}
