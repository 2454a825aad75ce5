//! What is refused before an agreement is stored: too much of anything, placeholders, and constraints that can never be of use.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::expression::{Grammar, TimeUnit};

fn body(guarantees: Value, variables: Value) -> Map<String, Value> {
    let details = json!({ "name": "n", "guarantees": guarantees, "variables": variables });
    Map::from_iter([("name".to_owned(), "n".into()), ("details".to_owned(), details)])
}

fn promise(constraint: &str) -> Value {
    json!({ "name": "*", "constraint": constraint })
}

fn problems(guarantees: Value, variables: Value) -> Vec<Problem> {
    check(&body(guarantees, variables), &mut Expressions::default())
}

fn repeated(count: usize, of: &Value) -> Value {
    Value::Array(vec![of.clone(); count])
}

/// A promise with so many penalties and exclusions.
fn laden(penalties: usize, exclusions: usize) -> Value {
    let mut made = promise("execution_time < 1");
    made["penalties"] = repeated(penalties, &json!({ "type": "fine", "value": 1, "unit": "EUR" }));
    made["exclusions"] =
        repeated(exclusions, &json!({ "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z" }));
    made
}

fn windows(count: usize) -> Value {
    (1..=count).map(|length| promise(&format!("avg(execution_time, {length}) < 5"))).collect()
}

#[test]
fn what_can_grow_in_an_agreement_has_a_bound_that_is_told_with_its_place() {
    let none = json!([]);
    let variable = json!({ "name": "v" });
    let plain = promise("execution_time < 1");
    for (name, fits, exceeds, place, said) in [
        (
            "guarantees",
            repeated(1000, &plain),
            repeated(1001, &plain),
            "guarantees[1000]",
            "1001 guarantees are too many, expected at most 1000",
        ),
        (
            "penalties",
            json!([laden(16, 0)]),
            json!([plain, laden(17, 0)]),
            "guarantees[1].penalties",
            "17 penalties of one guarantee are too many, expected at most 16",
        ),
        (
            "all penalties",
            repeated(16, &laden(16, 0)),
            repeated(17, &laden(16, 0)),
            "guarantees[16].penalties",
            "272 penalties in all are too many, expected at most 256",
        ),
        ("exclusions", json!([laden(0, 16)]), json!([laden(0, 17)]), "guarantees[0].exclusions", "expected at most 16"),
        (
            "all exclusions",
            repeated(16, &laden(0, 16)),
            repeated(17, &laden(0, 16)),
            "guarantees[16].exclusions",
            "expected at most 256",
        ),
        ("windows", windows(64), windows(65), "guarantees[64].constraint", "more than 64 windows"),
    ] {
        assert_eq!(problems(fits, none.clone()), [], "{name}");
        let found = problems(exceeds.clone(), none.clone());
        assert_eq!((found.len(), &*found[0].place), (1, &*format!("details.{place}")), "{name}");
        assert!(found[0].message.contains(said), "{name}: {}", found[0].message);
        let document = json!({ "details": { "guarantees": exceeds } }).to_string();
        let read = Agreement::read("agreement/a", document.as_bytes(), &mut Expressions::default());
        assert!(matches!(read, Err(AgreementError::TooLarge { .. })) || name == "windows", "{name}");
    }
    assert_eq!(problems(none.clone(), repeated(256, &variable)), []);
    let found = problems(none, repeated(257, &variable));
    assert_eq!(found[0].place, "details.variables[256]");
}

#[test]
fn one_report_never_costs_more_penalties_than_are_allowed() {
    let crowd = repeated(100, &laden(150, 0));
    let found = problems(crowd, json!([]));
    assert!(found[0].message.contains("150 penalties of one guarantee"), "{found:?}");
    assert!(found[1].message.contains("15000 penalties in all"), "{found:?}");
}

#[test]
fn an_exclusion_comes_again_only_after_it_is_over_and_not_oftener_than_each_hour() {
    for (every, fits) in [("1h", true), ("7d", true), ("59m", false), ("1s", false)] {
        let mut made = laden(0, 1);
        made["exclusions"][0]["every"] = every.into();
        assert_eq!(problems(json!([made]), json!([])).is_empty(), fits, "{every}");
    }
    let mut long = laden(0, 1);
    (long["exclusions"][0]["end"], long["exclusions"][0]["every"]) = ("2026-01-03T00:00:00Z".into(), "1d".into());
    assert_eq!(problems(json!([long]), json!([]))[0].place, "details.guarantees[0].exclusions[0]");
}

#[test]
fn placeholders_belong_to_templates_alone() {
    for (constraint, position) in
        [("execution_time < {{.N}}", 17), ("operation == '{{.N}}'", 14), ("x LT {{ LT", 5), ("[{{.N}}] < 5", 1)]
    {
        let body = body(json!([promise(constraint)]), json!([]));
        let found = check(&body, &mut Expressions::default());
        let fault = found[0].fault.as_ref().unwrap();
        assert_eq!((found.len(), fault.position), (1, position), "{constraint}");
        assert!(fault.hint.as_ref().unwrap().contains("sla-template"), "{fault}");
        assert_eq!(check_template(&body, &mut Expressions::default()), [], "{constraint}");
    }
    let bad = body(json!([promise("x LT 5")]), json!([]));
    assert_eq!(check_template(&bad, &mut Expressions::default()).len(), 1);
}

#[test]
fn what_can_never_be_of_use_is_a_fault_with_its_place() {
    for (constraint, position, message, hint) in [
        ("operation < 5", 12, "the right side of `<` is a number", "`operation` is a text"),
        ("5 > operation", 4, "the right side of `>` is a text", "`operation` is a text"),
        ("execution_time < '5'", 17, "is a text", "without quotes"),
        ("result == 5", 10, "the right side of `==` is a number", "`result` is a text"),
        ("5 != result", 5, "the right side of `!=` is a text", "`result` is a text"),
        ("result == '10:30PM'", 10, "is a number", "looks like a date"),
        ("operation_name in (1, 2)", 18, "nothing in the list", "in quotes"),
        ("m in ('a', 'b')", 5, "nothing in the list", "without quotes"),
        ("m in n", 5, "the right side of `in`", "`==`"),
        ("m =~ 'a'", 0, "the left side of `=~` is a number", ""),
        ("avg(result, 60) < 1", 4, "`result` is a text", "ratio(error"),
        ("execution_time < 1 && count(operation, 60) > 1", 28, "`operation` is a text", "ratio(error"),
        ("m", 0, "the expression is a number", "compare it"),
        ("operation", 0, "the expression is a text", "compare it"),
        ("m ?? true", 0, "the expression is a number", "compare it"),
        ("m < 1 ? 1 : (m < 2)", 0, "something else than true or false", "both sides"),
        ("false", 0, "the same whatever happens", "execution_time < 10"),
        ("1 < 2", 0, "the same whatever happens", "execution_time < 10"),
        ("  (1 > 2)", 2, "the same whatever happens", "execution_time < 10"),
        ("(m < 5) == 1", 11, "the right side of `==` is a number", ""),
        ("p95(availability, 60) > 9", 0, "only an `avg`", "availability has `avg`"),
        ("m < 1 && count(x, 250ms) > 1", 9, "a window of 250 ms", "over windows"),
        ("avg(x, 367d) > 1", 0, "366 days", "over windows"),
    ] {
        let fault = check_constraint(constraint, &mut Expressions::default()).expect_err(constraint);
        assert_eq!(fault.position, position, "{constraint}: {fault}");
        assert!(fault.message.contains(message), "{constraint}: {fault}");
        assert!(fault.hint.clone().unwrap_or_default().contains(hint), "{constraint}: {fault}");
        assert!(!fault.expected.is_empty());
        let found = problems(json!([promise(constraint)]), json!([]));
        assert_eq!(found[0].fault.as_ref(), Some(&fault), "{constraint}");
    }
}

#[test]
fn what_is_of_use_is_taken() {
    for constraint in [
        "[execution_time] < 1000",
        "operation == 'main' && execution_time < 10",
        "operation =~ '^es' || result in ('ok', 'done')",
        "m in (1, 2) and n not in (3, 4)",
        "result + '!' != 'ok!'",
        "m > '2019-01-01'",
        "m is missing || m < 5",
        "operation is not missing",
        "m > 5 ? m < 10 : true",
        "avg(availability, 600) > 90 && availability > 50",
        "p99.999999(execution_time, 5m) < 800ms && ratio(error, 1h) < 0.01",
        "1 < 2 && m < 5",
    ] {
        assert!(check_constraint(constraint, &mut Expressions::default()).is_ok(), "{constraint}");
        assert_eq!(problems(json!([promise(constraint)]), json!([])), [], "{constraint}");
    }
}

#[test]
fn a_declared_variable_is_of_the_kind_of_what_it_stands_for() {
    let variable = |metric: &str, kind: &str| json!([{ "name": "v", "metric": metric, "aggregation": { "type": kind, "window": 60 } }]);
    for (constraint, variables, said) in [
        ("v == 'main'", json!([{ "name": "v", "metric": "operation" }]), None),
        ("v == 'main'", variable("operation", "none"), None),
        ("v < 5", json!([{ "name": "v", "metric": "operation" }]), Some("is a number")),
        ("operation < 5", json!([{ "name": "operation", "metric": "m" }]), None),
        ("v < 5", variable("operation", "average"), Some("which is a text")),
        ("avg(v, 60) < 5", json!([{ "name": "v", "metric": "result" }]), Some("is a text")),
        ("v < 5", variable("m", "p99.999999"), None),
        ("v < 5", variable("availability", "average"), None),
        ("v < 5", variable("availability", "p95"), Some("only an `avg`")),
        ("v < 5", variable("m", "p1e1"), Some("no aggregation")),
        ("v < 5", variable("m", "median"), Some("no aggregation")),
    ] {
        let found = problems(json!([promise(constraint)]), variables.clone());
        assert_eq!(found.is_empty(), said.is_none(), "{constraint} {variables}: {found:?}");
        assert!(found.iter().all(|problem| problem.message.contains(said.unwrap_or_default())), "{found:?}");
    }
}

#[test]
fn a_percentile_means_the_same_as_function_and_as_aggregation() {
    for (name, is) in
        [("p95", true), ("p99.999999", true), ("p0.001", true), ("p1e1", false), ("p100", false), ("p+5", false)]
    {
        let called = check_constraint(&format!("{name}(x, 60) < 1"), &mut Expressions::default()).is_ok();
        let declared = rule::aggregation(name).is_ok();
        assert_eq!((called, declared), (is, is), "{name}");
    }
}

#[test]
fn the_grammar_of_the_original_is_checked_in_the_same_way() {
    let mut original = Expressions::new(Grammar::Original, TimeUnit::Seconds);
    assert!(check_constraint("execution_time < 10 && operation == 'a'", &mut original).is_ok());
    for refused in ["operation < 5", "1 > 2", "m", "m == ()", "avg(m, 60) < 1", "a and b"] {
        assert!(check_constraint(refused, &mut original).is_err(), "{refused}");
    }
}

proptest! {
    #[test]
    fn what_is_found_valid_is_taken_when_an_agreement_is_created_and_nothing_else_is(
        words in prop::collection::vec(prop::sample::select(
            ["m", "operation", "result", "availability", "5", "1 < 2", "'a'", "true", "(", ")", "(1, 2)", " < ", " == ", " && ",
             " or ", "!", " + ", " in ", " =~ ", " ? ", " : ", " ?? ", "avg(m, 60)", "p95(availability, 60)", "count(x, 250ms)",
             "avg(operation, 60)", "{{.N}}", " is missing", ", "].to_vec()), 1..9),
    ) {
        let text = words.concat();
        let mut shared = Expressions::default();
        let valid = check_constraint(&text, &mut shared);
        let created = check(&body(json!([promise(&text)]), json!([])), &mut shared);
        prop_assert_eq!(valid.is_ok(), created.is_empty(), "{}", text);
        if let Err(fault) = valid {
            prop_assert!(text.is_char_boundary(fault.position) && !fault.expected.is_empty());
        } else {
            let document = Value::Object(body(json!([promise(&text)]), json!([]))).to_string();
            let read = Agreement::read("agreement/a", document.as_bytes(), &mut shared).unwrap();
            prop_assert!(read.guarantees()[0].expression().is_ok(), "{}", text);
        }
    }
}
