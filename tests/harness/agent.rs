//! Starts, stops and kills agents.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Ran, run};
use crate::curl::{Answer, curl_at};

/// How long anything may take before a test gives up on it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The binary under test, built by the same `cargo` that built the tests.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn agent_binary() -> PathBuf {
    let mut path = std::env::current_exe().expect("the test knows its own file");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path = path.join("mf2c");
    assert!(path.exists(), "{} is not built: run `cargo build -p mf2c-agent` first", path.display());
    path
}

/// Waits until `holds` says so.
///
/// # Panics
/// If it does not within [`DEADLINE`].
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < DEADLINE, "{what} did not come to be within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How to start an agent.
pub struct Start {
    /// Words before the program, which start it on a host of its own.
    entry: Vec<String>,
    data_dir: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Default for Start {
    fn default() -> Self {
        Self::new()
    }
}

impl Start {
    /// In development mode, with HTTPS and HTTP on ports of the system's choice, without describing the machine.
    #[must_use]
    pub fn new() -> Self {
        let arguments = ["--api", "127.0.0.1:0", "--log-format", "json", "--dev", "--http", "127.0.0.1:0"];
        let arguments = arguments.map(str::to_owned).to_vec();
        let environment = vec![("MF2C_DEVICE_ENABLED".to_owned(), "false".to_owned())];
        Self { entry: vec![], data_dir: None, arguments, environment }
    }

    /// In this directory instead of a temporary one.
    #[must_use]
    pub fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    /// On the host that these words lead to.
    #[must_use]
    pub(crate) fn at(mut self, entry: Vec<String>) -> Self {
        self.entry = entry;
        self
    }

    /// With these arguments too.
    #[must_use]
    pub fn arguments<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// Without development mode and plain HTTP.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.arguments.truncate(4);
        self
    }

    /// With no arguments but the data directory's, and nothing in the environment.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.arguments.clear();
        self.environment.clear();
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the agent and waits until it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    #[must_use]
    pub fn agent(self) -> Agent {
        let own = self.data_dir.is_none().then(|| tempfile::tempdir().expect("a temporary directory"));
        let data_dir = self.data_dir.clone().unwrap_or_else(|| own.as_ref().expect("made above").path().to_owned());
        let started = Instant::now();
        let mut child = self.command(&data_dir).spawn().expect("the agent is started");
        let log = Log::follow(child.stderr.take().expect("standard error is piped"));
        let printed = Log::follow(child.stdout.take().expect("standard output is piped"));
        let mut ended = false;
        // A first start tells of the administrator before it is ready.
        let ready = || {
            let said = printed.text();
            let whole = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            whole.filter_map(|line| line.strip_prefix("ready ")).map(str::to_owned).next()
        };
        eventually("the ready line", || {
            ended = child.try_wait().is_ok_and(|status| status.is_some());
            ended || ready().is_some()
        });
        let ready_after = started.elapsed();
        let Some(api) = ready() else {
            let _ = child.kill();
            panic!("the agent said {:?} instead of ready; its log:\n{}", printed.text(), log.text());
        };
        Agent { entry: self.entry, child, api, log, printed, data_dir, ready_after, _own: own }
    }

    /// Starts an agent that will not become ready, and waits for its end.
    ///
    /// # Panics
    /// If it goes on, or no data directory was named.
    #[must_use]
    pub fn refused(self) -> Ran {
        run(self.command(self.data_dir.as_deref().expect("a data directory")))
    }

    /// Starts the agent and kills it after this long, ready or not.
    ///
    /// # Panics
    /// If no data directory was named, or the agent ends by itself.
    pub fn killed_after(self, pause: Duration) {
        let mut child = self.command(self.data_dir.as_deref().expect("a data directory")).spawn().expect("it starts");
        std::thread::sleep(pause);
        let _ = child.kill();
        let status = child.wait().expect("the agent can be waited for");
        assert_eq!(status.code(), None, "the agent ended by itself");
    }

    fn command(&self, data_dir: &Path) -> Command {
        let program = agent_binary().into_os_string();
        let mut words = self.entry.iter().map(Into::into).chain([program]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command
            .args(words)
            .arg("agent")
            .args(["--data-dir", data_dir.to_str().expect("a plain path")])
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// What an agent has written so far; it is read on, so that the agent never waits for its reader.
#[derive(Clone, Default)]
pub(crate) struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    is_whole: Arc<AtomicBool>,
}

impl Log {
    fn follow(mut output: impl std::io::Read + Send + 'static) -> Self {
        let log = Self::default();
        let into = log.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut chunk) {
                into.written.lock().expect("no panic holds it").extend_from_slice(&chunk[..count]);
            }
            into.is_whole.store(true, Ordering::Release);
        });
        log
    }

    /// All of it so far.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().expect("no panic holds it")).into_owned()
    }
}

/// A running agent. It is killed, and its temporary directory removed, when this is dropped.
pub struct Agent {
    /// Words before a program that shall run where the agent does.
    entry: Vec<String>,
    child: Child,
    api: String,
    log: Log,
    printed: Log,
    data_dir: PathBuf,
    /// How long it took from start to the ready line.
    pub ready_after: Duration,
    _own: Option<TempDir>,
}

impl Agent {
    /// The address of the API, `https://127.0.0.1:12345/api`.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The host and port of HTTPS.
    #[must_use]
    pub fn https(&self) -> &str {
        self.api.trim_start_matches("https://").trim_end_matches("/api")
    }

    /// The host and port of plain HTTP, from the log.
    ///
    /// # Panics
    /// If the agent does not serve it.
    #[must_use]
    pub fn http(&self) -> String {
        let mut found = None;
        eventually("plain HTTP", || {
            found = self.log_lines().find_map(|line| Some(line.get("http")?.as_str()?.to_owned()));
            found.is_some()
        });
        found.expect("just found")
    }

    /// The log as JSON lines.
    pub fn log_lines(&self) -> impl Iterator<Item = Value> {
        let text = self.log.text();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>().into_iter()
    }

    /// The log as text.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// What it has written to standard output.
    #[must_use]
    pub fn printed(&self) -> String {
        self.printed.text()
    }

    /// The password of the administrator `admin`, which a first start prints.
    ///
    /// # Panics
    /// If this was no first start.
    #[must_use]
    pub fn admin_password(&self) -> String {
        let said = self.printed();
        let told = said.lines().find_map(|line| line.strip_prefix("administrator: user admin, password "));
        told.unwrap_or_else(|| panic!("no password in {said:?}")).to_owned()
    }

    /// Signs in by name and password over HTTPS; the cookie as a client sends it back, `name=value`.
    ///
    /// # Panics
    /// If the answer is not 201 with a cookie.
    #[must_use]
    pub fn sign_in(&self, name: &str, password: &str) -> String {
        let form = serde_json::json!({"href": "session-template/internal", "username": name, "password": password});
        let body = serde_json::json!({"sessionTemplate": form}).to_string();
        let answer = self.send_as(None, "POST", "session", Some(&body)).expect(201);
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("a part").to_owned()
    }

    /// Runs curl where the agent runs.
    #[must_use]
    pub fn curl(&self, arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Answer {
        curl_at(&self.entry, arguments)
    }

    /// A figure of `/metrics`, by its name with its labels; 0 where it is not told.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.curl(["-k", &format!("https://{}/metrics", self.https())]).text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// A request by curl with a cookie. The path is below `/api/`.
    pub fn send_with(&self, cookie: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.request(&[&format!("cookie: {cookie}")], method, path, body)
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that it has used so far, to a hundredth of a second, as Linux counts (proc(5), `/proc/PID/stat`).
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let told = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("a process");
        // The name in parentheses may hold spaces; `utime` and `stime` are fields 14 and 15.
        let (_, fields) = told.rsplit_once(')').expect("its name");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// A request by curl as an administrator: `agent.send("POST", "device", Some(r#"{…}"#))`. The path is below `/api/`.
    pub fn send(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.send_as(Some("internal ADMIN"), method, path, body)
    }

    /// The same as somebody else, or as nobody.
    pub fn send_as(&self, who: Option<&str>, method: &str, path: &str, body: Option<&str>) -> Answer {
        let header = who.map(|who| format!("slipstream-authn-info: {who}"));
        self.request(&header.iter().map(String::as_str).collect::<Vec<_>>(), method, path, body)
    }

    fn request(&self, headers: &[&str], method: &str, path: &str, body: Option<&str>) -> Answer {
        let url = format!("{}/{path}", self.api);
        let mut arguments = vec!["-k".to_owned(), "-g".to_owned(), "-X".to_owned(), method.to_owned(), url];
        if method == "HEAD" {
            arguments.push("-I".to_owned());
        }
        arguments.extend(headers.iter().flat_map(|header| ["-H".to_owned(), (*header).to_owned()]));
        if let Some(body) = body {
            arguments.extend(["-H", "content-type: application/json", "--data-binary", body].map(str::to_owned));
        }
        self.curl(arguments)
    }

    /// Ends the process at once, this much later.
    pub fn kill_after(self, pause: Duration) {
        std::thread::sleep(pause);
        let _ = self.kill();
    }

    /// Ends the process at once, as a power cut would, and gives its directory back.
    ///
    /// # Panics
    /// If it cannot be killed.
    #[must_use]
    pub fn kill(mut self) -> (PathBuf, Option<TempDir>) {
        self.child.kill().expect("the agent is killed");
        let _ = self.child.wait();
        (self.data_dir.clone(), self._own.take())
    }

    /// Sends a signal by name (`TERM`).
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// The fingerprint of its certificate, by its log.
    ///
    /// # Panics
    /// If it does not tell it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut found = None;
        eventually("the fingerprint in the log", || {
            found = self.log_lines().find_map(|line| Some(line.get("fingerprint")?.as_str()?.to_owned()));
            found.is_some()
        });
        found.expect("just found")
    }

    /// Sends a signal by name (`TERM`) and waits for the end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn stop(&mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the end of the agent", || {
            status = self.child.try_wait().expect("the agent can be waited for");
            status.is_some()
        });
        eventually("the rest of what it wrote", || {
            [&self.log, &self.printed].iter().all(|log| log.is_whole.load(Ordering::Acquire))
        });
        status.expect("just found")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets time pass, to see that nothing happens in it.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}

/// How long something takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let outcome = work();
    (outcome, started.elapsed())
}

/// The wall clock, in milliseconds since 1970.
///
/// # Panics
/// Where it is before that.
#[must_use]
pub fn wall_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
    u64::try_from(now.as_millis()).expect("it is not that late")
}
