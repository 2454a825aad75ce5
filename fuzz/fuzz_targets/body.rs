//! Any JSON object is accepted or refused with its faults by any type; what was accepted stays acceptable when it is read
//! and sent back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::resource;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, json)) = data.split_first() else { return };
    let types = resource::all();
    let spec = types[usize::from(kind) % types.len()];
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(json) else { return };
    match spec.prepare_add(body, Timestamp::from_millis(1_500_000_000_000), &Sevens) {
        Ok(draft) => {
            let again = spec.prepare_edit(draft.attributes.clone(), Map::new(), &[], true);
            let again = again.unwrap_or_else(|error| panic!("{}: accepted, then refused: {error}", spec.name));
            assert_eq!(again.attributes, draft.attributes, "{}", spec.name);
        }
        Err(error) => assert!(error.to_string().starts_with("resource does not satisfy defined schema")),
    }
});
