//! `mf2c sim` as people use it: what it prints, what it refuses, what its files hold; and the examples of its page.

use std::fs;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Ran, agent_binary, run};

/// Runs `mf2c sim` from the project's folder.
fn sim(words: &[&str]) -> Ran {
    let mut command = Command::new(agent_binary());
    command.env_clear().arg("sim").args(words).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    run(command)
}

const SMALL: [&str; 6] = ["--agents", "2", "--areas", "1", "--duration", "5s"];

fn small(more: &[&str]) -> Ran {
    sim(&[&SMALL, more].concat())
}

#[test]
fn a_simulated_fog_holds_its_promises_and_the_same_seed_ends_with_the_same_sum() {
    let trace = |text: &str| text.lines().find(|line| line.trim_start().starts_with("trace")).unwrap().to_owned();
    let first = small(&["--seed", "9"]).expect(0).out;
    assert_eq!(trace(&first), trace(&small(&["--seed", "9"]).expect(0).out), "{first}");
    assert!(first.contains("2 agents in 1 areas and a cloud"), "{first}");
    let many = small(&["--seed", "9", "--seeds", "2"]).expect(0).out;
    assert_eq!(many.lines().filter(|line| line.contains(": held, ")).count(), 2, "{many}");
}

#[test]
fn under_all_faults_the_same_seed_is_the_same_run_to_the_byte_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let trace = |name: &str, seed: &str| {
        let file = folder.path().join(name);
        let words = ["--scenario", "config/scenarios/worst.toml", "--duration", "40s", "--seed", seed, "--trace"];
        let _ = sim(&[&words[..], &[file.to_str().unwrap()]].concat()).expect(0);
        fs::read(file).unwrap()
    };
    let first = trace("first", "12");
    assert!(first.windows(7).filter(|line| line == b" fault ").count() > 5);
    assert!(first == trace("again", "12"), "two runs of one seed differ");
    assert!(first != trace("other", "13"), "two seeds are one run");
}

#[test]
fn a_report_is_json_and_a_picture_an_svg_or_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let _ = small(&["--json", &path("report.json"), "--timeline", &path("fog.svg")]).expect(0);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(path("report.json")).unwrap()).unwrap();
    assert_eq!(report["scenario"]["topology"]["agents"], 2);
    assert!(fs::read_to_string(path("fog.svg")).unwrap().starts_with("<svg xmlns="));
    let _ = small(&["--timeline", &path("fog.png")]).expect(2);
}

#[test]
fn what_cannot_be_simulated_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    fs::write(&file, "[topology]\nagent = 5\n").unwrap();
    let refused = sim(&["--scenario", file.to_str().unwrap()]).expect(2).err;
    assert!(refused.contains("wrong.toml") && refused.contains("unknown field `agent`"), "{refused}");
    assert!(sim(&["--faults", "flood"]).expect(2).err.contains("network, crash, clock, disk, slow"));
    assert!(sim(&["--agents", "3", "--areas", "4"]).expect(2).err.contains("topology.areas"));
    let missing = sim(&["--scenario", "no-such-file.toml"]).expect(2).err;
    assert_eq!(missing, "mf2c: cannot read `no-such-file.toml`: No such file or directory (os error 2)\n");
}

#[test]
fn what_does_not_go_together_is_refused_before_the_run() {
    let refused = |more: &[&str], why: &str| {
        let err = small(more).expect(2).err;
        assert!(err.contains(why), "{more:?}: {err}");
    };
    refused(&["--until", "3h"], "`--until` is 3h, but the run ends at 270s");
    refused(&["--until", "0s"], "`--until` is 0s: expected `1s` or more");
    refused(&["--hours", "1"], "cannot be used with");
    refused(&["--keep-faults", "7"], "there is no fault 7 in a plan of 0 faults");
    refused(&["--keep-faults", "1", "--seeds", "3"], "cannot be used with");
    refused(&["--seed", "18446744073709551615", "--seeds", "2"], "seeds end with");
    refused(&["--keep-going"], "--seeds");
    refused(&["--print-scenario", "--json", "report.json"], "cannot be used with");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for flag in ["--json", "--trace", "--timeline"] {
        let file = path("no-such-folder/fog.svg");
        let why = format!("cannot write `{file}`: No such file or directory (os error 2)\n");
        refused(&[flag, &file], &why);
    }
    refused(&["--json", &path("one.svg"), "--timeline", &path("one.svg")], "is named twice");
    fs::write(path("own.toml"), "[topology]\nagents = 5\n").unwrap();
    let own = path("own.toml");
    let both = sim(&["--scenario", &own, "--areas", "6"]).expect(2).err;
    assert!(both.contains("own.toml` together with the flags: `topology.areas` is 6"), "{both}");
    let _ = sim(&["--scenario", &own, "--json", &own]).expect(2);
    assert_eq!(fs::read_to_string(own).unwrap(), "[topology]\nagents = 5\n", "it is as it was");
}

#[test]
fn the_scenarios_that_come_with_it_can_be_run() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/scenarios")).unwrap() {
        let path = entry.unwrap().path();
        let printed = sim(&["--scenario", path.to_str().unwrap(), "--print-scenario"]).expect(0).out;
        assert!(printed.contains("[topology]") && printed.contains("storm = "), "{printed}");
    }
}

#[test]
fn the_examples_of_the_page_of_simulations_work() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(root.join("docs/simulation.md")).unwrap();
    let mut examples = 0;
    for line in page.split("\n```sh\n").skip(1).filter_map(|block| block.split("\n```").next()).flat_map(str::lines) {
        let words = line.strip_prefix("mf2c ").expect("examples are commands of mf2c");
        let words = words.replace("config/", &format!("{}/config/", root.display()));
        let mut command = Command::new(agent_binary());
        command.env_clear().args(words.split(' ')).current_dir(folder.path());
        let _ = run(command).expect(0);
        examples += 1;
    }
    assert!(examples >= 4);
    assert!(folder.path().join("report.json").exists() && folder.path().join("fog.svg").exists());
}
