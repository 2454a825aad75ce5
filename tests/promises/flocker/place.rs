//! Where the certificates of a cluster are made, and who uses them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::ops::Deref;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use mf2c_tests::{Agent, Ran, Start, agent_binary, eventually, run};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Ids of nodes that no agent has.
pub(crate) const N: &str = "ad0a05dd-a1ed-449f-b44b-e1e2757bda00";
pub(crate) const M: &str = "bd0a05dd-a1ed-449f-b44b-e1e2757bda01";
/// The id of a dataset.
pub(crate) const D: &str = "cd0a05dd-a1ed-449f-b44b-e1e2757bda02";

/// A directory where the authority of a cluster is kept, and a `flocker-ca` that is a link to `mf2c`.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(agent_binary(), folder.path().join("flocker-ca")).unwrap();
        fs::create_dir(folder.path().join("ca")).unwrap();
        Self(folder)
    }

    pub(crate) fn with_cluster() -> Self {
        let place = Self::new();
        place.makes(&["initialize", "mycluster"]);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("ca").join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The link that is called `flocker-ca`.
    pub(crate) fn tool(&self) -> PathBuf {
        self.0.path().join("flocker-ca")
    }

    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.path("")).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub(crate) fn ca(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(self.0.path().join("flocker-ca"));
        command.args(arguments);
        run(command)
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub(crate) fn makes(&self, arguments: &[&str]) -> String {
        self.ca(arguments).expect(0).out
    }

    /// What openssl says, if it is content.
    #[track_caller]
    pub(crate) fn openssl(&self, line: &str) -> String {
        let mut command = self.command("openssl");
        command.args(line.split_whitespace());
        run(command).expect(0).out
    }
}

/// Puts the files of a control service where an agent finds them.
pub(crate) fn install(place: &Place, pair: &str) -> PathBuf {
    let folder = place.0.path().join("etc");
    fs::create_dir_all(&folder).unwrap();
    for (from, to) in [
        ("cluster.crt", "cluster.crt"),
        (&format!("{pair}.crt"), "control-service.crt"),
        (&format!("{pair}.key"), "control-service.key"),
    ] {
        fs::copy(place.path(from), folder.join(to)).unwrap();
    }
    folder
}

pub(crate) fn start(certificates: &Path) -> Start {
    let start = Start::new().environment("MF2C_FLOCKER_LISTEN", "127.0.0.1:0");
    start.environment("MF2C_FLOCKER_CERTIFICATES", certificates.to_str().unwrap())
}

/// The port of Flocker's API, from the log.
pub(crate) fn port(agent: &Agent) -> String {
    let mut found = None;
    eventually("Flocker's API", || {
        found = agent.log_lines().find_map(|line| Some(line.get("flocker")?.as_str()?.to_owned()));
        found.is_some()
    });
    found.unwrap().rsplit_once(':').unwrap().1.to_owned()
}

/// An account of this name on an agent.
pub(crate) fn user(agent: &Agent, name: &str) {
    let form = json!({"href": "user-template/direct", "username": name, "password": "correct horse", "state": "ACTIVE",
        "emailAddress": format!("{name}@example.org")});
    let _ = agent.send("POST", "user", Some(&json!({ "userTemplate": form }).to_string())).expect(201);
}

/// An answer of the door.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The same, with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// A refusal with this description.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, description: &str) {
        let said = self.expect(status);
        assert_eq!(said.json(), json!({ "description": description }));
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let find = |line: &str| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.head.lines().find_map(find)
    }
}

/// A cluster whose users ask a door at this port.
pub(crate) struct Cluster {
    pub(crate) place: Place,
    pub(crate) port: String,
}

/// An agent with the door, and users of its cluster.
pub(crate) struct Door {
    cluster: Cluster,
    pub(crate) agent: Agent,
}

impl Deref for Door {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Door {
    /// An agent that runs nothing; the users have accounts, and certificates.
    pub(crate) fn open(users: &[&str]) -> Self {
        Self::open_with(users, |start| start.environment("MF2C_SERVICES_DOCKER_SOCKET", ""))
    }

    pub(crate) fn open_with(users: &[&str], more: impl FnOnce(Start) -> Start) -> Self {
        let place = Place::with_cluster();
        place.makes(&["create-control-certificate", "127.0.0.1"]);
        let agent = more(start(&install(&place, "control-127.0.0.1"))).agent();
        let port = port(&agent);
        let door = Self { cluster: Cluster { place, port }, agent };
        for name in users {
            door.certify(name);
            user(&door.agent, name);
        }
        door
    }
}

impl Cluster {
    /// A certificate of the cluster; smaller than the tool makes them, which takes a while.
    pub(crate) fn certify(&self, name: &str) {
        for line in [
            &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /OU=x/CN=user-{name}"),
            &format!(
                "x509 -req -in {name}.csr -CA cluster.crt -CAkey cluster.key -out {name}.crt -days 2 -copy_extensions \
                 copyall -extfile client.cnf"
            ),
        ] {
            fs::write(self.place.path("client.cnf"), "extendedKeyUsage=clientAuth\n").unwrap();
            let _ = self.place.openssl(line);
        }
    }

    /// What curl sees, asked by a user.
    pub(crate) fn curl(&self, who: &str, words: &[&str], path: &str) -> Ran {
        let mut command = self.place.command("curl");
        command.args(["-sS", "-i", "--path-as-is", "--cacert", "cluster.crt", "--cert", &format!("{who}.crt")]);
        command.args(["--key", &format!("{who}.key")]).args(words);
        command.arg(format!("https://127.0.0.1:{}{path}", self.port));
        run(command)
    }

    #[track_caller]
    pub(crate) fn said(&self, who: &str, words: &[&str], path: &str) -> Said {
        let ran = self.curl(who, words, path).expect(0);
        let mut rest = ran.out.as_str();
        // What comes before the answer itself is left out.
        while let Some(more) = rest.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
            rest = more;
        }
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        let status = head[9..12].parse().unwrap();
        Said { status, head: head.to_owned(), body: body.to_owned() }
    }

    #[track_caller]
    pub(crate) fn get(&self, who: &str, path: &str) -> Said {
        self.said(who, &[], path)
    }

    #[track_caller]
    pub(crate) fn post(&self, who: &str, path: &str, body: &Value) -> Said {
        self.said(who, &["-d", &body.to_string()], path)
    }

    #[track_caller]
    pub(crate) fn delete(&self, who: &str, path: &str) -> Said {
        self.said(who, &["-X", "DELETE"], path)
    }
}

/// A connection that stays open.
pub(crate) struct Talk {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Talk {
    pub(crate) fn open(door: &Door, who: &str) -> Self {
        let mut command = door.place.command("openssl");
        let connect = format!("127.0.0.1:{}", door.port);
        command.args(["s_client", "-quiet", "-connect", &connect, "-CAfile", "cluster.crt", "-verify_return_error"]);
        command.args(["-cert", &format!("{who}.crt"), "-key", &format!("{who}.key")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// The status and the body of what is answered to a GET.
    pub(crate) fn get(&mut self, path: &str) -> (u16, String) {
        let input = self.child.stdin.as_mut().unwrap();
        write!(input, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").and_then(|()| input.flush()).unwrap();
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
        (status, String::from_utf8(body).unwrap())
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.answers.read(&mut [0]).unwrap_or_default() == 0
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
