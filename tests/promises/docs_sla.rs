//! The page about agreements: its commands lead from nothing to a violation in the event stream, and each answers as it shows.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mf2c_tests::{Agent, Ran, Start, agent_binary, eventually, run};

/// A command and what it shows. A second output belongs to the command that watches.
struct Example {
    command: String,
    outputs: Vec<String>,
}

/// The blocks of the page from the first command on.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = vec![];
    for block in page.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap_or((block, ""));
        match kind {
            "sh" => examples.push(Example { command: text.to_owned(), outputs: vec![] }),
            _ => examples.last_mut().into_iter().for_each(|last| last.outputs.push(text.trim().to_owned())),
        }
    }
    examples
}

/// A text without what chance and the clock have put into it.
fn masked(text: &str) -> String {
    let part = |c: char| c.is_ascii_hexdigit() || "-:.TZ".contains(c);
    let mut masked = String::new();
    // CSV ends its lines so.
    let text = text.trim().replace('\r', "");
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let end = if part(c) { rest.find(|c| !part(c)).unwrap_or(rest.len()) } else { c.len_utf8() };
        let (token, behind) = rest.split_at(end);
        let chance = token.len() > 20 && token.matches('-').count() > 1;
        masked.push_str(if chance { "…" } else { token });
        rest = behind;
    }
    masked
}

/// Ends with the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Reader {
    agent: Agent,
    folder: tempfile::TempDir,
}

impl Reader {
    fn bash(&self, command: &str) -> Command {
        let script = command
            .replace("https://127.0.0.1:8443", &format!("https://{}", self.agent.https()))
            .replace("./data", self.agent.data_dir().to_str().unwrap());
        let mut path = vec![agent_binary().parent().unwrap().to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("set -o pipefail\n{script}")]).current_dir(self.folder.path());
        bash.env_clear().env("HOME", self.folder.path()).env("PATH", std::env::join_paths(path).unwrap());
        bash
    }

    fn run(&self, command: &str) -> Ran {
        let mut ran = run(self.bash(command));
        ran.out = ran.out.replace(&format!("https://{}", self.agent.https()), "https://127.0.0.1:8443");
        ran
    }

    /// Starts what goes on until Ctrl-C.
    fn watch(&self, command: &str) -> Watching {
        let stream = fs::File::create(self.folder.path().join("stream")).unwrap();
        let mut bash = self.bash(&format!("exec {command}"));
        let watching = Watching(bash.stdin(Stdio::null()).stdout(stream).spawn().unwrap());
        eventually("somebody watches", || self.agent.metric("mf2c_event_readers") == 1);
        watching
    }
}

#[test]
fn five_commands_of_the_page_lead_to_a_violation_in_the_event_stream_and_all_answer_as_it_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/sla.md");
    let page = fs::read_to_string(page).unwrap();
    let reader = Reader { agent: Start::new().agent(), folder: tempfile::tempdir().unwrap() };
    let mut watching = None;
    let (mut first, rest) =
        (&page[page.find("\n## Five commands").unwrap()..], page.find("\n## What a violation").unwrap());
    first = &first[..rest - (page.len() - first.len())];
    assert_eq!(examples(first).len(), 5);
    for Example { command, outputs } in examples(&page[page.find("\n## Five commands").unwrap()..]) {
        if command.starts_with("mf2c events") {
            watching = Some(reader.watch(&command));
            continue;
        }
        let promised = command.lines().find_map(|line| line.strip_prefix("# exits ")).unwrap_or("0").parse().unwrap();
        let shown = masked(outputs.first().map_or("", String::as_str));
        // What follows from a report is there some milliseconds later.
        let asks = command.starts_with("mf2c query") || command.starts_with("curl");
        let mut ran = reader.run(&command);
        if asks && !outputs.is_empty() && masked(&ran.out) != shown {
            eventually(&format!("`{command}` shows\n{shown}\nand not\n{}{}", masked(&ran.out), ran.err), || {
                ran = reader.run(&command);
                masked(&ran.out) == shown
            });
        }
        let ran = ran.expect(promised);
        if !outputs.is_empty() {
            // What is for people stands beside the results.
            let out = if ran.out.is_empty() { &ran.err } else { &ran.out };
            let out = out.replace(&format!("https://{}", reader.agent.https()), "https://127.0.0.1:8443");
            assert_eq!(masked(&out), shown, "`{command}`");
            // A dry run knows neither chance nor the clock.
            let is_exact = !command.contains("mf2c sla test") || out.replace('\r', "").trim() == outputs[0];
            assert!(is_exact, "`{command}`: {out}");
        }
        if let Some(told) = outputs.get(1) {
            let stream = || masked(&fs::read_to_string(reader.folder.path().join("stream")).unwrap());
            eventually("the stream tells of it", || stream() == masked(told));
            drop(watching.take());
        }
    }
    assert!(watching.is_none(), "the stream was never looked at");
}
