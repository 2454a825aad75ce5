//! Configuration and command line as an operator meets them: who wins over whom, and what is said about mistakes.

use std::fs;
use std::path::{Path, PathBuf};

use mf2c_tests::{Start, eventually, mf2c, mf2c_with};

/// Every command, as it is written.
const COMMANDS: [&str; 7] = ["agent", "config check", "config show", "backup", "restore", "repair", "version"];

fn written(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("mf2c.toml");
    fs::write(&path, text).unwrap();
    path
}

/// The role that a started agent says it has.
fn role(start: Start) -> String {
    let agent = start.agent();
    let mut role = None;
    eventually("the line that says that it serves", || {
        let serving = agent.log_lines().find(|line| line["message"] == "serving");
        role = serving.and_then(|line| line["role"].as_str().map(str::to_owned));
        role.is_some()
    });
    role.unwrap_or_default()
}

#[test]
fn a_certificate_that_cannot_be_served_is_a_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[tls]\ncertificate = \"/etc/passwd\"\nkey = \"/nowhere/key.pem\"\n");
    let (file, data) = (file.to_str().unwrap(), folder.path().join("data"));
    mf2c(&["config", "check", "--config", file]).expect(2).tells(&["/etc/passwd", "certificate"]);
    let _ = mf2c(&["agent", "--config", file, "--data-dir", data.to_str().unwrap()]).expect(2);
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "role = \"cloud\"\n");
    let file = file.to_str().unwrap();
    assert_eq!(role(Start::new()), "agent");
    assert_eq!(role(Start::new().arguments(["--config", file])), "cloud");
    assert_eq!(role(Start::new().environment("MF2C_CONFIG", file)), "cloud");
    let environment = || Start::new().environment("MF2C_ROLE", "leader");
    assert_eq!(role(environment().arguments(["--config", file])), "leader");
    assert_eq!(role(environment().arguments(["--config", file, "--role", "agent"])), "agent");
}

#[test]
fn show_prints_what_is_in_effect_with_its_source_and_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = "data_dir = \"/srv/fog\"\n\n[limits]\npage = 500\n[[device.sensors]]\nkinds = [\"temperature\"]\n";
    let file = written(folder.path(), text);
    let file = file.to_str().unwrap();
    let shown = mf2c_with(&[("MF2C_LOG_LEVEL", "warn")], &["config", "show", "--config", file]).expect(0);
    assert_eq!(shown.err, "");
    for line in [
        format!("data_dir = \"/srv/fog\"  # {file}:1"),
        format!("page = 500  # {file}:4"),
        "level = \"warn\"  # environment MF2C_LOG_LEVEL".to_owned(),
        "listen = \"127.0.0.1:8443\"  # default".to_owned(),
    ] {
        assert!(shown.out.contains(&line), "{line} is missing in:\n{}", shown.out);
    }
    let again = folder.path().join("again.toml");
    fs::write(&again, &shown.out).unwrap();
    let again = mf2c(&["config", "show", "--config", again.to_str().unwrap()]).expect(0);
    let values = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once("  # ")?.0.to_owned())).collect()
    };
    assert_eq!(values(&again.out), values(&shown.out));
}

#[test]
fn the_shipped_files_are_good_and_hold_every_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let checks = mf2c(&["config", "check", "--config", path.to_str().unwrap()]).expect(0);
        assert!(checks.out.starts_with("ok: "), "{}", checks.out);
        assert_eq!(checks.err, "");
        let shown = mf2c(&["config", "show", "--config", path.to_str().unwrap()]).expect(0).out;
        let from_elsewhere = |line: &&str| line.ends_with("# default") && !line.starts_with("data_dir");
        let missing: Vec<&str> = shown.lines().filter(from_elsewhere).collect();
        assert!(missing.is_empty(), "{} does not have: {missing:?}", path.display());
        checked += 1;
    }
    assert!(checked >= 3, "{checked} files");
}

#[test]
fn a_key_that_nobody_knows_is_refused_with_the_nearest_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "role = \"agent\"\n[api]\nlistn = \"127.0.0.1:0\"\n[limits]\npage = 0\n");
    let file = file.to_str().unwrap();
    let data_dir = folder.path().join("data");
    for refused in [
        Start::new().data_dir(&data_dir).arguments(["--config", file]).refused(),
        mf2c(&["config", "check", "--config", file]),
        mf2c(&["config", "show", "--config", file]),
        mf2c(&["backup", "x", "--config", file, "--data-dir", data_dir.to_str().unwrap()]),
    ] {
        let refused = refused.expect(2);
        refused.tells(&[&format!("{file}:3"), "unknown key `api.listn`", "did you mean `api.listen`?"]);
        assert_eq!(refused.out, "");
    }
    assert!(!data_dir.exists(), "a wrong configuration must leave no trace");
    mf2c_with(&[("MF2C_ROEL", "leader")], &["config", "check"]).expect(2).tells(&["MF2C_ROEL", "`MF2C_ROLE`"]);
    let missing = folder.path().join("none.toml");
    let missing = missing.to_str().unwrap();
    mf2c(&["config", "check", "--config", missing]).expect(2).tells(&[missing, "No such file"]);
}

#[test]
fn every_value_that_is_wrong_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "[limits]\npage = 0\nbody_timeout = \"soon\"\n[log]\nlevel = 3\n");
    let file = file.to_str().unwrap();
    let refused = mf2c(&["config", "check", "--config", file]).expect(2);
    refused.tells(&[":3: `limits.body_timeout`", ":5: `log.level`"]);
    let file = written(folder.path(), "[limits]\npage = 0\nbody = \"1GiB\"\n");
    let refused = mf2c(&["config", "check", "--config", file.to_str().unwrap()]).expect(2);
    refused.tells(&[":2: `limits.page`", ":3: `limits.body`", "limits.bulk_body"]);
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    for (line, words) in [
        ("agent --api 8443", ["--api", "127.0.0.1:8443"]),
        ("agent --role boss", ["boss", "leader"]),
        ("agent --log-level inof", ["inof", "info"]),
        ("agnet", ["agnet", "agent"]),
        ("config chekc", ["chekc", "check"]),
        ("backup", ["<FILE>", "Usage: mf2c backup"]),
        ("version now", ["now", "Usage: mf2c version"]),
    ] {
        let refused = mf2c(&line.split(' ').collect::<Vec<_>>()).expect(2);
        refused.tells(&words);
        assert_eq!(refused.out, "", "{line}");
    }
    mf2c(&[]).expect(2).tells(&COMMANDS);
}

#[test]
fn help_explains_every_command_and_version_is_one_line() {
    let help = mf2c(&["--help"]).expect(0);
    assert_eq!((help.err.as_str(), mf2c(&["help"]).expect(0).out == help.out), ("", true));
    for command in COMMANDS {
        assert!(help.out.contains(&format!("  {command} ")), "{command} is missing in:\n{}", help.out);
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let about = mf2c(&words).expect(0).out;
        assert!(about.contains(&format!("Usage: mf2c {command}")), "{about}");
    }
    let version = mf2c(&["version"]).expect(0).out;
    assert_eq!(version, mf2c(&["--version"]).expect(0).out);
    let number = version.strip_prefix("mf2c ").and_then(|rest| rest.strip_suffix('\n')).expect("a name and a number");
    assert_eq!(number.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{number}");
}
