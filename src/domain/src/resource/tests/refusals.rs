//! Bodies that are refused, and what the refusal says.

use serde_json::{Value, json};

use super::{add, add_json, object, specimen, specimens};
use crate::resource::{MAX_FAULTS, MAX_ITEMS, find};

fn refusal(name: &str, body: Value) -> String {
    add_json(name, body).unwrap_err().to_string()
}

/// The refusal of a specimen in which one attribute has another value.
fn refusal_of(name: &str, attribute: &str, value: Value) -> String {
    let mut body = specimen(name);
    body[attribute] = value;
    refusal(name, body)
}

#[test]
fn an_unknown_attribute_is_refused_by_every_type() {
    for (spec, mut body) in specimens() {
        body.insert("bad-field".to_owned(), json!(1));
        let text = add(spec, body.clone()).unwrap_err().to_string();
        assert!(text.starts_with("resource does not satisfy defined schema: `bad-field` is not an"), "{text}");
        body.remove("bad-field");
        let edited = spec.prepare_edit(body, object(json!({"bad-field": 1})), &[], true);
        assert!(edited.unwrap_err().to_string().contains("`bad-field`"), "{}", spec.name);
    }
}

#[test]
fn every_missing_required_attribute_is_named_by_every_type() {
    for (spec, body) in specimens() {
        for field in spec.attributes().filter(|field| field.required && field.fill.is_none()) {
            let mut lacking = body.clone();
            lacking.remove(field.name);
            if let Some(alias) = field.alias {
                lacking.remove(alias.name);
            }
            let text = add(spec, lacking).unwrap_err().to_string();
            assert!(text.contains(&format!("`{}` is missing: expected", field.name)), "{}: {text}", spec.name);
        }
    }
}

#[test]
fn every_attribute_of_every_type_refuses_null_and_a_value_of_another_type() {
    for (spec, body) in specimens() {
        for field in spec.attributes() {
            for wrong in [json!(null), json!([[]])] {
                let mut spoilt = body.clone();
                if let Some(alias) = field.alias {
                    spoilt.remove(alias.name);
                }
                spoilt.insert(field.name.to_owned(), wrong);
                let text = add(spec, spoilt).unwrap_err().to_string();
                assert!(text.contains(&format!("`{}", field.name)), "{}: {text}", spec.name);
            }
        }
    }
}

#[test]
fn a_refusal_names_the_place_what_was_wrong_and_what_was_expected() {
    let mut instance = specimen("service-instance");
    instance["agents"][0]["ports"] = json!([80, 70_000]);
    instance["agents"][0]["portz"] = json!(1);
    let text = refusal("service-instance", instance);
    assert!(text.contains("`agents[0].ports[1]`: 70000 is not a port number from 1 to 65535"), "{text}");
    assert!(
        text.contains("`agents[0].portz` is not an attribute of service-instance; did you mean `ports`?"),
        "{text}"
    );

    let text = refusal_of("device", "phisicalCores", json!(4));
    assert!(text.contains("`phisicalCores` is not an attribute of device; did you mean `physicalCores`?"), "{text}");
    let text = refusal_of("device", "physicalCores", json!(-1));
    assert!(text.contains("`physicalCores`: -1 is not a whole number of at least 0"), "{text}");
    let text = refusal_of("device-dynamic", "status", json!("conected"));
    assert!(text.contains("\"conected\" is not one of `connected`, `disconnected`, `unavailable`; did you"), "{text}");
    let text = refusal_of("device-dynamic", "device", json!({"href": "../etc"}));
    assert!(text.contains("`device.href`: \"../etc\" is not in a link such as"), "{text}");
    let text = refusal_of("fog-area", "numDevices", json!(0));
    assert!(text.contains("`numDevices`: 0 is not a whole number of at least 1"), "{text}");
    let text = refusal_of("device", "os", json!("  "));
    assert!(text.contains("`os`: \"  \" is not a text that is not blank"), "{text}");
    let text = refusal_of("sla-violation", "datetime", json!("yesterday"));
    assert!(text.contains("`datetime`: \"yesterday\" is not a date and time"), "{text}");
    let text = refusal_of("email", "address", json!("your_email@"));
    assert!(text.contains("`address`: \"your_email@\" is not an e-mail address"), "{text}");
}

#[test]
fn numbers_as_text_are_for_services_alone() {
    let text = refusal_of("device", "physicalCores", json!("4"));
    assert!(text.contains("`physicalCores`: \"4\" is not a whole number"), "{text}");
    assert!(refusal_of("service", "num_agents", json!("two")).contains("`num_agents`: \"two\" is not"));
    assert!(refusal_of("service", "cpu_recommended", json!("inf")).contains("`cpu_recommended`: \"inf\" is not"));
}

#[test]
fn a_refusal_is_short_however_much_is_wrong_and_however_long_the_values() {
    let mut body = object(specimen("device"));
    for number in 0..200 {
        body.insert(format!("{}{number}", "x".repeat(1000)), json!(1));
    }
    body.insert("os".to_owned(), json!("\n".repeat(10_000)));
    let error = add(find("device").unwrap(), body).unwrap_err();
    assert_eq!(error.faults().len(), MAX_FAULTS);
    let text = error.to_string();
    assert!(text.len() < 6_000 && text.ends_with("; and 181 more"), "{text}");
}

#[test]
fn lists_are_bounded_and_some_refuse_equal_items() {
    let text = refusal_of("agent", "childrenIPs", vec![json!("a"); MAX_ITEMS + 1].into());
    assert!(text.contains("`childrenIPs`: 10001 items are too many, at most 10000"), "{text}");
    let mut agreement = specimen("agreement");
    let twice = agreement["details"]["guarantees"][0].clone();
    agreement["details"]["guarantees"] = json!([twice, twice]);
    let text = refusal("agreement", agreement);
    assert!(text.contains("`details.guarantees[1]`: it is the same as an earlier item"), "{text}");
}

#[test]
fn faults_in_an_access_list_name_it() {
    let rule = json!({"principal": "USER", "type": "ROLE", "right": "VIEW"});
    let owner = json!({"principal": "joe", "type": "USER"});
    for wrong in [
        json!(null),
        json!({}),
        json!("open"),
        json!({"owner": {"principal": "joe", "type": "GROUP"}}),
        json!({"owner": {"principal": " ", "type": "USER"}}),
        json!({"owner": owner, "rule": []}),
        json!({"owner": owner, "rules": [{"principal": "", "type": "USER", "right": "VIEW"}]}),
        json!({"owner": owner, "rules": vec![rule.clone(); 101]}),
    ] {
        let text = refusal_of("device", "acl", wrong);
        assert!(text.contains("`acl"), "{text}");
    }
    // What is given out can be sent back: the administrators' rule does not count.
    let mut full = vec![rule; 100];
    full.push(json!({"principal": "ADMIN", "type": "ROLE", "right": "ALL"}));
    let mut device = specimen("device");
    device["acl"] = json!({"owner": owner, "rules": full});
    assert!(add(find("device").unwrap(), device.as_object().unwrap().clone()).is_ok());
}

#[test]
fn two_names_of_one_attribute_must_agree() {
    let text = refusal_of("service-operation-report", "execution_time", json!(3));
    assert!(text.contains("`execution_length`: its older name `execution_time` has another value"), "{text}");
    assert!(refusal_of("service-operation-report", "operation", json!(3)).contains("`operation_name`"));
}
