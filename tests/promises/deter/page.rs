//! The page about the testbed API: what it shows works as it stands there, with another port.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Ran, agent_binary, eventually, python, run};

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
    let address = place.base().trim_start_matches("https://").trim_end_matches("/axis2/services").to_owned();
    let api = place.agent.https();
    let within = |script: String| script.replace("127.0.0.1:52323", &address).replace("127.0.0.1:8443", api);
    let folder = place.path("");
    let done = |mut command: Command| -> Ran {
        // Neither proxies nor certificates of this machine's own.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(&folder);
        command.env("HOME", &folder).env("PASSWORD", place.agent.admin_password());
        run(command)
    };
    // The description of the machine, which gives the agent its identity, is on its way.
    eventually("an identity", || place.admin("GET", "device", None).json()["count"] != 0);
    let data = place.agent.data_dir().to_str().unwrap();
    let program = agent_binary();
    let program = program.display();
    // The commands about the area look at the agent's directory, the others at its address.
    let program =
        format!("mf2c() {{ if [ $1 = ca ]; then set -- \"$@\" --data-dir '{data}'; fi; '{program}' \"$@\"; }}\n");
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &(program + &within(examples("sh")))]);
    let ran = done(shell).expect(0);
    assert!(ran.out.contains("<ns:getVersionResponse") && ran.out.contains("<ns:id>abierce</ns:id>"), "{ran:?}");
    let mut interpreter = Command::new(python("test-zeep", &[PACKAGE]));
    interpreter.args(["-c", &within(examples("python"))]);
    let printed = done(interpreter).expect(0).out;
    // What the page says that it prints.
    assert!(printed.contains("'abierce'") && printed.ends_with("\n1: Access Denied: Access denied\n"), "{printed}");
}
