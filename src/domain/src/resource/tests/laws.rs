//! Laws that hold for every body.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{add, specimens};
use crate::resource::all;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[a-z]{1,6}/[a-z0-9-]{0,6}".prop_map(Value::from),
        Just(Value::from("2019-06-14T18:06:24Z")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("href|name|type|details|[a-z]{1,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any object whose keys are mostly attributes of the type with this number.
fn any_body(which: usize) -> impl Strategy<Value = Map<String, Value>> {
    let names: Vec<String> = all()[which].attributes().map(|field| field.name.to_owned()).collect();
    let key = prop_oneof![8 => prop::sample::select(names), 1 => Just("acl".to_owned()), 1 => ".{0,8}"];
    prop::collection::btree_map(key, any_json(), 0..8).prop_map(|members| members.into_iter().collect())
}

fn any_case() -> impl Strategy<Value = (usize, Map<String, Value>)> {
    (0..all().len()).prop_flat_map(|which| any_body(which).prop_map(move |body| (which, body)))
}

proptest! {
    #[test]
    fn no_body_makes_an_add_or_an_edit_panic((which, body) in any_case(), removed in prop::collection::vec(".{0,8}", 0..3)) {
        let spec = all()[which];
        let _ = add(spec, body.clone());
        let _ = spec.prepare_edit(body.clone(), body.clone(), &removed, true);
        let specimen = specimens().swap_remove(which).1;
        let _ = spec.prepare_edit(specimen, body, &removed, true);
    }

    #[test]
    fn an_accepted_document_is_a_fixed_point_of_editing((which, changes) in any_case()) {
        // Few random bodies are accepted, so each starts from an accepted one and changes little of it.
        let (spec, specimen) = specimens().swap_remove(which);
        let first = changes.into_iter().take(2);
        let mut body = specimen;
        body.extend(first);
        if let Ok(draft) = add(spec, body) {
            let again = spec.prepare_edit(draft.attributes.clone(), Map::new(), &[], true);
            prop_assert_eq!(again.map(|again| again.attributes), Ok(draft.attributes.clone()));
            let anew = add(spec, draft.attributes.clone());
            prop_assert_eq!(anew.map(|anew| anew.attributes), Ok(draft.attributes));
        }
    }
}
