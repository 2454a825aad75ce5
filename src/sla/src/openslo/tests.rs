//! OpenSLO documents, read and written.

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Imported, OpenSloError, export, import};

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
    let documents = export(&agreement).unwrap().documents;
    assert_eq!(documents[0]["spec"]["objectives"][0]["op"], "lt");
    assert_eq!(documents[0]["metadata"]["name"], "svc-es-bsc-test-main-1");
    assert_eq!(documents[2]["spec"]["objectives"][0]["op"], "lte");
    assert_eq!(imported(&documents).agreements, [agreement]);
}

fn imported(documents: &[Value]) -> Imported {
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    import(&text.join("\n---\n"), NOW).unwrap()
}

/// Whether a text is a name as RFC 1123 has them.
fn is_name(text: &Value) -> bool {
    let text = text.as_str().unwrap();
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

fn is_shorthand(text: &Value) -> bool {
    let text = text.as_str().unwrap();
    let digits = text.strip_suffix(['m', 'h', 'd', 'w', 'M', 'Q', 'Y']).unwrap_or("");
    !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the specification demands of an SLO (the README of OpenSLO, v1).
fn is_valid(document: &Value) {
    assert_eq!((&document["apiVersion"], &document["kind"]), (&"openslo/v1".into(), &"SLO".into()));
    let (metadata, spec) = (&document["metadata"], &document["spec"]);
    assert!(is_name(&metadata["name"]) && is_name(&spec["service"]), "{document}");
    for (name, value) in metadata["annotations"].as_object().unwrap() {
        assert!(name.starts_with("mf2c.eu/") && value.is_string(), "{name}");
    }
    assert!(spec["description"].as_str().unwrap().chars().count() <= 1050);
    let windows = spec["timeWindow"].as_array().unwrap();
    assert!(
        windows.len() == 1 && is_shorthand(&windows[0]["duration"]) && windows[0]["isRolling"] == true,
        "{document}"
    );
    assert!(spec.get("indicatorRef").is_none() && is_name(&spec["indicator"]["metadata"]["name"]));
    let indicator = spec["indicator"]["spec"].as_object().unwrap();
    let threshold = indicator.contains_key("thresholdMetric");
    assert!(indicator.len() == 1 && (threshold || indicator.contains_key("ratioMetric")));
    let objectives = spec["objectives"].as_array().unwrap();
    let objective = &objectives[0];
    assert_eq!(objectives.len(), 1);
    assert_eq!((objective.get("op").is_some(), objective.get("value").is_some()), (threshold, threshold));
    assert!((0.0..1.0).contains(&objective["target"].as_f64().unwrap()), "{document}");
    let method = spec["budgetingMethod"].as_str().unwrap();
    assert!(["Occurrences", "Timeslices", "RatioTimeslices"].contains(&method));
    assert_eq!(objective.get("timeSliceWindow").is_some_and(is_shorthand), method != "Occurrences", "{document}");
    let target = objective.get("timeSliceTarget").and_then(Value::as_f64);
    assert_eq!(target.is_some_and(|target| target > 0.0 && target <= 1.0), method == "Timeslices", "{document}");
}

/// An agreement with all that OpenSLO has no place for.
fn laden() -> Map<String, Value> {
    object(json!({ "name": "My Service", "state": "stopped", "description": "d", "details": {
        "id": "agreement/1", "type": "agreement", "name": "My Service", "creation": "2026-01-01T00:00:00Z",
        "provider": { "id": "p", "name": "Provider" }, "client": { "id": "c", "name": "c" },
        "variables": [{ "name": "m", "metric": "execution_time", "aggregation": { "type": "average", "window": 600 } }],
        "guarantees": [
            { "name": "mean", "constraint": "m < 10", "warning": "m < 8", "absent": "violation", "schedule": "s" },
            { "name": "op", "constraint": "execution_time < 10 && execution_time > 1",
              "penalties": [{ "type": "fine", "value": "10", "unit": "EUR" }], "hysteresis": { "breach": 3 } },
            { "name": "x", "scope": "x", "constraint": "[execution_time] < 800ms", "minimum": { "count": 3, "window": 60 },
              "exclusions": [{ "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "every": "7d" }] },
            { "name": "y", "constraint": "a < 5", "slo": { "objective": 0.9, "window": "P1Y2M", "budgeting": "timeslices", "slice": 90 } },
            { "name": "z", "constraint": "a < 5", "slo": { "objective": 0.95, "window": "5400s" } },
        ],
    } }))
}

#[test]
fn an_export_is_valid_and_what_has_no_place_in_it_is_told_and_comes_back() {
    let exported = export(&laden()).unwrap();
    exported.documents.iter().for_each(is_valid);
    let said = exported.notes.join("\n");
    for name in [
        "variables",
        "warning",
        "absent",
        "schedule",
        "penalties",
        "hysteresis",
        "minimum",
        "exclusions",
        "scope",
        "slo",
    ] {
        assert!(said.contains(&format!("`{name}`")), "{name}: {said}");
    }
    assert!(said.contains("target of 0.999999") && said.contains("no single bound"), "{said}");
    let spec = |at: usize| &exported.documents[at]["spec"];
    for average in 0..3 {
        assert!(spec(average)["indicator"]["spec"].get("ratioMetric").is_some(), "{average} is no raw threshold");
    }
    assert_eq!(spec(3)["objectives"][0]["timeSliceWindow"], "2m");
    assert_eq!(spec(4)["timeWindow"][0]["duration"], "90m");
    let back = imported(&exported.documents);
    assert_eq!((back.agreements, back.notes), (vec![laden()], vec![]));
}

#[test]
fn what_was_edited_after_an_export_holds() {
    let mut documents = export(&laden()).unwrap().documents;
    documents[3]["spec"]["objectives"][0]["target"] = 0.5.into();
    documents[4]["spec"]["objectives"][0]["value"] = 7.0.into();
    documents[0]["spec"]["objectives"][0]["target"] = 0.75.into();
    let back = imported(&documents);
    let guarantees = &back.agreements[0]["details"]["guarantees"];
    assert_eq!(guarantees[3]["slo"]["objective"], 0.5);
    assert_eq!(guarantees[4]["constraint"], "[a] < 7");
    assert_eq!((&guarantees[0]["slo"]["objective"], &guarantees[0]["warning"]), (&json!(0.75), &json!("m < 8")));
    assert_eq!(back.notes.len(), 3, "{:?}", back.notes);
}

#[test]
fn a_window_beside_a_calendar_does_not_roll_unless_it_says_so() {
    let calendar = "calendar: { startTime: 2026-01-01 00:00:00, timeZone: UTC }";
    let notes = |window: &str| {
        let text = LATENCY.replace("duration: 28d, isRolling: false", window).replace("alertPolicies: [wake-up]", "");
        import(&text, NOW).unwrap().notes.len()
    };
    assert_eq!(notes("duration: 28d"), 0);
    assert_eq!(notes(&format!("duration: 1M, {calendar}")), 1);
    assert_eq!(notes(&format!("duration: 1M, isRolling: true, {calendar}")), 0);
}

#[test]
fn the_length_of_a_slice_is_a_shorthand_or_a_number_of_minutes() {
    for (written, seconds) in
        [("5", 300), ("0.5", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), ("'1Q'", 7_776_000), ("90s", 90)]
    {
        let text = LATENCY.replace("timeSliceWindow: 5m", &format!("timeSliceWindow: {written}"));
        let imported = import(&text, NOW).unwrap();
        assert_eq!(imported.agreements[0]["details"]["guarantees"][0]["slo"]["slice"], seconds, "{written}");
    }
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
        ("1Q", "soon", "`soon`, which is no period"),
        ("1Q", "P3M", "no period"),
        ("5m", "-5", "expected a period such as 1m, or a number of minutes"),
        ("5m", "[5]", "expected a period"),
        ("timeSliceTarget: 0.9", "timeSliceTarget: 0", "expected a number above 0"),
        ("targetPercent: 99", "targetPercent: 99, target: 0.99", "expected one of them"),
        ("{ duration: 1Q, isRolling: true }", "{ duration: 1Q }, { duration: 1M }", "2 time windows, expected one"),
        ("{ target: 0.99 }", "{ target: 0.99, compositeWeight: 1 }", "composite"),
        ("bad: { metricSource: { spec: { query: error } } }", "raw: { metricSource: {} }", "computed elsewhere"),
        ("{ name: right }", "{ name: right, annotations: { mf2c.eu/rest: '[]' } }", "no JSON object"),
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

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z][a-zA-Z0-9 ._*-]{0,80}", "[ -~é\u{4e00}\n\t]{1,12}"]
}

fn slo() -> impl Strategy<Value = Value> {
    let window = prop::sample::select(vec!["28d", "1w", "P1M", "P1Y", "P3M", "90m", "3600s", "PT12H", "P1W2D", "007d"]);
    let budgeting = prop::option::of(prop::sample::select(vec!["occurrences", "timeslices", "ratio_timeslices"]));
    (1u32..1000, window, budgeting, prop::option::of(1u32..9000), prop::option::of(1u32..=100)).prop_map(
        |(share, window, budgeting, slice, target)| {
            let mut slo = json!({ "objective": f64::from(share) / 1000.0, "window": window });
            if let Some(budgeting) = budgeting {
                slo["budgeting"] = budgeting.into();
            }
            if let Some(slice) = slice {
                slo["slice"] = slice.into();
            }
            if let Some(target) = target {
                slo["slice_target"] = (f64::from(target) / 100.0).into();
            }
            slo
        },
    )
}

fn guarantee() -> impl Strategy<Value = Value> {
    let constraint = prop_oneof![
        Just("execution_time < 10".to_owned()),
        Just("0.25 <= [a b]".to_owned()),
        Just("m >= -1e-7 && n < 2".to_owned()),
        Just("x".repeat(2000) + " < 1"),
        (any::<f64>().prop_filter("finite", |number| number.is_finite())).prop_map(|number| format!("m > {number}")),
        Just("p95(m, 5m) < 800ms".to_owned()),
        word(),
    ];
    let extras = prop::collection::btree_map(
        prop::sample::select(vec![
            "warning",
            "schedule",
            "penalties",
            "exclusions",
            "absent",
            "hysteresis",
            "minimum",
            "other",
        ]),
        prop_oneof![word().prop_map(Value::from), any::<i64>().prop_map(|number| json!([{ "value": number }]))],
        0..4,
    );
    (word(), constraint, prop::option::of(word()), prop::option::of(slo()), extras).prop_map(
        |(name, constraint, scope, slo, extras)| {
            let mut made = json!({ "name": name, "constraint": constraint });
            if let Some(scope) = scope {
                made["scope"] = scope.into();
            }
            if let Some(slo) = slo {
                made["slo"] = slo;
            }
            extras.into_iter().for_each(|(name, value)| made[name] = value);
            made
        },
    )
}

fn agreement() -> impl Strategy<Value = Map<String, Value>> {
    let party = || (word(), word()).prop_map(|(id, name)| json!({ "id": id, "name": name }));
    let variables = prop::option::of(prop::collection::vec(
        prop::sample::select(vec!["m", "execution_time"]).prop_map(|name| json!({ "name": name, "metric": "x" })),
        0..3,
    ));
    let guarantees = prop::collection::vec(guarantee(), 1..4);
    (word(), (party(), party()), variables, guarantees, any::<bool>()).prop_map(
        |(name, (provider, client), variables, guarantees, same)| {
            let mut details = json!({
                "type": "agreement", "name": name, "creation": "2026-01-01T00:00:00Z", "provider": provider,
                "client": client, "guarantees": guarantees,
            });
            if let Some(variables) = variables {
                details["variables"] = variables.into();
            }
            if same {
                (details["id"], details["expiration"]) = (name.as_str().into(), "2099-01-01T00:00:00Z".into());
            }
            object(
                json!({ "name": if same { name } else { "other".to_owned() }, "state": "stopped", "details": details }),
            )
        },
    )
}

proptest! {
    #[test]
    fn whatever_was_promised_its_export_is_valid_and_is_imported_as_it_was(agreement in agreement()) {
        let exported = export(&agreement).unwrap();
        exported.documents.iter().for_each(is_valid);
        let back = imported(&exported.documents);
        prop_assert_eq!(&back.agreements, &[agreement]);
        prop_assert_eq!(back.notes, Vec::<String>::new());
    }

    #[test]
    fn what_belongs_to_the_agent_that_stored_it_stays_there(agreement in agreement()) {
        let mut stored = agreement.clone();
        for (name, value) in [("id", "agreement/1"), ("created", "c"), ("updated", "u"), ("state", "started"), ("resourceURI", "r")] {
            stored.insert(name.to_owned(), value.into());
        }
        stored.insert("acl".to_owned(), json!({ "owner": { "principal": "jane", "type": "USER" } }));
        stored.insert("assessment".to_owned(), json!({ "first_execution": "f" }));
        prop_assert_eq!(imported(&export(&stored).unwrap().documents).agreements, [agreement]);
    }
}
