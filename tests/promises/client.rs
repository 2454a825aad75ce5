//! The command-line client against a real agent: what it reads and writes, in which form, and how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mf2c_tests::{Agent, Ran, Start, agent_binary, eventually, mf2c, mf2c_fed, mf2c_with, run};
use serde_json::Value;

/// An agent, and a client that trusts it and speaks as an administrator.
struct Desk {
    agent: Agent,
    url: String,
    ca: String,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self::with(Start::new())
    }

    fn with(start: Start) -> Self {
        let agent = start.agent();
        let url = format!("https://{}", agent.https());
        let ca = agent.data_dir().join("tls/server.pem").to_str().unwrap().to_owned();
        Self { agent, url, ca, folder: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--url", &self.url, "--ca", &self.ca, "--as", "internal ADMIN"]].concat()
    }

    fn mf2c(&self, arguments: &[&str]) -> Ran {
        mf2c(&self.arguments(arguments))
    }

    fn fed(&self, arguments: &[&str], input: &str) -> Ran {
        mf2c_fed(&[], &self.arguments(arguments), input)
    }

    /// Runs `mf2c` with an editor that is a shell script; its one argument is the file.
    fn edited_by(&self, arguments: &[&str], script: &str) -> Ran {
        let editor = self.folder.path().join("editor.sh");
        fs::write(&editor, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default().into_string().unwrap();
        let environment = [("EDITOR", editor.to_str().unwrap()), ("TMPDIR", self.folder()), ("PATH", path.as_str())];
        mf2c_with(&environment, &self.arguments(arguments))
    }

    /// The files that edits have left behind.
    fn kept(&self) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("mf2c-edit-")).collect()
    }

    fn service(&self, name: &str) -> String {
        let name = format!("name={name}");
        let made = self.mf2c(&[
            "create",
            "service",
            &name,
            "exec=hello-world",
            "exec_type=docker",
            "agent_type=normal",
            "memory_min=512",
            "exec_ports=80,443",
        ]);
        made.expect(0).out.trim().to_owned()
    }

    fn document(&self, id: &str) -> Value {
        serde_json::from_str(&self.mf2c(&["get", id, "-o", "json"]).expect(0).out).unwrap()
    }
}

#[test]
fn what_was_created_is_shown_in_every_form_and_gone_after_delete() {
    let desk = Desk::new();
    let id = desk.service("hello");
    assert_eq!(desk.document(&id)["exec_ports"], serde_json::json!([80, 443]));
    assert_eq!(desk.document(&id)["memory_min"], 512);

    let table = desk.mf2c(&["query", "service"]).expect(0).out;
    assert!(table.starts_with("ID ") && table.contains(&id) && !table.contains('\u{1b}'), "{table}");
    let json = desk.mf2c(&["query", "service", "-o", "json", "--select", "name,memory_min"]).expect(0).out;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()[0]["name"], "hello");
    let yaml = desk.mf2c(&["get", &id, "-o", "yaml"]).expect(0).out;
    assert!(yaml.contains("\nexec_ports:\n  - 80\n  - 443\n") && yaml.contains("\nname: hello\n"), "{yaml}");
    let csv = desk.mf2c(&["query", "service", "-o", "csv", "--select", "id,name,exec_ports"]).expect(0).out;
    assert_eq!(csv, format!("id,name,exec_ports\r\n{id},hello,\"[80,443]\"\r\n"));

    desk.mf2c(&["delete", &id]).expect(2).tells(&["--yes"]);
    assert_eq!(desk.mf2c(&["delete", &id, "--yes"]).expect(0).out, format!("{id} deleted\n"));
    desk.mf2c(&["get", &id]).expect(4).tells(&["not found"]);
    desk.mf2c(&["delete", &id, "--yes"]).expect(4).tells(&["not found"]);
}

#[test]
fn a_query_filters_orders_and_pages() {
    let desk = Desk::new();
    for name in ["b", "c", "a"] {
        desk.service(name);
    }
    let names = |more: &[&str]| {
        let arguments = [&["query", "service", "-o", "csv", "--select", "name"], more].concat();
        desk.mf2c(&arguments).expect(0).out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--order", "name"]), ["a", "b", "c"]);
    assert_eq!(names(&["--order", "name:desc", "--limit", "2"]), ["c", "b"]);
    assert_eq!(names(&["--order", "name", "--first", "2", "--limit", "1"]), ["b"]);
    assert_eq!(names(&["--filter", "name='a' or name='b'", "--filter", "name!='a'"]), ["b"]);
    desk.mf2c(&["query", "service", "--filter", "name="]).expect(2).tells(&["Invalid CIMI filter"]);
    let table = desk.mf2c(&["query", "service", "--limit", "1"]).expect(0);
    table.tells(&["1 of 3"]);
}

#[test]
fn a_query_tells_which_names_are_no_attributes_and_goes_on() {
    let desk = Desk::new();
    desk.mf2c(&["query", "service", "--select", "nmae", "-o", "json"])
        .expect(0)
        .tells(&["`nmae` is not an attribute of service; did you mean `name`?"]);
    desk.mf2c(&["query", "service", "--order", "name:down"]).expect(2).tells(&["name:asc or name:desc"]);
}

#[test]
fn what_is_shown_only_once_is_not_thrown_away() {
    let desk = Desk::new();
    let add = ["create", "webhook", "url=https://hooks.example/in", "types=service"];
    let made = desk.mf2c(&add).expect(0);
    let id = made.out.trim().to_owned();
    assert!(id.starts_with("webhook/") && !id.contains('\n'), "{id}");
    made.tells(&["secret: whsec_", "shown only now: keep it"]);
    let made: Value = serde_json::from_str(&desk.mf2c(&[&add[..], &["-o", "json"]].concat()).expect(0).out).unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_") && made.get("status").is_none(), "{made}");

    let rotated = desk.mf2c(&["action", &id, "rotate-secret", "-o", "json"]).expect(0).out;
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    assert!(rotated["id"] == id.as_str() && rotated["secret"] != made["secret"], "{rotated}");
    desk.mf2c(&["action", &id, "explode"]).expect(2).tells(&["has no action `explode`", "`rotate-secret`"]);
    desk.mf2c(&["action", "webhook/nowhere", "rotate-secret"]).expect(4).tells(&["webhook/nowhere"]);
    let described = desk.mf2c(&["action", "session-template/internal", "describe", "-o", "json"]).expect(0).out;
    assert!(serde_json::from_str::<Value>(&described).unwrap().is_object(), "{described}");
}

#[test]
fn a_list_that_the_agent_cuts_is_read_to_its_end() {
    let desk = Desk::with(Start::new().environment("MF2C_LIMITS_PAGE", "2"));
    for name in ["a", "b", "c", "d", "e"] {
        desk.service(name);
    }
    let names = desk.mf2c(&["query", "service", "--select", "name", "--order", "name", "-o", "csv"]).expect(0).out;
    assert_eq!(names, "name\r\na\r\nb\r\nc\r\nd\r\ne\r\n");
    let first = desk.mf2c(&["query", "service", "--select", "name", "--first", "2", "-o", "json"]).expect(0).out;
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn a_document_comes_from_a_file_from_standard_input_and_from_the_line() {
    let desk = Desk::new();
    let file = desk.folder.path().join("service.yaml");
    fs::write(&file, "# note\nname: hello\nexec: hello-world\nexec_type: docker\nagent_type: normal\n").unwrap();
    let from_file = desk.mf2c(&["create", "service", "-f", file.to_str().unwrap(), "name=other"]).expect(0);
    assert_eq!(desk.document(from_file.out.trim())["name"], "other");
    let json = r#"{"name": "x", "exec": "y", "exec_type": "docker", "agent_type": "normal"}"#;
    let fed = desk.fed(&["create", "service", "-f", "-"], json).expect(0);
    assert_eq!(desk.document(fed.out.trim())["exec"], "y");

    desk.fed(&["create", "service", "-f", "-"], "{\"name\": }").expect(2).tells(&["standard input", "malformed JSON"]);
    desk.mf2c(&["create", "service", "-f", "/nowhere.json"]).expect(1).tells(&["/nowhere.json", "No such file"]);
    desk.mf2c(&["create", "service", "nmae=x"]).expect(2).tells(&["did you mean `name`?"]);
    desk.mf2c(&["create", "service", "name=x"]).expect(2).tells(&["`exec` is missing"]);
    desk.mf2c(&["create", "service"]).expect(2).tells(&["nothing was given"]);
    desk.mf2c(&["create", "servise", "a=b"]).expect(2).tells(&["did you mean `service`?"]);
}

#[test]
fn an_edit_by_values_changes_and_removes_only_what_it_names() {
    let desk = Desk::new();
    let id = desk.service("hello");
    let _ = desk.mf2c(&["edit", &id, "num_agents=3", "properties/rack=7", "--remove", "memory_min"]).expect(0);
    let _ = desk.mf2c(&["edit", &id, "properties/row=b"]).expect(0);
    let document = desk.document(&id);
    assert_eq!(document["num_agents"], 3);
    assert_eq!(document["properties"], serde_json::json!({"rack": "7", "row": "b"}));
    assert_eq!((document.get("memory_min"), &document["name"]), (None, &Value::from("hello")));
}

#[test]
fn an_editor_gets_a_private_file_and_only_what_changed_is_sent() {
    let desk = Desk::new();
    let id = desk.service("hello");
    let script =
        "stat -c %a \"$1\" >&2; sed -i -e 's/^memory_min: 512$/memory_min: 640/' -e '/^exec_ports/,/443/d' \"$1\"";
    let edited = desk.edited_by(&["edit", &id], script).expect(0);
    edited.tells(&["600"]);
    assert_eq!(edited.out, format!("{id} changed\n"));
    let document = desk.document(&id);
    assert_eq!((&document["memory_min"], document.get("exec_ports")), (&640.into(), None));

    let tag = document["updated"].clone();
    let json = desk.edited_by(&["edit", &id, "--format", "json"], "grep -q '\"memory_min\": 640' \"$1\"").expect(0);
    assert_eq!((json.out, &desk.document(&id)["updated"]), (format!("{id} unchanged\n"), &tag));
    assert_eq!(desk.kept().len(), 0);
}

#[test]
fn an_edit_that_somebody_was_faster_than_is_kept_and_names_what_changed() {
    let desk = Desk::new();
    let id = desk.service("hello");
    let other = format!(
        "{} edit {id} num_agents=9 --url {} --ca {} --as 'internal ADMIN' >/dev/null\n\
         sed -i 's/^name: hello$/name: mine/' \"$1\"",
        agent_binary().display(),
        desk.url,
        desk.ca
    );
    let beaten = desk.edited_by(&["edit", &id], &other).expect(5);
    beaten.tells(&["somebody else changed num_agents", "nothing was sent"]);
    let [kept] = desk.kept().try_into().unwrap();
    assert!(fs::read_to_string(&kept).unwrap().contains("name: mine"));
    beaten.tells(&[kept.to_str().unwrap()]);
    assert_eq!(desk.document(&id)["name"], "hello");
}

#[test]
fn an_edit_that_makes_no_sense_is_kept_and_not_sent() {
    let desk = Desk::new();
    let id = desk.service("hello");
    desk.edited_by(&["edit", &id], "echo 'name: [' >\"$1\"").expect(1).tells(&["malformed YAML", "is kept in"]);
    desk.edited_by(&["edit", &id], "sed -i 's/^exec_type: .*/exec_type: magic/' \"$1\"").expect(2).tells(&[
        "is kept in",
        "exec_type",
        &format!("correct it, then `mf2c edit {id} -f "),
    ]);
    let kept = desk.kept();
    assert_eq!(kept.len(), 2);
    let refused = kept.iter().find(|path| fs::read_to_string(path).unwrap().contains("magic")).unwrap();
    fs::write(refused, "name: corrected\n").unwrap();
    let _ = desk.edited_by(&["edit", &id, "-f", refused.to_str().unwrap()], "exit 3").expect(0);
    assert!(!refused.exists() && desk.kept().len() == 1);
    let own = desk.folder.path().join("own.yaml");
    fs::write(&own, "name: own\n").unwrap();
    let _ = desk.edited_by(&["edit", &id, "-f", own.to_str().unwrap()], "exit 3").expect(0);
    assert!(own.exists());
    desk.edited_by(&["edit", &id], "exit 3").expect(1).tells(&["the editor", "nothing was sent"]);
    assert_eq!(desk.document(&id)["exec_type"], "docker");
}

#[test]
fn whatever_a_document_holds_nothing_commands_the_terminal() {
    let desk = Desk::new();
    let id = desk.service("hello");
    let nasty = "description:=\"\\u001b]0;owned\\u0007\\u009b31m\\u202egnp\"";
    let _ = desk.mf2c(&["edit", &id, nasty]).expect(0);
    for format in ["table", "json", "yaml", "csv"] {
        for arguments in [vec!["get", &id], vec!["query", "service", "--select", "id,description"]] {
            let shown = desk.mf2c(&[arguments, vec!["-o", format]].concat()).expect(0).out;
            let bad: Vec<char> = shown.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\r')).collect();
            assert!(bad.is_empty() && !shown.contains('\u{202e}'), "{format}: {shown:?}");
        }
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let desk = Desk::new();
    desk.service("hello");
    let on_a_terminal = |environment: &[(&str, &str)]| {
        let line = desk.arguments(&["query", "service"]).iter().map(|word| format!("'{word}'")).collect::<Vec<_>>();
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} {}", agent_binary().display(), line.join(" ")), "/dev/null"]);
        run({
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.envs(environment.iter().copied());
            command
        })
        .out
    };
    assert!(on_a_terminal(&[]).contains("\u{1b}[1mID"));
    assert!(!on_a_terminal(&[("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_client_quietly() {
    let desk = Desk::new();
    let mut child = Command::new(agent_binary())
        .args(desk.arguments(&["query", "service", "-o", "json"]))
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn status_tells_what_it_may_see_and_does_not_guess_the_rest() {
    let desk = Desk::new();
    for (name, status) in [("a", "started"), ("b", "started"), ("c", "error")] {
        let status = format!("status={status}");
        let service = format!("service=service/{name}");
        let agreement = "agreement=agreement/x";
        let _ = desk.mf2c(&["create", "service-instance", "user=u", &service, agreement, &status, "agents="]).expect(0);
    }
    let seen = desk.mf2c(&["status"]).expect(0).out;
    for told in ["internal ADMIN", &desk.url, "health      ok", "3 (1 error, 2 started)", "documents", "warning"] {
        assert!(seen.contains(told), "{told}: {seen}");
    }
    let nobody = mf2c(&["status", "--url", &desk.url, "--ca", &desk.ca]).expect(0).out;
    assert!(nobody.contains("nobody: sign in with") && nobody.contains("services    unknown"), "{nobody}");
    let json = desk.mf2c(&["status", "-o", "json"]).expect(0).out;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["services"]["count"], 3);
}

#[test]
fn completions_know_the_types_and_their_attributes() {
    let offered = |words: &[&str]| mf2c(&[&["complete", "--"], words].concat()).expect(0).out;
    assert_eq!(offered(&["query", "service", "--order", "exec_t"]), "exec_type\n");
    assert_eq!(offered(&["stat"]), "status\n");
    assert_eq!(offered(&["agent", "--ro"]), "--role\n");
    for shell in ["bash", "zsh", "fish"] {
        assert!(mf2c(&["completions", shell]).expect(0).out.contains("complete"));
    }
    // What bash makes of it.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mf2c.bash"), mf2c(&["completions", "bash"]).out).unwrap();
    let script = "source mf2c.bash; COMP_WORDS=(mf2c query sla-v); COMP_CWORD=2; compopt() { :; }; _mf2c; \
                  echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let binary = agent_binary();
    let path = [binary.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")];
    bash.args(["-c", script]).current_dir(folder.path()).env("PATH", std::env::join_paths(path).unwrap());
    assert_eq!(run(bash).expect(0).out, "sla-violation\n");
}

#[test]
fn the_variables_of_the_client_do_not_disturb_an_agent() {
    let environment = [("MF2C_PROFILE", "edge"), ("MF2C_API_KEY", "k"), ("MF2C_API_SECRET", "s")];
    let _ = mf2c_with(&environment, &["config", "check"]).expect(0);
    mf2c_with(&[("MF2C_PROFIL", "edge")], &["config", "check"]).expect(2).tells(&["MF2C_PROFIL"]);
    let desk = Desk::new();
    eventually("its log", || desk.agent.log().contains("serving"));
}
