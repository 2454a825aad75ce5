//! What templates become (A30 to A32), and what parameters cannot do.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn template(constraint: &str) -> Value {
    json!({
        "id": "sla-template/1", "name": "T", "state": "started", "acl": {"owner": {}}, "created": "2020-01-01T00:00:00Z",
        "details": {
            "id": "t", "type": "template", "name": "Agreement of {{.user}}", "creation": "2018-01-16T17:09:45.01Z",
            "provider": {"id": "p", "name": "P"}, "client": {"id": "{{ .user }}", "name": "{{.client.name}}"},
            "guarantees": [{"name": "*", "constraint": constraint}],
        },
    })
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap()
}

fn made(template: Value, parameters: Value) -> Result<Value, TemplateError> {
    generate(&object(template), &object(parameters), now(), "agreement/9").map(Value::Object)
}

fn constraint_of(constraint: &str, value: Value) -> Result<String, TemplateError> {
    let made = made(template(constraint), json!({"user": "u", "client": {"name": "n"}, "N": value}))?;
    Ok(made["details"]["guarantees"][0]["constraint"].as_str().unwrap().to_owned())
}

#[test]
fn a_template_becomes_an_agreement_that_begins_now() {
    let made =
        made(template("execution_time < 5"), json!({"user": "ana", "client": {"name": "Ana"}, "extra": 1})).unwrap();
    assert_eq!(
        made,
        json!({
            "name": "Agreement of ana", "state": "started",
            "details": {
                "id": "agreement/9", "type": "agreement", "name": "Agreement of ana", "creation": "2026-11-22T10:00:00.000Z",
                "provider": {"id": "p", "name": "P"}, "client": {"id": "ana", "name": "Ana"},
                "guarantees": [{"name": "*", "constraint": "execution_time < 5"}],
            },
        })
    );
}

#[test]
fn a30_numbers_keep_their_digits() {
    for (number, text) in [
        (json!(1000), "1000"),
        (json!(10_000_000), "10000000"),
        (json!(1e7), "10000000"),
        (json!(1e-7), "0.0000001"),
        (json!(0.25), "0.25"),
        (json!("12.5"), "12.5"),
        (json!(-3), "-3"),
    ] {
        assert_eq!(constraint_of("execution_time < {{.N}}", number), Ok(format!("execution_time < {text}")));
    }
}

#[test]
fn a31_a_parameter_is_a_value_and_neither_a_member_nor_a_condition() {
    let made = made(template("execution_time < 5"), json!({"user": "A\",\"x\":\"", "client": {"name": "n"}})).unwrap();
    assert_eq!(made["details"]["client"]["id"], "A\",\"x\":\"");
    assert!(made["details"].get("x").is_none());
    for text in ["5 || true", "", "x", "1e999", "NaN", "5 # "] {
        let refused = constraint_of("execution_time < {{.N}}", json!(text)).unwrap_err();
        assert!(matches!(refused, TemplateError::InConstraint { .. }), "{text} {refused}");
    }
    assert_eq!(constraint_of("operation == '{{.N}}'", json!("a' || 'b\\")).unwrap(), "operation == 'a\\' || \\'b\\\\'");
    assert!(constraint_of("[{{.N}}] < 5", json!("a] < 1 || [b")).is_err());
}

#[test]
fn a32_a_duration_counts_from_now() {
    let mut body = template("execution_time < 5");
    body["details"]["duration"] = json!("P1M");
    body["details"]["expiration"] = json!("2019-01-17T17:09:45.01Z");
    let made_at = made(body.clone(), json!({"user": "u", "client": {"name": "n"}})).unwrap();
    assert_eq!(made_at["details"]["expiration"], "2026-12-22T10:00:00.000Z");
    assert!(made_at["details"].get("duration").is_none());
    body["details"]["duration"] = json!("soon");
    assert!(
        made(body, json!({}))
            .unwrap_err()
            .to_string()
            .starts_with("template `details.duration` is \"soon\", expected a period")
    );
}

#[test]
fn a_missing_parameter_and_a_strange_placeholder_are_named() {
    let missing = made(template("execution_time < {{.N}}"), json!({"user": "u", "client": {"name": "n"}})).unwrap_err();
    let TemplateError::Missing { name, index, rendered } = &missing else { panic!("{missing}") };
    assert_eq!((name.as_str(), rendered.get(*index..*index + 10)), ("N", Some("<no value>")));
    assert!(missing.to_string().starts_with("Found non-replaced placeholder at index "));
    for strange in ["{{if .x}}", "{{N}}", "{{.N", "{{}}", "{{.N | html}}"] {
        assert!(matches!(constraint_of(strange, json!(1)), Err(TemplateError::Placeholder { .. })), "{strange}");
    }
}

#[test]
fn r17_the_place_of_what_is_missing_is_counted_as_in_the_original() {
    let template = json!({
        "id": "sla-template/t1", "name": "{{.name}}", "state": "started", "created": "2026-01-01T00:00:00Z",
        "acl": {"owner": {"principal": "jane"}},
        "details": {
            "id": "d1", "type": "template", "name": "{{.name}}", "creation": "2018-01-16T17:09:45Z",
            "provider": {"id": "p", "name": "P"}, "client": {"id": "c", "name": "C"},
            "guarantees": [{"name": "TestGuarantee", "constraint": "execution_time < {{.N}}"}],
        },
    });
    let missing = made(template.clone(), json!({"name": "svc"})).unwrap_err();
    let rendered = "{\"id\":\"t1\",\"name\":\"svc\",\"state\":\"started\",\"details\":{\"id\":\"d1\",\"type\":\"template\",\
                    \"name\":\"svc\",\"provider\":{\"id\":\"p\",\"name\":\"P\"},\"client\":{\"id\":\"c\",\"name\":\"C\"},\
                    \"creation\":\"2018-01-16T17:09:45Z\",\"guarantees\":[{\"name\":\"TestGuarantee\",\
                    \"constraint\":\"execution_time \\u003c <no value>\"}]}}";
    let message = format!("Found non-replaced placeholder at index 266. Agreement is {rendered}");
    assert_eq!(missing.to_string(), message);
    let first = made(template, json!({"N": 1})).unwrap_err();
    assert!(first.to_string().starts_with("Found non-replaced placeholder at index 19. "), "{first}");
}

#[test]
fn declared_parameters_have_types_bounds_choices_and_defaults() {
    let mut body = template("execution_time < {{.limit}}");
    body["details"]["parameters"] = json!([
        {"name": "limit", "type": "number", "minimum": 1, "maximum": 100, "default": 10},
        {"name": "user", "type": "text", "choices": ["ana", "ben"]},
        {"name": "client", "type": "text", "required": false},
    ]);
    body["details"]["client"]["name"] = json!("n");
    let limit = |parameters: Value| {
        made(body.clone(), parameters).map(|made| made["details"]["guarantees"][0]["constraint"].clone())
    };
    assert_eq!(limit(json!({"user": "ana"})).unwrap(), "execution_time < 10");
    assert_eq!(limit(json!({"user": "ben", "limit": "99.5"})).unwrap(), "execution_time < 99.5");
    let refused = limit(json!({"user": "ana", "limit": 101})).unwrap_err().to_string();
    assert_eq!(refused, "parameter `limit` is 101, expected a number of at least 1 and at most 100");
    assert!(limit(json!({"user": "eve"})).unwrap_err().to_string().ends_with("expected a text among \"ana\", \"ben\""));
    assert!(limit(json!({})).unwrap_err().to_string().starts_with("parameter `user` is missing"));
}

proptest! {
    #[test]
    fn whatever_the_text_it_stays_within_its_quotes(text in "\\PC{0,20}") {
        let made = constraint_of("operation == '{{.N}}'", json!(text)).unwrap();
        let expression = crate::expression::Expression::compile(&made, crate::expression::Grammar::Extended);
        prop_assert!(expression.is_ok_and(|expression| expression.variables().len() == 1), "{}", made);
    }
}
