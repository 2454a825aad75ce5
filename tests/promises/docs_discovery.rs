//! The page about discovery: its examples run in one shell, and are answered as the comments above them say.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Start, run};

/// Each curl keeps its status.
const PRELUDE: &str = r#"
set -u
curl() { command curl -s --max-time 30 -o answer "$@" -w '%{http_code}\n' >>statuses; }
: >statuses
"#;

#[test]
fn the_examples_of_the_page_about_discovery_answer_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/discovery.md");
    let page = fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0).collect();
    let promised: Vec<&str> =
        blocks.iter().flat_map(|block| block.lines()).filter_map(|line| line.strip_prefix("# answers ")).collect();
    assert!(promised.len() >= 7, "{promised:?}");
    let agent = Start::new().environment("MF2C_DISCOVERY_LISTEN", "127.0.0.1:0").agent();
    let script = format!("{PRELUDE}{}", blocks.join("\n")).replace("127.0.0.1:46040", &super::discovery::door(&agent));
    let folder = tempfile::tempdir().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(folder.path());
    let ran = run(bash).expect(0);
    let statuses = fs::read_to_string(folder.path().join("statuses")).unwrap();
    assert_eq!(statuses.lines().collect::<Vec<_>>(), promised, "{}", ran.err);
}
