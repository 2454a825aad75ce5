//! The page about the testbed API: what it shows works as it stands there, with another port.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Ran, agent_binary, eventually, python, run};
use serde_json::json;

use super::place::{Testbed, start};
use super::zeep::PACKAGE;

/// The examples in one language, in their order.
fn examples(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deter.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_examples_of_the_page_work() {
    let place = Testbed::without_area(start());
    let form = json!({"href": "user-template/direct", "username": "abierce", "password": "devils dictionary",
        "emailAddress": "abierce@example.org", "state": "ACTIVE"});
    let _ = place.admin("POST", "user", Some(json!({ "userTemplate": form }))).expect(201);
    let address = place.base().trim_start_matches("https://").trim_end_matches("/axis2/services").to_owned();
    let within = |script: String| script.replace("127.0.0.1:52323", &address);
    let folder = place.path("");
    let done = |mut command: Command| -> Ran {
        // Neither proxies nor certificates of this machine's own.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(&folder);
        run(command)
    };
    // The description of the machine, which gives the agent its identity, is on its way.
    eventually("an identity", || place.admin("GET", "device", None).json()["count"] != 0);
    let data = place.agent.data_dir().to_str().unwrap();
    let program = format!("mf2c() {{ '{}' \"$@\" --data-dir '{data}'; }}\n", agent_binary().display());
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &(program + &within(examples("sh")))]);
    let ran = done(shell).expect(0);
    assert!(ran.out.contains("<ns:getVersionResponse") && ran.out.contains("<ns:id>abierce</ns:id>"), "{ran:?}");
    let mut interpreter = Command::new(python("test-zeep", &[PACKAGE]));
    interpreter.args(["-c", &within(examples("python"))]);
    assert!(done(interpreter).expect(0).out.contains("'abierce'"));
}
