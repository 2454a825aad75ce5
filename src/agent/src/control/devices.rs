//! Whose certificates are meant: people write a name or the beginning of a `deviceID`, which is 128 digits long.

use std::collections::BTreeSet;

use mf2c_domain::area::name;
use mf2c_domain::caller::Caller;
use mf2c_domain::query::Query;
use mf2c_domain::resource::types::area::certificate;
use mf2c_store::{Document, Store};

use super::exit;
use super::fog::FogDoors;
use super::wire::Refusal;

/// Certificates that are looked through for one beginning.
const MOST: &str = "1000";
/// The least that is taken for a beginning.
const TOO_SHORT: usize = 2;
/// So many devices are named where it is not clear which one is meant.
const MOST_NAMED: usize = 4;

/// The whole `deviceID` that is meant. A word that nobody is called by is given back as it is: the authority may know better.
///
/// # Errors
/// Where it may be several.
pub(super) fn meant(store: &Store, fog: &FogDoors, word: String) -> Result<String, Refusal> {
    if !certified(store, "=", &word).is_empty() {
        return Ok(word);
    }
    if let Some(device) = fog.device_of(&word)? {
        return Ok(device);
    }
    let begin_so = if word.len() < TOO_SHORT { BTreeSet::new() } else { certified(store, "^=", &word) };
    let mut found = begin_so.iter();
    match (found.next(), found.next()) {
        (None, _) => Ok(word),
        (Some(one), None) => Ok(one.clone()),
        (Some(_), Some(_)) => {
            let named: Vec<&str> = begin_so.iter().take(MOST_NAMED).map(|device| name::short(device)).collect();
            let more = if begin_so.len() > MOST_NAMED { " and others" } else { "" };
            let message = format!(
                "several devices begin with `{word}`: {}{more}; write more of the one you mean",
                named.join(", ")
            );
            Err(Refusal::new(exit::USAGE, message))
        }
    }
}

/// The devices of certificates that hold, compared so with a word.
fn certified(store: &Store, operator: &str, word: &str) -> BTreeSet<String> {
    // The words of commands are letters, digits, `-`, `_` and `.`; what comes otherwise is no device.
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return BTreeSet::new();
    }
    let filter = format!("device{operator}'{word}' and state='VALID'");
    let pairs = [("$filter", filter.as_str()), ("$last", MOST)].map(|(name, value)| (name.into(), value.into()));
    let Ok(query) = Query::from_pairs(&pairs) else { return BTreeSet::new() };
    let found =
        store.find(&certificate::SPEC, &query, &Caller::agent()).map(|found| found.documents).unwrap_or_default();
    let device = |document: &Document| -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&store.body(document).ok()??).ok()?;
        body.get("device")?.as_str().map(str::to_owned)
    };
    found.iter().filter_map(|document| device(document)).collect()
}
