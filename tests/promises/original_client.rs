//! Programs written for the original's server: its own Python client, call by call, and the programs around it.

use std::path::Path;
use std::process::Command;

use mf2c_tests::{Ran, Start, run};
use serde_json::json;

/// Runs a program of `tests/clients`. With the interpreter that `MF2C_TEST_PYTHON` names, so that one that has
/// `slipstream-api` is used where there is one; `scripts/original_client.sh` makes it.
fn client(program: &str, arguments: &[&str]) -> Ran {
    let python = std::env::var_os("MF2C_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    // Neither proxies nor certificates of this machine's own.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg("-B").arg(place.join(program)).args(arguments);
    run(command)
}

fn done(ran: &Ran) -> Vec<&str> {
    ran.out.lines().filter_map(|line| line.strip_prefix("done: ")).collect()
}

#[test]
fn the_programs_around_the_original_find_what_they_rely_on() {
    let agent = Start::new().agent();
    let ran = client("inhouse.py", &[agent.api().trim_end_matches("/api")]).expect(0);
    let all = ["bootstrap", "policies", "life_cycle", "service_manager", "service_levels", "watcher", "event_jobs"];
    assert_eq!(done(&ran), all, "{ran:?}");
}

#[test]
fn the_client_of_the_original_works_call_by_call_over_https_and_http() {
    let agent = Start::new().agent();
    let (name, password) = ("testuser", "correct horse battery");
    let user = json!({"userTemplate": {"href": "user-template/direct", "username": name, "password": password,
        "emailAddress": "testuser@example.org", "state": "ACTIVE"}});
    let _ = agent.send("POST", "user", Some(&user.to_string())).expect(201);
    for endpoint in [agent.api().trim_end_matches("/api").to_owned(), format!("http://{}", agent.http())] {
        let directory = tempfile::tempdir().unwrap();
        let cookies = directory.path().to_str().unwrap();
        let ran = client("original.py", &[&endpoint, cookies, name, password]).expect(0);
        assert_eq!(done(&ran), ["entry point", "life", "events", "describe", "keys", "sessions"], "{ran:?}");
        let used = if std::env::var_os("MF2C_TEST_PYTHON").is_some() { "slipstream-api" } else { "standin" };
        assert!(ran.out.starts_with(&format!("client: {used}\n")), "{ran:?}");
    }
}
