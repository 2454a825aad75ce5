//! Programs written for the original's server: its own Python client, call by call, and the programs around it.

use std::path::Path;
use std::process::Command;

use mf2c_tests::{Ran, Start, run};

/// Runs a program of `tests/clients`. With the interpreter that `MF2C_TEST_PYTHON` names, so that one that has
/// `slipstream-api` is used where there is one; `scripts/original_client.sh` makes it.
fn client(program: &str, arguments: &[&str]) -> Ran {
    let python = std::env::var_os("MF2C_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
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
