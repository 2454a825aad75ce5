//! A fog of real agents: areas with their leaders and children, below a cloud if there is one, over real TLS on loopback.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agent::{Agent, Start, eventually};
use crate::command::mf2c;
use crate::net::Net;

/// Agents by name, and what they need on disk. They are stopped and it is removed at the end.
pub struct Fog {
    // The first to go: what runs writes to the folder.
    running: BTreeMap<String, Agent>,
    folder: TempDir,
    settings: Vec<(String, String)>,
    /// What single agents are started with besides.
    own: Vec<(String, String, String)>,
    net: Option<Net>,
    links: BTreeMap<String, String>,
}

impl Default for Fog {
    fn default() -> Self {
        Self::new()
    }
}

impl Fog {
    /// Without agents yet. How long leaders are waited for is what is usual: with less, a machine that is busy with other tests
    /// would have them replaced.
    ///
    /// # Panics
    /// Without a place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (links, running) = (BTreeMap::new(), BTreeMap::new());
        Self { folder, settings: vec![], own: vec![], net: None, links, running }
            .with("MF2C_AREA_PROFILE", "lan")
            .with("MF2C_DISCOVERY_BEACON", "false")
    }

    /// Agents of these names on hosts of their own, with a network between them whose cables can be pulled. None, and a word
    /// about it, where this process may make no networks.
    ///
    /// # Panics
    /// If the network cannot be set up.
    #[must_use]
    pub fn apart(names: &[&str]) -> Option<Self> {
        let net = Net::new(names)?;
        let mut fog = Self::new();
        fog.links = names.iter().map(|name| ((*name).to_owned(), format!("{}:8444", net.address(name)))).collect();
        fog.net = Some(net);
        Some(fog)
    }

    /// The network between the agents.
    ///
    /// # Panics
    /// Where there is none of their own.
    pub fn net(&mut self) -> &mut Net {
        self.net.as_mut().expect("a fog that was made with `apart`")
    }

    /// With this in the environment of one agent, whenever it is started from now on.
    pub fn set(&mut self, name: &str, key: &str, value: &str) {
        self.own.retain(|(agent, known, _)| (agent.as_str(), known.as_str()) != (name, key));
        self.own.push((name.to_owned(), key.to_owned(), value.to_owned()));
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
        let agent = self.starting(name).agent();
        self.running.insert(name.to_owned(), agent);
    }

    /// Starts agents at the same time.
    ///
    /// # Panics
    /// If one does not become ready.
    pub fn start_all(&mut self, names: &[&str]) {
        let starts: Vec<_> = names.iter().map(|name| ((*name).to_owned(), self.starting(name))).collect();
        let threads = starts.into_iter().map(|(name, start)| (name, std::thread::spawn(|| start.agent())));
        for (name, thread) in threads.collect::<Vec<_>>() {
            self.running.insert(name, thread.join().expect("an agent that becomes ready"));
        }
    }

    /// How to start an agent.
    fn starting(&mut self, name: &str) -> Start {
        let link = self.links.entry(name.to_owned()).or_insert_with(free_address).clone();
        let start = Start::new().data_dir(&self.folder.path().join(name)).environment("MF2C_LINK_LISTEN", &link);
        let start = start.environment("MF2C_DEVICE_NAME", name);
        let start = start.at(self.net.as_ref().map(|net| net.entry(name)).unwrap_or_default());
        let own = self.own.iter().filter(|(agent, ..)| agent == name).map(|(_, key, value)| (key, value));
        let settings = self.settings.iter().map(|(key, value)| (key, value)).chain(own);
        settings.fold(start, |start, (key, value)| start.environment(key, value))
    }

    /// Lets an agent take links at another address, when it is started the next time.
    pub fn moves(&mut self, name: &str) {
        self.links.insert(name.to_owned(), free_address());
    }

    /// Where an agent takes links.
    ///
    /// # Panics
    /// If it was never started.
    #[must_use]
    pub fn link(&self, name: &str) -> &str {
        self.links.get(name).unwrap_or_else(|| panic!("{name} was never started"))
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
        let device = self.device(name);
        eventually("its link", || self.status(leader, &device) == "connected");
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

    /// Waits until an agent leads with so many backups, which know it and hold the keys of the authority.
    pub fn backed_up(&self, leader: &str, backups: &[&str]) {
        eventually("the backups", || {
            let known = self.area(leader);
            known["mandate"] == "full" && known["backups"].as_array().map(Vec::len) == Some(backups.len())
        });
        for name in backups {
            eventually("that a backup knows it", || self.role(name) == "backup");
            eventually("the keys of the authority", || self.data_dir(name).join("ca/area.key").exists());
        }
    }

    /// What an agent's leader says of another agent: `connected`, `disconnected`, `unavailable`.
    #[must_use]
    pub fn status(&self, at: &str, device: &str) -> String {
        let agents = self.area(at)["agents"].clone();
        let mut agents = agents.as_array().into_iter().flatten();
        let found = agents.find(|agent| agent["device"] == device);
        found.and_then(|agent| agent["status"].as_str()).unwrap_or_default().to_owned()
    }

    /// The place in an agent's changes where it is now.
    ///
    /// # Panics
    /// If it does not tell.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        let (mut place, mut seconds) = (None, 1);
        eventually("a place in the changes", || {
            let told = self.stream(name, seconds, &[]);
            place = told.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned);
            seconds *= 2;
            place.is_some()
        });
        place.expect("just found")
    }

    /// What has changed at an agent since it was at that place, up to a service that is added here: then nothing is missing.
    #[must_use]
    pub fn since(&self, name: &str, place: &str) -> Vec<Value> {
        let from = format!("last-event-id: {place}");
        let (last, mut changes, mut seconds) = (self.put(name, "the last change"), vec![], 1);
        eventually("the last change", || {
            let told = self.stream(name, seconds, &["-H", &from]);
            let data = told.lines().filter_map(|line| line.strip_prefix("data: "));
            changes = data.filter_map(|data| serde_json::from_str::<Value>(data).ok()).collect();
            seconds *= 2;
            changes.iter().any(|change| change["id"] == last.as_str())
        });
        changes
    }

    /// What the stream of changes tells in so many seconds.
    fn stream(&self, name: &str, seconds: u32, from: &[&str]) -> String {
        let agent = self.agent(name);
        let url = format!("{}/events", agent.api().trim_end_matches("/api"));
        let admin = ["-H", "slipstream-authn-info: internal ADMIN"];
        let seconds = seconds.to_string();
        let words = ["-k", "-N", "--max-time", &seconds, &url].into_iter().chain(admin).chain(from.iter().copied());
        agent.curl(words).text()
    }

    /// Whether an agent's events tell that this happened.
    #[must_use]
    pub fn happened(&self, name: &str, what: &str) -> bool {
        let events = self.agent(name).send("GET", "event", None).expect(200).json();
        let told = |event: &Value| event["content"]["state"].as_str().is_some_and(|state| state.contains(what));
        events["events"].as_array().is_some_and(|events| events.iter().any(told))
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
        self.put_described(name, title, count, "");
    }

    /// The same, each with this description.
    ///
    /// # Panics
    /// If they are not taken.
    pub fn put_described(&self, name: &str, title: &str, count: usize, description: &str) {
        let line = |number| {
            let mut body = json!({ "name": format!("{title}-{number}"), "exec": "x", "exec_type": "docker", "agent_type": "normal" });
            if !description.is_empty() {
                body["description"] = json!(description);
            }
            body.to_string()
        };
        let lines: Vec<String> = (0..count).map(line).collect();
        let file = self.folder.path().join(format!("{title}.ndjson"));
        std::fs::write(&file, lines.join("\n")).expect("a file");
        let url = format!("{}/service", self.agent(name).api());
        let (header, data) = ("slipstream-authn-info: internal ADMIN", format!("@{}", file.display()));
        let answer = self.agent(name).curl([
            "-k",
            "--max-time",
            "300",
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
        let added = answer.text().lines().filter(|line| line.contains("\"status\":201")).count();
        assert_eq!(added, count, "{}", answer.text());
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

    /// The memory that an agent uses now, in bytes.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.agent(name).pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes << 10
    }

    /// With a cloud, and below it an area of `lead`, its backup `spare`, and `kid`, which becomes no backup.
    #[must_use]
    pub fn three_levels(mut self) -> Self {
        self.set("kid", "MF2C_AREA_BACKUP", "false");
        self.found("cloud", "sky");
        self.found_below("lead", "pier", "cloud");
        self.add("spare", "lead");
        self.add("kid", "lead");
        self.backed_up("lead", &["spare"]);
        self
    }

    /// The folder of all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// An address of this machine that nobody uses now. It stays the agent's over restarts, so the system cannot choose it; and
/// the system must not give it to anybody else meanwhile, so it lies below those that the system chooses from.
#[must_use]
pub fn free_address() -> String {
    let chance = RandomState::new();
    let ports = (0u64..1000).map(|at| 10_000 + u16::try_from(chance.hash_one(at) % 22_000).unwrap_or_default());
    let free = ports.map(|port| format!("127.0.0.1:{port}")).find(|address| TcpListener::bind(address).is_ok());
    free.expect("a port that is free")
}
