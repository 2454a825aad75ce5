//! `$expand`: puts the resource that a link names into the link.

use mf2c_domain::caller::Caller;
use mf2c_domain::resource;
use mf2c_store::Store;
use serde_json::{Map, Value};

/// What expansion may still read for one answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    links: usize,
    bytes: usize,
}

impl Allowance {
    /// For one answer: a document tree in memory takes many times the room of its text.
    pub(super) const ONE_ANSWER: Self = Self { links: 10_000, bytes: 8 << 20 };
}

/// Fills the links of the named attributes (`*`: of all) with what they lead to, one level deep. A link to something that
/// is not here, that the caller may not see, or for which the allowance is used up, stays as it is.
pub(super) fn expand(
    document: &mut Map<String, Value>,
    names: &[String],
    store: &Store,
    caller: &Caller,
    left: &mut Allowance,
) {
    let all = names.iter().any(|name| name == "*");
    for (name, value) in document.iter_mut().filter(|(name, _)| *name != "acl" && *name != "operations") {
        if !all && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        match value {
            Value::Object(link) => fill(link, store, caller, left),
            Value::Array(items) => {
                for link in items.iter_mut().filter_map(Value::as_object_mut) {
                    fill(link, store, caller, left);
                }
            }
            _ => {}
        }
    }
}

fn fill(link: &mut Map<String, Value>, store: &Store, caller: &Caller, left: &mut Allowance) {
    if left.links == 0 {
        return;
    }
    let Some(target) = link.get("href").and_then(Value::as_str).and_then(|href| store.get(href)) else { return };
    if !target.acl.can_view(caller) {
        return;
    }
    let Ok(Some(body)) = store.body(&target) else { return };
    if body.len() > left.bytes {
        return;
    }
    let Ok(mut found) = serde_json::from_slice::<Map<String, Value>>(&body) else { return };
    left.links -= 1;
    left.bytes -= body.len();
    for secret in resource::find(target.id.kind()).into_iter().flat_map(|spec| spec.secrets()) {
        found.remove(secret);
    }
    for (name, value) in found {
        link.entry(name).or_insert(value);
    }
}
