//! The rules of the house that the compiler does not hold: who may use whom, how long a file may be, and what no code says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_tests::run;
use toml::{Table, Value};

/// Each room and its floor: a room uses only rooms on floors below its own.
const FLOORS: [(&str, u32); 17] = [
    ("mf2c-domain", 0),
    ("mf2c-sla", 1),
    ("mf2c-lifecycle", 1),
    ("mf2c-placement", 1),
    ("mf2c-store", 1),
    ("mf2c-fabric", 1),
    ("mf2c-pki", 1),
    ("mf2c-auth", 1),
    ("mf2c-soap", 1),
    ("mf2c-machine", 1),
    ("mf2c-workload", 1),
    ("mf2c-actors", 2),
    ("mf2c-facade", 3),
    ("mf2c-client", 3),
    ("mf2c-transport", 3),
    ("mf2c-sim", 4),
    ("mf2c-agent", 5),
];
/// More lines than this are not read at one sitting.
const LONGEST_FILE: usize = 500;
/// What code outside tests never says, and the places that may. The instants of the simulation are virtual: the lints
/// forbid it those of the machine.
const BANNED: [(&str, &[&str]); 17] = [
    ("println!(", &[]),
    ("print!(", &[]),
    ("eprintln!(", &[]),
    ("eprint!(", &[]),
    ("dbg!(", &[]),
    ("todo!(", &[]),
    ("unimplemented!(", &[]),
    (".unwrap()", &[]),
    (".do_send(", &["actors/src/post.rs"]),
    ("from_registry(", &[]),
    ("thread::sleep", &[]),
    ("SystemTime::now", &["src/agent/src/world.rs"]),
    ("Instant::now", &["src/agent/src/world.rs", "src/sim/src/"]),
    ("OffsetDateTime::now", &["src/agent/src/world.rs"]),
    ("env::var", &["src/agent/src/config/"]),
    ("env::args", &["src/agent/src/config/"]),
    ("env::current_dir", &["src/agent/src/config/"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn table(path: &str) -> Table {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}")).parse().unwrap()
}

fn members() -> Vec<(String, Table)> {
    let workspace = table("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members = members.iter().map(|member| member.as_str().unwrap().to_owned());
    members.map(|member| (member.clone(), table(&format!("{member}/Cargo.toml")))).collect()
}

/// Files with these endings below these folders, by their path from the root, with their text.
fn files(folders: &[&str], endings: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let made = ["target", "corpus", "artifacts", "coverage", "data"].iter().any(|it| path.ends_with(it));
                folders.extend((!made).then_some(path));
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

fn rust() -> Vec<(String, String)> {
    files(&["src", "actors", "tests", "fuzz", "benches"], &[".rs"])
}

/// The text up to the tests at its end, and those tests.
fn parted(text: &str) -> (&str, &str) {
    let inline = text.match_indices("#[cfg(test)]\n").find(|(at, found)| {
        let behind = &text[at + found.len()..];
        let line = behind.lines().next().unwrap_or_default();
        line.ends_with('{') && line.split_whitespace().any(|word| word == "mod")
    });
    text.split_at(inline.map_or(text.len(), |(at, _)| at))
}

/// Files that are compiled for tests only: `#[cfg(test)] mod name;`, with everything below them.
fn test_files(all: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, text) in all {
        let path = Path::new(name);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let folder = if ["mod", "lib", "main"].contains(&stem) { folder.to_owned() } else { folder.join(stem) };
        for behind in text.split("#[cfg(test)]\n").skip(1) {
            let mut lines = behind.lines();
            let mut line = lines.next().unwrap_or_default();
            if let Some(named) = line.strip_prefix("#[path = \"").and_then(|named| named.strip_suffix("\"]")) {
                found.insert(path.with_file_name(named).display().to_string());
                line = lines.next().unwrap_or_default();
            }
            if let Some(module) = line.rsplit(' ').next().and_then(|module| module.strip_suffix(';')) {
                let file = folder.join(module);
                found.insert(format!("{}.rs", file.display()));
                let below = format!("{}/", file.display());
                found.extend(all.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with(&below)));
            }
        }
    }
    found
}

/// The lines that are no comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn rooms_use_only_rooms_below_them_the_facade_neither_certificates_nor_the_machine_and_the_client_no_store() {
    let floor = |name: &str| FLOORS.iter().find(|(room, _)| *room == name).map(|(_, floor)| *floor);
    let mut wrong = vec![];
    for (_, manifest) in members() {
        let name = manifest["package"]["name"].as_str().unwrap();
        let uses = |section: &str| -> Vec<String> {
            let section = manifest.get(section).and_then(Value::as_table);
            let names = section.into_iter().flat_map(|section| section.keys().cloned());
            names.filter(|name| name.starts_with("mf2c-")).collect()
        };
        assert!(uses("build-dependencies").is_empty(), "{name}");
        for used in uses("dependencies") {
            let (Some(above), Some(below)) = (floor(name), floor(&used)) else {
                panic!("{name} uses {used}: give both a floor in this test");
            };
            let apart = name == "mf2c-facade" && ["mf2c-pki", "mf2c-machine"].contains(&used.as_str())
                || name == "mf2c-client" && !["mf2c-domain", "mf2c-pki"].contains(&used.as_str());
            if below >= above || apart {
                wrong.push(format!("{name} uses {used}"));
            }
        }
    }
    none("against the order of the floors", &wrong);
}

#[test]
fn every_crate_obeys_the_lints_and_takes_versions_from_the_workspace() {
    let mut wrong = vec![];
    for (member, manifest) in members() {
        let inherits =
            |value: Option<&Value>| value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true));
        // A crate whose tests need a feature of its own names itself.
        let itself = |value: &Value| value.get("path").and_then(Value::as_str) == Some(".");
        if !inherits(manifest.get("lints")) {
            wrong.push(format!("{member}: [lints] workspace = true is missing"));
        }
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let section = manifest.get(section).and_then(Value::as_table);
            for (name, value) in
                section.into_iter().flatten().filter(|(_, value)| !inherits(Some(*value)) && !itself(value))
            {
                wrong.push(format!("{member}: {name} = {value} has a version of its own"));
            }
        }
    }
    none("manifests", &wrong);
}

#[test]
fn files_can_be_read_at_one_sitting_and_say_first_what_they_own() {
    let mut wrong = vec![];
    for (name, text) in rust() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{name}: {lines} lines"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{name}: it does not begin with `//! `"));
        }
        let file = name.rsplit('/').next().unwrap_or_default();
        if ["util.rs", "utils.rs", "helper.rs", "helpers.rs", "misc.rs", "common.rs"].contains(&file) {
            wrong.push(format!("{name}: its name says nothing"));
        }
    }
    none("files", &wrong);
}

#[test]
fn code_outside_tests_never_prints_panics_sleeps_or_asks_the_machine_for_time_and_surroundings() {
    let all = files(&["src", "actors"], &[".rs"]);
    let tests = test_files(&all);
    let mut wrong = vec![];
    for (name, text) in all.iter().filter(|(name, _)| !tests.contains(name) && !name.contains("/tests/")) {
        for (number, line) in code(parted(text).0) {
            for (word, _) in BANNED.iter().filter(|(_, places)| !places.iter().any(|place| name.starts_with(place))) {
                let whole = line.match_indices(word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !word.starts_with(char::is_alphanumeric) || before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                });
                if whole {
                    wrong.push(format!("{name}:{number}: {word}"));
                }
            }
        }
    }
    none("banned", &wrong);
}

#[test]
fn tests_wait_for_what_they_want_and_sleep_only_in_the_harness_and_in_virtual_time() {
    let sleep = ["sle", "ep("].concat();
    let all = rust();
    let folder = |name: &str| Path::new(name).parent().map(Path::to_owned);
    // Where a test stops the clock, nobody waits for it.
    let stop = [["start_", "paused"].concat(), ["time::", "pause()"].concat()];
    let stops = |text: &str| stop.iter().any(|stop| text.contains(stop));
    let stopped: BTreeSet<_> = all.iter().filter(|(_, text)| stops(text)).map(|(name, _)| folder(name)).collect();
    let tests = test_files(&all);
    let mut wrong = vec![];
    for (name, text) in all.iter().filter(|(name, _)| !name.starts_with("tests/harness/")) {
        let whole = tests.contains(name) || name.starts_with("tests/") || name.contains("/tests/");
        let tests = if whole { text } else { parted(text).1 };
        let is_virtual = stopped.contains(&folder(name));
        let sleeps = code(tests).filter(|(_, line)| !is_virtual && line.contains(&sleep));
        wrong.extend(sleeps.map(|(_, line)| format!("{name}: {}", line.trim())));
    }
    none("tests that sleep", &wrong);
}

#[test]
fn nothing_is_left_for_later() {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let mut wrong = vec![];
    let all = files(
        &["src", "actors", "tests", "fuzz", "benches", "scripts", "config", "docs"],
        &[".rs", ".toml", ".sh", ".py", ".md"],
    );
    for (name, text) in all {
        for (number, line) in text.lines().enumerate() {
            let found = line.split(|c: char| !c.is_alphanumeric()).any(|word| words.iter().any(|it| it == word));
            wrong.extend(found.then(|| format!("{name}:{}: {}", number + 1, line.trim())));
        }
    }
    none("left for later", &wrong);
}

#[test]
fn one_library_does_all_cryptography() {
    // Not Cargo.lock: that names also what no enabled feature uses.
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--workspace", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    tree.current_dir(root());
    let tree = run(tree).expect(0).out;
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("aws-lc-rs") && names.contains("rustls"), "{names:?}");
    for other in ["ring", "openssl", "openssl-sys", "native-tls", "mbedtls", "boring", "rustls-rustcrypto"] {
        assert!(!names.contains(other), "{other}: find out with `cargo tree -i {other}`");
    }
}

#[test]
fn what_everybody_looks_for_is_there_and_scripts_run() {
    let root = root();
    for name in ["README.md", "LICENSE", "CHANGELOG.md", "docs/ARCHITECTURE.md", "config/agent.toml"] {
        let length = fs::metadata(root.join(name)).map(|file| file.len()).unwrap_or_default();
        assert!(length > 100, "{name} is missing or empty");
    }
    for (name, text) in files(&["scripts"], &[".sh"]) {
        if name.ends_with("/common.sh") {
            // The others source it.
            continue;
        }
        let mode = fs::metadata(root.join(&name)).unwrap().permissions().mode();
        assert!(text.starts_with("#!/usr/bin/env bash\n") && text.contains("\nset -euo pipefail\n"), "{name}");
        assert!(mode & 0o111 == 0o111, "{name} cannot be run: chmod +x {name}");
    }
}
