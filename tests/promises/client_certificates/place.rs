//! An agent with an area of its own, people who know it, and the certificates that they show by curl and openssl.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use mf2c_tests::{Agent, Answer, Ran, Start, curl, eventually, mf2c, run};
use serde_json::{Value, json};

pub(super) const PASSWORD: &str = "correct horse battery";

/// See the module.
pub(super) struct Place {
    pub(super) agent: Agent,
    admin: String,
    folder: tempfile::TempDir,
}

/// The files of a certificate.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) expires: String,
}

impl Held {
    /// What curl is told to show it.
    pub(super) fn shown(&self) -> [String; 4] {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.to_str().unwrap().to_owned());
        ["--cert".into(), certificate, "--key".into(), key]
    }
}

/// An agent that may be asked for links.
pub(super) fn start() -> Start {
    Start::new().plain().arguments(["--link", "127.0.0.1:0"]).environment("MF2C_DEVICE_ENABLED", "true")
}

impl Place {
    pub(super) fn new() -> Self {
        Self::with(start())
    }

    /// The agent with the authority of an area.
    pub(super) fn with(start: Start) -> Self {
        let place = Self::without_area(start);
        // The description of the machine, which gives the agent its identity, is on its way.
        eventually("an authority", || place.command("ca init --area harbour").code == Some(0));
        place
    }

    pub(super) fn without_area(start: Start) -> Self {
        let agent = start.agent();
        let admin = agent.sign_in("admin", &agent.admin_password());
        Self { agent, admin, folder: tempfile::tempdir().unwrap() }
    }

    /// A command about the agent.
    pub(super) fn command(&self, line: &str) -> Ran {
        let place = ["--data-dir", self.agent.data_dir().to_str().unwrap()];
        mf2c(&line.split(' ').chain(place).collect::<Vec<_>>())
    }

    /// The roots of the area, for who wants to check the agent.
    pub(super) fn roots(&self) -> String {
        let path = self.file("roots.pem");
        fs::write(&path, self.command("ca show --pem").expect(0).out).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As the administrator who signed in.
    pub(super) fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.agent.send_with(&self.admin, method, path, body.map(|body| body.to_string()).as_deref())
    }

    /// Makes an account that can be used at once.
    pub(super) fn user(&self, name: &str, is_admin: bool) {
        let form = json!({"href": "user-template/direct", "username": name, "password": PASSWORD,
            "emailAddress": format!("{name}@example.org"), "state": "ACTIVE", "isSuperUser": is_admin});
        let _ = self.admin("POST", "user", Some(json!({ "userTemplate": form }))).expect(201);
    }

    pub(super) fn cookie(&self, name: &str) -> String {
        self.agent.sign_in(name, PASSWORD)
    }

    /// A request for a certificate, in PEM, and the file of its key.
    pub(super) fn request(&self, stem: &str) -> (String, PathBuf) {
        let [key, request] = [format!("{stem}.key"), format!("{stem}.csr")];
        let line = format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -keyout {key} -out {request}"
        );
        let _ = self.openssl(&line).expect(0);
        (fs::read_to_string(self.file(&request)).unwrap(), self.file(&key))
    }

    /// A certificate for a user, asked for by the administrator.
    pub(super) fn certify(&self, name: &str, ttl: Option<u64>) -> Held {
        let stem = format!("{name}-{}", fs::read_dir(self.folder.path()).unwrap().count());
        let (request, key) = self.request(&stem);
        let mut body = json!({ "request": request });
        if let Some(ttl) = ttl {
            body["ttl"] = ttl.into();
        }
        self.hold(&stem, key, &self.admin("POST", &format!("user/{name}/certify"), Some(body)).expect(201))
    }

    /// Keeps what an answer holds in files.
    pub(super) fn hold(&self, stem: &str, key: PathBuf, answer: &Answer) -> Held {
        let made = answer.json();
        let certificate = self.file(&format!("{stem}.crt"));
        fs::write(&certificate, made["certificate"].as_str().unwrap()).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Held { id: text("resource-id"), certificate, key, expires: text("expires") }
    }

    /// A request over a connection for which a certificate is shown, to the agent that the roots vouch for.
    pub(super) fn show(&self, held: &Held, method: &str, path: &str, more: &[&str]) -> Answer {
        let url = format!("{}/{path}", self.agent.api());
        let own = ["-g", "--cacert", &self.roots(), "-X", method, &url].map(str::to_owned);
        curl(own.into_iter().chain(held.shown()).chain(more.iter().map(|word| (*word).to_owned())))
    }

    /// What curl says where TLS fails; nothing where there is an answer.
    pub(super) fn refused(&self, held: &Held) -> String {
        let mut command = Command::new("curl");
        let url = format!("{}/device", self.agent.api());
        command.args(["-sS", "--max-time", "20", "--cacert", &self.roots(), &url]).args(held.shown());
        run(command).err
    }

    /// In the folder of the files.
    pub(super) fn openssl(&self, line: &str) -> Ran {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(self.folder.path());
        run(command)
    }

    pub(super) fn revoke(&self, held: &Held) {
        let _ = self.admin("POST", &format!("{}/revoke", held.id), None).expect(200);
    }
}

/// One connection on which a certificate was shown, kept open between requests.
pub(super) struct Talk {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    pub(super) fn open(place: &Place, held: &Held) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", place.agent.https(), "-CAfile", &place.roots()])
            .args(["-verify_return_error", "-cert_chain", held.certificate.to_str().unwrap()])
            .args(["-cert", held.certificate.to_str().unwrap(), "-key", held.key.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// The status and the message of what is answered to a GET.
    pub(super) fn get(&mut self, path: &str) -> (u16, String) {
        let input = self.child.stdin.as_mut().unwrap();
        write!(input, "GET /api/{path} HTTP/1.1\r\nhost: localhost\r\n\r\n").and_then(|()| input.flush()).unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the connection ended");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        (status, document["message"].as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A reader of the event stream who shows a certificate.
pub(super) struct Follower {
    child: Child,
}

impl Follower {
    /// When this returns, the stream is open.
    pub(super) fn open(place: &Place, held: &Held) -> Self {
        let mut child = Command::new("curl")
            .args(["-sSN", "--max-time", "300", "--cacert", &place.roots()])
            .args(held.shown())
            .arg(format!("https://{}/events?types=device", place.agent.https()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find(|line| line.as_ref().is_ok_and(|line| line == "event: ready"));
        assert!(ready.is_some(), "the stream did not begin");
        // Somebody reads on, so that curl never waits.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child }
    }

    /// Whether the stream has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
