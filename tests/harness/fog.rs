//! A fog of real agents: areas with their leaders and children, below a cloud if there is one, over real TLS on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent::{Agent, Start, eventually};
use crate::command::mf2c;
use crate::curl::curl;

/// Agents by name, and what they need on disk. They are stopped and it is removed at the end.
pub struct Fog {
    folder: TempDir,
    settings: Vec<(String, String)>,
    links: BTreeMap<String, String>,
    running: BTreeMap<String, Agent>,
}

impl Default for Fog {
    fn default() -> Self {
        Self::new()
    }
}

impl Fog {
    /// Without agents yet. Leaders are missed within a second, so that tests are short.
    ///
    /// # Panics
    /// Without a place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self { folder, settings: vec![], links: BTreeMap::new(), running: BTreeMap::new() }
            .with("MF2C_AREA_PROFILE", "fast")
            .with("MF2C_DISCOVERY_BEACON", "false")
    }

    /// With this in the environment of every agent that is started from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where an agent keeps its data.
    #[must_use]
    pub fn data_dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An agent that runs.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn agent(&self, name: &str) -> &Agent {
        self.running.get(name).unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// Starts an agent, or starts it again at the address that it had.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start(&mut self, name: &str) {
        let link = self.links.entry(name.to_owned()).or_insert_with(free_address).clone();
        let start = Start::new().data_dir(&self.folder.path().join(name)).environment("MF2C_LINK_LISTEN", &link);
        let start = start.environment("MF2C_DEVICE_NAME", name);
        let settings = self.settings.iter();
        let start = settings.fold(start, |start, (key, value)| start.environment(key, value));
        let agent = start.agent();
        self.running.insert(name.to_owned(), agent);
    }

    /// Ends an agent as a power cut would.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self, name: &str) {
        let agent = self.running.remove(name).unwrap_or_else(|| panic!("{name} does not run"));
        let _ = agent.kill();
    }

    /// Makes an area of which this agent is the leader, at the top.
    pub fn found(&mut self, name: &str, area: &str) {
        self.start(name);
        self.told(name, &["ca", "init", "--area", area]);
        eventually("the leadership of the founder", || self.role(name) == "leader");
    }

    /// Starts a leader of another area below `above`.
    pub fn found_below(&mut self, name: &str, area: &str, above: &str) {
        self.start(name);
        let token = self.told(above, &["token", "create", "--role", "leader", "--area", area]);
        self.told(name, &["join", "--role", "leader", token.trim()]);
        eventually("the leadership below", || self.role(name) == "leader");
    }

    /// Starts a child and lets it in.
    pub fn add(&mut self, name: &str, leader: &str) {
        self.start(name);
        let token = self.told(leader, &["token", "create"]);
        self.told(name, &["join", token.trim()]);
        eventually("the child's leader", || self.leader(name) == self.leader(leader));
    }

    /// A command for the agent, which succeeds: what it prints.
    ///
    /// # Panics
    /// If it fails.
    #[expect(clippy::must_use_candidate, reason = "some commands are for what they do")]
    pub fn told(&self, name: &str, words: &[&str]) -> String {
        let data_dir = self.data_dir(name);
        let place = ["--data-dir", data_dir.to_str().expect("a plain path")];
        mf2c(&[words, &place].concat()).expect(0).out
    }

    /// What `mf2c area` knows there; nothing where it does not answer.
    #[must_use]
    pub fn area(&self, name: &str) -> Value {
        let data_dir = self.data_dir(name);
        let ran = mf2c(&["area", "-o", "json", "--data-dir", data_dir.to_str().expect("a plain path")]);
        serde_json::from_str(&ran.out).unwrap_or(Value::Null)
    }

    /// What the agent is in its area.
    #[must_use]
    pub fn role(&self, name: &str) -> String {
        self.area(name)["role"].as_str().unwrap_or_default().to_owned()
    }

    /// Who leads, as this agent knows: a SPIFFE ID.
    #[must_use]
    pub fn leader(&self, name: &str) -> String {
        self.area(name)["leader"]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// The agent's `deviceID`.
    #[must_use]
    pub fn device(&self, name: &str) -> String {
        self.area(name)["id"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Which of these agents leads, once they agree on one.
    ///
    /// # Panics
    /// If they do not in time.
    #[must_use]
    pub fn leader_of<'n>(&self, names: &[&'n str]) -> &'n str {
        let mut found = None;
        eventually("one leader", || {
            let mut leaders = names.iter().filter(|name| self.role(name) == "leader");
            found = leaders.next().copied();
            let known: Vec<_> = names.iter().map(|name| self.leader(name)).collect();
            found.is_some()
                && leaders.next().is_none()
                && known.windows(2).all(|pair| pair[0] == pair[1] && !pair[0].is_empty())
        });
        found.expect("just found")
    }

    /// Adds a service, acknowledged: its id.
    #[must_use]
    pub fn put(&self, name: &str, title: &str) -> String {
        let body = json!({ "name": title, "exec": "x", "exec_type": "docker", "agent_type": "normal" }).to_string();
        let answer = self.agent(name).send("POST", "service", Some(&body)).expect(201).json();
        answer["resource-id"].as_str().expect("an id").to_owned()
    }

    /// Adds many services, acknowledged as one: their number is what counts.
    ///
    /// # Panics
    /// If they are not taken.
    pub fn put_many(&self, name: &str, title: &str, count: usize) {
        let line = |number| {
            json!({ "name": format!("{title}-{number}"), "exec": "x", "exec_type": "docker", "agent_type": "normal" })
                .to_string()
        };
        let lines: Vec<String> = (0..count).map(line).collect();
        let file = self.folder.path().join(format!("{title}.ndjson"));
        std::fs::write(&file, lines.join("\n")).expect("a file");
        let url = format!("{}/service", self.agent(name).api());
        let (header, data) = ("slipstream-authn-info: internal ADMIN", format!("@{}", file.display()));
        let answer = curl([
            "-k",
            "-X",
            "POST",
            &url,
            "-H",
            header,
            "-H",
            "content-type: application/x-ndjson",
            "--data-binary",
            &data,
        ]);
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    }

    /// A document as this agent has it; nothing where it has none.
    #[must_use]
    pub fn document(&self, name: &str, id: &str) -> Value {
        let answer = self.agent(name).send("GET", id, None);
        if answer.status == 200 { answer.json() } else { Value::Null }
    }

    /// How many services the agent has whose name begins so.
    #[must_use]
    pub fn count(&self, name: &str, title: &str) -> u64 {
        let path = format!("service?$filter=name^='{title}'&$last=0");
        self.agent(name).send("GET", &path, None).expect(200).json()["count"].as_u64().unwrap_or_default()
    }

    /// Waits until an agent has a document.
    pub fn reaches(&self, name: &str, id: &str) {
        eventually(&format!("{id} at {name}"), || !self.document(name, id).is_null());
    }

    /// The folder of all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// An address of this machine that nobody uses now. It stays the agent's over restarts, so the system cannot choose it.
fn free_address() -> String {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("an address").to_string()
}
