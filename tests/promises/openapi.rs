//! The interface as it was when somebody last looked at it: any change of the OpenAPI document shows here.

use std::fs;
use std::path::Path;

use mf2c_tests::{Start, curl};

/// How to accept a change.
const UPDATE: &str = "UPDATE_SNAPSHOTS=1 cargo nextest run -p mf2c-tests openapi";

#[test]
fn the_interface_is_the_one_that_was_looked_at() {
    let agent = Start::new().agent();
    let document = curl(["-k", &format!("https://{}/openapi.json", agent.https())]).expect(200).json();
    let text = format!("{document:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let changed = text.lines().zip(known.lines()).enumerate().find(|(_, (now, before))| now != before);
    if let Some((at, (now, before))) = changed {
        panic!("line {} was `{before}` and is `{now}`; if that is meant: {UPDATE}", at + 1);
    }
    assert_eq!(text.len(), known.len(), "the document has grown or shrunk at its end; if that is meant: {UPDATE}");
}
