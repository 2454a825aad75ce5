//! The page about services: its five commands lead from nothing to the log of a running program, and its table has every attribute
//! of a service.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use mf2c_domain::resource::kind::Kind;
use mf2c_domain::resource::types::service;
use mf2c_tests::{Agent, Start, agent_binary, eventually, run};

use crate::services_cli_run::described;

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/services.md");
    fs::read_to_string(page).unwrap()
}

/// The words of the page in a shell, with this agent in the place of the reader's.
fn bash(command: &str, agent: &Agent, folder: &Path) -> Command {
    let script = command
        .replace("https://127.0.0.1:8443", &format!("https://{}", agent.https()))
        .replace("./data", agent.data_dir().to_str().unwrap());
    let mut path = vec![agent_binary().parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder);
    bash.env_clear().env("HOME", folder).env("PATH", std::env::join_paths(path).unwrap());
    bash
}

#[test]
fn five_commands_of_the_page_lead_from_nothing_to_the_log_of_a_running_program() {
    let page = page();
    let commands: Vec<&str> =
        page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0).collect();
    assert_eq!(commands.len(), 5);
    let start = Start::new().environment("MF2C_DEVICE_ENABLED", "true").environment("MF2C_SERVICES_PROCESS", "true");
    let agent = start.agent();
    described(&agent);
    let folder = tempfile::tempdir().unwrap();
    for command in &commands[..4] {
        let _ = run(bash(command, &agent, folder.path())).expect(0);
    }
    let told = folder.path().join("told");
    let follow = format!("exec {}", commands[4]);
    let mut following = bash(&follow, &agent, folder.path());
    let mut following =
        following.stdin(Stdio::null()).stdout(fs::File::create(&told).unwrap()).spawn().expect("it starts");
    eventually("the program is heard", || fs::read_to_string(&told).unwrap().matches("it is ").count() > 1);
    following.kill().unwrap();
    let _ = following.wait();
    // What the page says of how it ends; processes outlive their agent.
    assert!(page.contains("`mf2c rm beat` stops the instance and removes it"));
    let _ = run(bash("mf2c rm beat", &agent, folder.path())).expect(0);
}

#[test]
fn the_table_of_attributes_has_all_that_a_service_can_say() {
    let page = page();
    for field in service::SPEC.fields {
        let names = match field.kind {
            Kind::Object(members) => members.iter().map(|member| format!("{}.{}", field.name, member.name)).collect(),
            _ => vec![field.name.to_owned()],
        };
        for name in names {
            let is_there = page.lines().any(|line| {
                line.strip_prefix("| ")
                    .and_then(|line| line.split(" | ").next())
                    .is_some_and(|cell| cell.contains(&format!("`{name}`")))
            });
            assert!(is_there, "docs/services.md has no row for `{name}`");
        }
    }
}
