//! The script that people are shown: every agent of a fog of three levels is killed under load. And its judge, which must see
//! what is wrong where something is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_tests::{Start, agent_binary, run};
use serde_json::json;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name)
}

#[test]
fn the_demonstration_kills_each_agent_under_load_sees_others_take_the_lead_and_loses_nothing() {
    let mut shown = Command::new("bash");
    shown.arg(script("demo-area.sh")).arg(agent_binary());
    shown.env("PAUSE", "0").env("PROFILE", "fast").env("WRITES", "10");
    // It bounds its own waits.
    let ran = shown.output().expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}{err}");
    assert!(out.contains("PASSED  7 agents were killed, 0 documents are lost"), "{out}");
    // In both areas below the cloud, as the script sees to.
    assert!(
        out.lines().filter(|line| line.contains(" leads area-") && line.contains(" s, in term ")).count() >= 2,
        "{out}"
    );
    for name in ["cloud", "lead-a", "lead-b", "kid-1", "kid-2", "kid-3", "kid-4"] {
        // `  kid-1   leader    4.0 s        28     185      82 …`: before the kill, while it was away, and after.
        let rows = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.into_iter().find(|row| row.first() == Some(&name) && row.get(3) == Some(&"s"));
        let figures = row.as_ref().and_then(|row| row.get(4..7)).unwrap_or_else(|| panic!("no row of {name}: {out}"));
        assert!(figures.iter().all(|figure| figure.parse::<u64>().is_ok_and(|it| it > 0)), "{name}: {out}");
    }
}

#[test]
fn the_judge_of_the_demonstration_finds_what_is_missing_old_deleted_and_back_or_there_twice() {
    let agent = Start::new().agent();
    let add = |name: &str, text: &str| {
        let body =
            json!({"name": name, "description": text, "exec": "x", "exec_type": "docker", "agent_type": "normal"});
        let _ = agent.send("POST", "service", Some(&body.to_string())).expect(201);
    };
    for (name, text) in
        [("demo-good", "1"), ("demo-old", "1"), ("demo-back", "1"), ("demo-twice", "1"), ("demo-twice", "1")]
    {
        add(name, text);
    }
    add("demo-unknown", "2");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("it.api"), agent.api()).unwrap();
    let line = |kind: &str, name: &str, text: &str, acknowledged: bool| {
        json!([1.0, 2.0, kind, format!("demo-{name}"), text, acknowledged]).to_string() + "\n"
    };
    let ledger = [
        line("add", "good", "1", true),
        line("add", "missing", "1", true),
        line("add", "old", "1", true),
        line("edit", "old", "2", true),
        line("add", "back", "1", true),
        line("delete", "back", "", true),
        line("add", "twice", "1", true),
        // Nobody knows whether these two were done, so both is right.
        line("add", "unknown", "1", true),
        line("edit", "unknown", "2", false),
        line("add", "perhaps", "1", false),
    ];
    fs::write(folder.path().join("kid.ledger"), ledger.concat()).unwrap();
    let mut judge = Command::new("python3");
    judge.arg(script("demo/load.py")).arg("judge").arg(folder.path()).args(["it", "kid"]);
    let said = run(judge).expect(0).out;
    // Five must be there: good, missing, old, twice, unknown.
    assert_eq!(said, "5 1 1 1 1\ndemo-missing demo-old demo-back demo-twice\n");
}
