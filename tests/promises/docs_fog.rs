//! The page about a fog at work: its smallest fog is built by its commands alone, does what it says, and is watched as it says.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{agent_binary, free_address};

/// Whatever fails ends the script, and its agents with it.
const PRELUDE: &str = r#"
set -eu -o pipefail
trap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT
"#;
/// What a reader does where the page says so.
const READY: &str = r#"
for log in cloud lead kid; do
    for _ in $(seq 900); do if grep -q '^ready ' $log.log; then break; fi; sleep 0.1; done
    grep -q '^ready ' $log.log
done
"#;
/// What the page promises of the rest.
const THEN: &str = r#"
seen() { mf2c query service --url https://127.0.0.1:9443 --insecure --as 'internal ADMIN' | grep -q door; }
until_true() { for _ in $(seq 900); do if "$@"; then return 0; fi; sleep 0.1; done; echo "never: $*"; return 1; }
until_true seen
backup() { mf2c area --data-dir ./lead | grep -Eq ' backup +connected'; }
until_true backup
keys() { test -e kid/ca/area.key; }
until_true keys
full() { mf2c area --data-dir ./lead | grep -q 'mandate   full'; }
until_true full
# Who was appointed a moment ago may have no vote yet.
sleep 10
kill -9 $(sed -n 2p pids)
leads() { mf2c area --data-dir ./kid 2>/dev/null | grep -q '(leader)'; }
until_true leads
until_true sh -c "mf2c area --data-dir ./cloud | grep -q disconnected"
"#;

#[test]
fn the_smallest_fog_of_the_page_is_built_by_its_commands_and_survives_its_leader() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/fog.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0).collect();
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let mut script = format!("{PRELUDE}{}\n{THEN}", blocks.join("\n"));
    script = script.replace("# when `ready` stands in each of the logs", &format!("jobs -p >pids\n{READY}"));
    for port in 9443..9449 {
        let free = free_address();
        script = script.replace(&format!(":{port}"), free.trim_start_matches("127.0.0.1"));
    }
    let folder = tempfile::tempdir().unwrap();
    let binary = agent_binary();
    let mut path = vec![binary.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path());
    bash.env_clear().env("HOME", folder.path()).env("PATH", std::env::join_paths(path).unwrap());
    // Only this machine, and nothing of it: the page's agents speak to each other alone.
    bash.env("MF2C_DEVICE_ENABLED", "false").env("MF2C_DISCOVERY_BEACON", "false");
    // It bounds its own waits.
    let ran = bash.output().expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let logs = ["cloud", "lead", "kid"].map(|name| fs::read_to_string(folder.path().join(format!("{name}.log"))));
    let logs: String = logs.into_iter().flatten().collect();
    assert!(ran.status.success(), "{out}\n{err}\n{logs}");
}
