//! The page about the command line: its examples are run in one shell, and end with the codes that stand above them.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Start, agent_binary};

/// Each `mf2c` keeps its exit code, whatever becomes of its output.
const PRELUDE: &str = r#"
set -u
mf2c() {
    local code=0
    command mf2c "$@" 2>>said || code=$?
    echo "$code" >>codes
    return "$code"
}
: >codes
"#;

#[test]
fn the_examples_of_the_command_line_page_end_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/client.md")).unwrap();
    let blocks = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    let script = blocks.collect::<Vec<_>>().join("\n");
    let promised: Vec<&str> = script.lines().filter_map(|line| line.strip_prefix("# exits ")).collect();
    let commands = script
        .lines()
        .filter(|line| line.starts_with("mf2c ") || line.contains(" mf2c ") || line.contains("(mf2c "))
        .count();
    assert!(commands > 10 && commands == promised.len(), "{commands} examples, {} promises", promised.len());

    let agent = Start::new().agent();
    let script = script
        .replace("https://127.0.0.1:8443", &format!("https://{}", agent.https()))
        .replace("./guide-data", agent.data_dir().to_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let binary = agent_binary();
    let mut path = vec![binary.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{PRELUDE}{script}\n")]).current_dir(folder.path());
    bash.env_clear()
        .env("PASSWORD", agent.admin_password())
        .env("HOME", folder.path())
        .env("PATH", std::env::join_paths(path).unwrap());
    let _ = mf2c_tests::run(bash);
    let codes = fs::read_to_string(folder.path().join("codes")).unwrap();
    let said = fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    assert_eq!(codes.lines().collect::<Vec<_>>(), promised, "{said}");
}
