//! The page about areas: its agents are started as it says, its examples run in one shell, and end with the codes that stand
//! above them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_tests::{Agent, Start, agent_binary};

/// Each command keeps its exit code, whatever becomes of its output.
const PRELUDE: &str = r#"
set -u -o pipefail
note() {
    local code=0
    command "$@" 2>>said || code=$?
    echo "$* -> $code" >>said
    return "$code"
}
mf2c() { note mf2c "$@"; }
"#;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/area.md")).unwrap()
}

/// The blocks of one kind.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let start = format!("\n```{kind}\n");
    page.split(&start).skip(1).map(|block| block.split_once("\n```").unwrap().0.to_owned()).collect()
}

/// Starts an agent as a line of the page says, on ports of the system's choice: its directory there, and the agent.
fn start(line: &str, folder: &Path) -> (String, String, Agent) {
    let words: Vec<&str> = line.split_whitespace().skip(2).collect();
    let mut start = Start::new().bare();
    let (mut written, mut api) = (String::new(), String::new());
    for pair in words.chunks(2) {
        match pair {
            ["--data-dir", name] => (*name).clone_into(&mut written),
            ["--api", address] => {
                (*address).clone_into(&mut api);
                start = start.arguments(["--api", "127.0.0.1:0"]);
            }
            ["--link", "127.0.0.1:8444"] => start = start.arguments(["--link", "127.0.0.1:0"]),
            other => panic!("{other:?} in `{line}`: teach this test"),
        }
    }
    let data_dir: PathBuf = folder.join(written.trim_start_matches("./"));
    let agent = start.environment("MF2C_DEVICE_ENABLED", "false").data_dir(&data_dir).agent();
    (written, api, agent)
}

/// The commands of a block, each with its promise: a comment, and the line behind it.
fn examples(block: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = block.lines().filter(|line| !line.trim().is_empty()).collect();
    let commands = lines.iter().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let promised = |at: usize| lines[..at].iter().rev().find_map(|line| line.strip_prefix("# exits "));
    commands
        .map(|(at, line)| {
            assert!(lines[at - 1].starts_with("# exits "), "`{line}` has no promise");
            (promised(at).unwrap().to_owned(), (*line).to_owned())
        })
        .collect()
}

#[test]
fn the_examples_of_the_page_about_areas_end_as_it_says_on_two_agents_started_as_it_says() {
    let page = page();
    let folder = tempfile::tempdir().unwrap();
    let on_one_machine =
        &page[page.find("## Two agents on one machine").unwrap()..page.find("## Two agents on two").unwrap()];
    let agents: Vec<(String, String, Agent)> = blocks(on_one_machine, "text")
        .iter()
        .filter(|line| line.starts_with("mf2c agent "))
        .map(|line| start(line, folder.path()))
        .collect();
    assert_eq!(agents.len(), 2);
    let examples: Vec<(String, String)> = blocks(&page, "sh").iter().flat_map(|block| examples(block)).collect();
    assert!(examples.len() > 12, "{} examples", examples.len());
    let mut script = format!("{PRELUDE}: >codes\n");
    for (_, line) in &examples {
        // No `set -e`: a command that is promised to fail is followed by others.
        script.push_str(&format!("{line}\necho $? >>codes\n"));
    }
    for (_, api, agent) in &agents {
        let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
        script = script.replace(&format!("localhost:{}", port(api)), &format!("localhost:{}", port(agent.https())));
    }
    let binary = agent_binary();
    let mut path = vec![binary.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path());
    bash.env_clear().env("HOME", folder.path()).env("PATH", std::env::join_paths(path).unwrap());
    let ran = mf2c_tests::run(bash);
    let said = fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    let codes = fs::read_to_string(folder.path().join("codes")).unwrap_or_default();
    let codes: Vec<&str> = codes.lines().collect();
    assert_eq!(codes.len(), examples.len(), "{said}\n{}", ran.err);
    for ((promised, line), code) in examples.iter().zip(codes) {
        assert_eq!(code, promised, "`{line}`:\n{said}\n{}", ran.err);
    }
    let log = agents.iter().map(|(_, _, agent)| agent.log()).collect::<String>();
    let token = fs::read_to_string(folder.path().join("token.txt")).unwrap();
    let secret = token.split(['.', '@']).nth(3).unwrap().to_owned();
    assert!(secret.len() > 40 && !log.contains(&secret), "a token is in the log");
}
