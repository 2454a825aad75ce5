//! The documentation, held against the program: its curl examples are run, its links and paths followed, and every key
//! of the configuration is looked for.
//!
//! Above each curl command stands a comment `# answers 201`, or `# answers 200, count 2`: the status that it gets, and
//! the count in its answer. All blocks of a page run in order in one shell, with only the host and port replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_tests::{Agent, Start, agent_binary, eventually};
use serde_json::json;

/// The pages whose links are followed.
const LINKED: [&str; 23] = [
    "README.md",
    "CHANGELOG.md",
    "docs/ARCHITECTURE.md",
    "docs/guide.md",
    "docs/api.md",
    "docs/operations.md",
    "docs/certauths.md",
    "docs/client.md",
    "docs/legacy-cau.md",
    "docs/policies.md",
    "docs/qos.md",
    "docs/services.md",
    "docs/sla.md",
    "docs/sla-rest.md",
    "docs/lifecycle-rest.md",
    "docs/user-management.md",
    "docs/area.md",
    "docs/flocker.md",
    "docs/deltacloud.md",
    "docs/deter.md",
    "docs/simulation.md",
    "docs/discovery.md",
    "docs/fog.md",
];

/// What the README's examples answer; its comments are for people who are in a hurry.
const README: [u16; 4] = [200, 200, 201, 200];

/// Each curl keeps its status and body, whatever becomes of its output.
const PRELUDE: &str = r#"
shopt -s expand_aliases
set -u
curl() {
    local number=$(($(wc -l <statuses) + 1))
    # Examples of streams end by their own `--max-time`, which is an error to curl: its words must not get in the way.
    command curl -s --max-time 30 "$@" -w '%{stderr}%{http_code}\n' 2>>statuses | tee "body.$number"
}
: >statuses
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own").to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The shell blocks of a page, from a heading on.
fn shell_blocks(page: &str, from: &str) -> Vec<String> {
    let text = &page[page.find(from).expect("the heading is there")..];
    let blocks = text.split("\n```sh\n").skip(1);
    blocks.map(|block| block.split_once("\n```").expect("a block has an end").0.to_owned()).collect()
}

/// What a comment says of the command behind it.
#[derive(Debug, PartialEq)]
struct Promise {
    status: u16,
    count: Option<u64>,
}

fn promise(line: &str) -> Option<Promise> {
    let text = line.strip_prefix("# answers ")?;
    let (status, count) = text.split_once(", count ").map_or((text, None), |(status, count)| (status, Some(count)));
    let status = status.parse().unwrap_or_else(|_| panic!("no status in `{line}`"));
    Some(Promise { status, count: count.map(|count| count.parse().unwrap_or_else(|_| panic!("no count in `{line}`"))) })
}

/// How many curl commands a block holds, apart from comments and the definitions of aliases.
fn curls(block: &str) -> usize {
    let code = block.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("alias "));
    let words = code.flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '(' | '|' | ';')));
    words.filter(|word| *word == "curl" || word.starts_with("mf2c-curl-")).count()
}

/// Runs a page's blocks in one shell: what each curl answered, as status and body.
fn run(blocks: &[String], agent: &Agent) -> Vec<(u16, String)> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{PRELUDE}{}\n", blocks.join("\n"));
    let script = script.replace("https://127.0.0.1:8443", &format!("https://{}", agent.https()));
    let script = script.replace("http://127.0.0.1:8080", &format!("http://{}", agent.http()));
    // Two seconds are enough for a reader, and little for a machine that is busy with other tests.
    let script = script.replace("--max-time 2 ", "--max-time 6 ");
    // The reader pastes the administrator's password where a page asks for it.
    let pasted = folder.path().join("pasted");
    fs::write(&pasted, format!("{}\n", agent.admin_password())).unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .stdin(fs::File::open(&pasted).unwrap())
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
    let statuses = fs::read_to_string(folder.path().join("statuses")).unwrap();
    let answer = |(number, status): (usize, &str)| {
        let body = fs::read(folder.path().join(format!("body.{}", number + 1))).unwrap_or_default();
        let status = status.parse().unwrap_or_else(|_| panic!("curl number {}: {status}", number + 1));
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    statuses.lines().enumerate().map(answer).collect()
}

/// An agent that has described its machine, as the guide's reader has it.
fn agent() -> Agent {
    let agent = Start::new().environment("MF2C_DEVICE_ENABLED", "true").agent();
    eventually("the description of the machine", || {
        agent.send("GET", "device-dynamic?$last=0", None).text().contains(r#""count":1"#)
    });
    agent
}

/// Runs the examples of a page and holds what they answer against what stands above them, or against `known`.
fn check(name: &str, from: &str, known: &[u16]) {
    let blocks: Vec<String> = shell_blocks(&page(name), from).into_iter().filter(|block| curls(block) > 0).collect();
    let written = blocks.iter().flat_map(|block| block.lines()).filter_map(promise);
    let promises: Vec<Promise> =
        written.chain(known.iter().map(|status| Promise { status: *status, count: None })).collect();
    let examples: usize = blocks.iter().map(|block| curls(block)).sum();
    assert!(examples > 0 && examples == promises.len(), "{name}: {examples} examples, {} promises", promises.len());
    let answers = run(&blocks, &agent());
    for (number, (promised, (status, body))) in promises.iter().zip(&answers).enumerate() {
        let which = format!("{name}, curl number {}", number + 1);
        assert_eq!(*status, promised.status, "{which}: {body}");
        if let Some(count) = promised.count {
            assert!(body.contains(&format!(r#""count":{count},"#)), "{which}: expected count {count}: {body}");
        }
    }
    assert_eq!(answers.len(), examples, "{name}: an example was skipped, or ran twice");
}

#[test]
fn the_examples_of_the_readme_answer() {
    check("README.md", "## Try it", &README);
}

#[test]
fn the_examples_of_the_guide_answer_as_it_says() {
    check("docs/guide.md", "# ", &[]);
}

#[test]
fn the_examples_of_the_api_page_answer_as_it_says() {
    check("docs/api.md", "# ", &[]);
}

#[test]
fn the_examples_of_the_operations_page_answer_as_it_says() {
    check("docs/operations.md", "# ", &[]);
}

/// A default as the table of keys writes it; none where it says so in words.
fn written(key: &str, value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => (key != "data_dir" && !text.is_empty()).then(|| text.clone()),
        toml::Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

#[test]
fn every_key_of_the_configuration_is_explained_in_operations_with_its_default() {
    let operations = page("docs/operations.md");
    let shown = Command::new(agent_binary()).args(["config", "show"]).env_clear().output().unwrap();
    let shown: toml::Table = toml::from_str(&String::from_utf8_lossy(&shown.stdout)).unwrap();
    let mut keys = Vec::new();
    for (name, value) in &shown {
        match value.as_table() {
            Some(section) => keys.extend(section.iter().map(|(key, value)| (format!("{name}.{key}"), value))),
            None => keys.push((name.clone(), value)),
        }
    }
    assert!(keys.len() > 20, "{keys:?}");
    for (key, value) in keys {
        let row = match written(&key, value) {
            Some(default) => format!("| `{key}` | `{default}` |"),
            None => format!("| `{key}` | "),
        };
        assert!(operations.contains(&row), "docs/operations.md has no row `{row}`");
    }
}

/// The rows of the table of types in the page about the API: type, key of the list, who may list, who may add.
fn rows_of_types(page: &str) -> Vec<[String; 4]> {
    let (_, table) = page.split_once("## Resource types").expect("the heading is there");
    let (table, _) = table.split_once("\n### ").expect("a heading follows");
    let cells = |row: &str| row.split('|').skip(1).take(4).map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    table.lines().filter(|line| line.starts_with("| `")).filter_map(|row| cells(row).try_into().ok()).collect()
}

/// Everybody who may is asked, from strangers on: the first whom the agent lets do it.
fn first_who_may(may: impl Fn(Option<&str>) -> bool) -> &'static str {
    [("everybody", None), ("USER", Some("jane USER")), ("ADMIN", Some("root ADMIN"))]
        .into_iter()
        .find_map(|(name, who)| may(who).then_some(name))
        .unwrap_or("–")
}

#[test]
fn the_table_of_types_says_who_may_list_and_add_as_the_agent_does() {
    let agent = Start::new().agent();
    let points = agent.send("GET", "cloud-entry-point", None).expect(200).json();
    let served = points.as_object().unwrap().iter().filter_map(|(tag, point)| Some((point["href"].as_str()?, tag)));
    let mut served: Vec<[String; 4]> = served
        .map(|(kind, tag)| {
            let list = |who: Option<&str>| agent.send_as(who, "GET", &format!("{kind}?$last=0"), None);
            let add = json!([{"rel": "add", "href": kind}]);
            let listed = first_who_may(|who| list(who).status == 200);
            let added = first_who_may(|who| list(who).json()["operations"] == add);
            [kind.to_owned(), tag.clone(), listed.to_owned(), added.to_owned()]
        })
        .collect();
    let mut written = rows_of_types(&page("docs/api.md"));
    served.sort();
    written.sort();
    assert_eq!(written, served);
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_the_pages_lead_somewhere() {
    for name in LINKED {
        let text = page(name);
        let folder = root().join(name).parent().unwrap().to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, wanted) = target.split_once('#').map_or((target, None), |(path, wanted)| (path, Some(wanted)));
            let path = if path.is_empty() { root().join(name) } else { folder.join(path) };
            assert!(path.exists(), "{name}: `{target}` leads nowhere");
            if let Some(wanted) = wanted {
                let text = fs::read_to_string(&path).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#').trim()) == wanted);
                assert!(found, "{name}: `{target}` names no heading");
            }
        }
    }
}

#[test]
fn paths_named_in_the_pages_exist() {
    let folders = ["scripts/", "config/", "docs/", "src/", "actors/", "tests/", "fuzz/", "packaging/"];
    for name in LINKED {
        let text = page(name);
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, '`' | '(' | ')' | ',' | ';' | '"' | '|'));
        for word in words.filter(|word| folders.iter().any(|folder| word.starts_with(folder) && word != folder)) {
            let path = word.split('#').next().unwrap_or_default().trim_end_matches(['.', ':']);
            assert!(root().join(path).exists(), "{name}: there is no `{path}`");
        }
    }
}
