//! The page about Deltacloud: its requests answer as it says, and make a key that ssh-keygen takes, or take one of its.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Start, run};
use serde_json::json;

use crate::discovery::door_of;

/// Each curl keeps its status.
const PRELUDE: &str = "curl() { command curl -s --max-time 30 -w '%{stderr}%{http_code}\\n' \"$@\" 2>>statuses; }\n";

#[test]
fn the_requests_of_the_page_answer_as_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deltacloud.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0).collect();
    let promised: Vec<&str> =
        blocks.iter().flat_map(|block| block.lines()).filter_map(|line| line.strip_prefix("# answers ")).collect();
    assert_eq!(promised, ["201", "200", "204", "201"]);
    let agent = Start::new().environment("MF2C_DELTACLOUD_LISTEN", "127.0.0.1:0").agent();
    let door = door_of(&agent, "deltacloud.listen");
    let form = json!({"href": "user-template/direct", "username": "jane", "password": "correct horse 8",
        "state": "ACTIVE", "emailAddress": "jane@example.org"});
    let _ = agent.send("POST", "user", Some(&json!({ "userTemplate": form }).to_string())).expect(201);
    let folder = tempfile::tempdir().unwrap();
    let script = format!("set -euo pipefail\n{PRELUDE}{}\n", blocks.join("\n")).replace("127.0.0.1:3001", &door);
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path());
    let said = run(bash).expect(0).out;
    let answered = fs::read_to_string(folder.path().join("statuses")).unwrap();
    assert_eq!(answered.lines().collect::<Vec<_>>(), promised);
    assert!(said.starts_with("ssh-rsa AAAA"), "{said}");
    // But for the fingerprint and the port the list is the printed one.
    let (_, shown) = page.split_once("\n```xml\n").unwrap();
    let shown = shown.split_once("\n```").unwrap().0.replace("127.0.0.1:3001", &door);
    let without = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("<fingerprint>"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (listed, brought) = said.split_once("</keys>").unwrap();
    let listed = listed.split_once("<?xml").map(|(_, list)| format!("<?xml{list}</keys>")).unwrap();
    assert_eq!(without(&listed), without(&shown));
    // Of the key that she has brought, the fingerprint is the one that ssh-keygen tells, and there is no private part.
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-l", "-f", "id.pub"]).current_dir(folder.path());
    let told = run(keygen).expect(0).out;
    let print = told.split(' ').nth(1).unwrap();
    assert!(brought.contains("id='laptop'") && brought.contains(&format!("<fingerprint>{print}<")), "{told} {brought}");
    assert!(!brought.contains("<pem>"), "{brought}");
}
