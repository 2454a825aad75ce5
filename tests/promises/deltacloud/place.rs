//! An agent with the door for Deltacloud's clients, and users who come to it with curl.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mf2c_tests::{Agent, Answer, Start, curl, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::discovery::door_of;

/// The password of every user of these tests.
pub(crate) const PASSWORD: &str = "correct horse 8&<";

pub(crate) struct Place {
    pub(crate) agent: Agent,
    /// Host and port of the door.
    pub(crate) door: String,
    pub(crate) folder: TempDir,
}

impl Place {
    /// With the users jane and joe.
    pub(crate) fn new() -> Self {
        Self::started(Start::new())
    }

    pub(crate) fn started(start: Start) -> Self {
        let agent = start.environment("MF2C_DELTACLOUD_LISTEN", "127.0.0.1:0").agent();
        let door = door_of(&agent, "deltacloud.listen");
        let place = Self { agent, door, folder: tempfile::tempdir().unwrap() };
        for name in ["jane", "joe"] {
            place.user(name);
        }
        place
    }

    pub(crate) fn user(&self, name: &str) {
        let form = json!({"href": "user-template/direct", "username": name, "password": PASSWORD, "state": "ACTIVE",
            "emailAddress": format!("{name}@example.org")});
        let _ = self.agent.send("POST", "user", Some(&json!({ "userTemplate": form }).to_string())).expect(201);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door)
    }

    /// A request by nobody.
    pub(crate) fn ask(&self, arguments: &[&str], path: &str) -> Answer {
        let url = self.url(path);
        curl(arguments.iter().copied().chain(["-g", "--path-as-is", url.as_str()]))
    }

    /// A request by a user with his password.
    pub(crate) fn of(&self, name: &str, arguments: &[&str], path: &str) -> Answer {
        let user = format!("{name}:{PASSWORD}");
        self.ask(&[&["-u", &user], arguments].concat(), path)
    }

    /// A request by jane.
    pub(crate) fn jane(&self, arguments: &[&str], path: &str) -> Answer {
        self.of("jane", arguments, path)
    }

    /// Makes a key of jane's; the answer.
    pub(crate) fn make(&self, name: &str) -> Answer {
        self.jane(&["--data-urlencode", &format!("name={name}")], "/api/keys?format=xml").expect(201)
    }

    /// What jane's list shows, in JSON.
    pub(crate) fn list(&self, who: &str) -> Vec<Value> {
        let list = self.of(who, &["-H", "Accept: application/json"], "/api/keys").expect(200);
        list.json()["keys"].as_array().unwrap().clone()
    }

    /// The names in it.
    pub(crate) fn names(&self, who: &str) -> Vec<String> {
        self.list(who).iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes a file; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// What a shell command says in the folder.
    pub(crate) fn shell(&self, command: &str) -> String {
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("set -euo pipefail\n{command}")]).current_dir(self.folder.path());
        run(bash).expect(0).out.trim().to_owned()
    }
}

/// An XML document as Python's reader takes it: `{"tag", "attributes", "text", "children"}`.
pub(crate) fn xml(text: &str) -> Value {
    const SCRIPT: &str = "import json, sys, xml.etree.ElementTree as tree
def show(one):
    return {'tag': one.tag, 'attributes': one.attrib, 'text': (one.text or '').strip(), 'children': [show(each) for each in one]}
print(json.dumps(show(tree.fromstring(sys.stdin.buffer.read()))))";
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "no XML: {text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The child of this name.
pub(crate) fn child<'v>(element: &'v Value, tag: &str) -> Option<&'v Value> {
    element["children"].as_array()?.iter().find(|child| child["tag"] == tag)
}

/// The text of the child of this name.
pub(crate) fn text<'v>(element: &'v Value, tag: &str) -> &'v str {
    child(element, tag).and_then(|child| child["text"].as_str()).unwrap_or_else(|| panic!("no {tag} in {element}"))
}

/// The tags of the children, in order.
pub(crate) fn tags(element: &Value) -> Vec<&str> {
    element["children"].as_array().unwrap().iter().map(|child| child["tag"].as_str().unwrap()).collect()
}
