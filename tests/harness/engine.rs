//! A real Docker engine of a test's own: everything it has is in a temporary directory, and goes with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::agent::DEADLINE;
use crate::random::Random;
use crate::skip::skip;

/// A `containerd`, a `dockerd` and a bridge, which nobody else uses.
pub struct Engine {
    folder: TempDir,
    bridge: String,
    /// The second number of its networks: 10.N.0.0.
    network: u8,
    containerd: Option<Child>,
    dockerd: Option<Child>,
}

impl Engine {
    /// An engine with the image `test/web:1`, which is [`crate::guest`]; none, and a word about it, where there
    /// cannot be one.
    ///
    /// # Panics
    /// If there could be one, and it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let root = command("id", &["-u"]).output().is_ok_and(|output| output.stdout == b"0\n");
        let there = ["dockerd", "containerd", "docker"]
            .iter()
            .all(|program| command(program, &["--version"]).output().is_ok_and(|output| output.status.success()));
        if !root || !there {
            skip("a Docker engine of its own needs root, dockerd, containerd and docker (Debian: docker.io)");
            return None;
        }
        let guest = crate::guest()?;
        let mut random = Random::new();
        // Another test may have the same network: then it is another one's turn.
        let engine = (0..5).find_map(|_| Self::try_start(&mut random)).expect("a Docker engine");
        engine.import(&guest, "test/web:1");
        Some(engine)
    }

    fn try_start(random: &mut Random) -> Option<Self> {
        let network = 64 + u8::try_from(random.below(128)).expect("it is below");
        let folder = tempfile::Builder::new().prefix("mf2c-engine").tempdir().expect("a temporary directory");
        let bridge = format!("mf2c{:08x}", random.below(u64::from(u32::MAX)));
        let mut engine = Self { folder, bridge, network, containerd: None, dockerd: None };
        engine.make_bridge().then_some(())?;
        engine.start_containerd();
        engine.start_dockerd();
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE && engine.dockerd.as_mut().is_some_and(|it| matches!(it.try_wait(), Ok(None)))
        {
            if engine.try_docker(&["version"]).is_ok_and(|output| output.status.success()) {
                return Some(engine);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("{}", fs::read_to_string(engine.path("dockerd.log")).unwrap_or_default());
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str) -> Stdio {
        fs::OpenOptions::new().create(true).append(true).open(self.path(name)).expect("a file").into()
    }

    fn make_bridge(&self) -> bool {
        let address = format!("10.{}.0.1/24", self.network);
        let routes = command("ip", &["-4", "addr"]).output().expect("the program ip");
        let taken = String::from_utf8_lossy(&routes.stdout).contains(&format!("10.{}.", self.network));
        !taken
            && [
                vec!["link", "add", "name", &self.bridge, "type", "bridge"],
                vec!["addr", "add", &address, "dev", &self.bridge],
                vec!["link", "set", &self.bridge, "up"],
            ]
            .iter()
            .all(|words| command("ip", words).status().is_ok_and(|status| status.success()))
    }

    fn start_containerd(&mut self) {
        // Not the machine's own, even where it has one: their containers would be in one list.
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            self.path("containerd"),
            self.path("containerd-state"),
            self.path("containerd.sock")
        );
        fs::write(self.path("containerd.toml"), text).expect("a file");
        let mut containerd = command("containerd", &["--config"]);
        containerd
            .arg(self.path("containerd.toml"))
            .stdout(self.log("containerd.log"))
            .stderr(self.log("containerd.log"));
        self.containerd = Some(containerd.spawn().expect("containerd starts"));
        let socket = self.path("containerd.sock");
        let begun = Instant::now();
        while !socket.exists() && begun.elapsed() < DEADLINE {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn start_dockerd(&mut self) {
        let mut dockerd = command("dockerd", &["--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        let pool = format!("base=10.{}.128.0/17,size=24", self.network);
        dockerd.args(["--bridge", &self.bridge, "--default-address-pool", &pool]);
        dockerd.args(["--cgroup-parent", &format!("/{}", self.bridge), "--shutdown-timeout", "2"]);
        dockerd.arg("--config-file").arg(self.path("daemon.json"));
        fs::write(self.path("daemon.json"), "{}").expect("a file");
        for (word, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "dockerd.pid"),
            ("--containerd", "containerd.sock"),
        ] {
            dockerd.arg(word).arg(self.path(name));
        }
        dockerd.arg("-H").arg(format!("unix://{}", self.socket().display()));
        self.dockerd =
            Some(dockerd.stdout(self.log("dockerd.log")).stderr(self.log("dockerd.log")).spawn().expect("dockerd"));
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path("docker.sock")
    }

    fn try_docker(&self, words: &[&str]) -> std::io::Result<Output> {
        let mut docker = command("docker", &[]);
        // Nothing of the user's own: contexts, logins.
        docker.env("DOCKER_CONFIG", self.path("config")).env_remove("DOCKER_HOST").env_remove("DOCKER_API_VERSION");
        docker.arg("-H").arg(format!("unix://{}", self.socket().display())).args(words).output()
    }

    /// What `docker` says, which must succeed.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn docker(&self, words: &[&str]) -> String {
        let output = self.try_docker(words).expect("docker runs");
        assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes an image of one static program, `/guest`, which is its entry point.
    ///
    /// # Panics
    /// If that fails.
    pub fn import(&self, program: &Path, name: &str) {
        let root = tempfile::tempdir_in(self.folder.path()).expect("a temporary directory");
        fs::copy(program, root.path().join("guest")).expect("a copy");
        fs::create_dir(root.path().join("tmp")).expect("a folder");
        let tar = self.path("root.tar");
        let packed = command("tar", &["-C"]).arg(root.path()).arg("-cf").arg(&tar).arg(".").status();
        assert!(packed.is_ok_and(|status| status.success()), "tar");
        let change = "ENTRYPOINT [\"/guest\"]";
        let _ = self.docker(&[
            "import",
            "--change",
            change,
            "--change",
            "CMD [\"sleep\"]",
            &tar.display().to_string(),
            name,
        ]);
    }

    /// Ends the engine and what runs in it, as its own service would.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(&mut self) {
        if let Some(mut dockerd) = self.dockerd.take() {
            end(&mut dockerd);
        }
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it does not come back.
    pub fn start_again(&mut self) {
        self.start_dockerd();
        crate::eventually("the engine is back", || self.try_docker(&["version"]).is_ok_and(|it| it.status.success()));
    }

    /// Lets it answer nothing, or go on.
    ///
    /// # Panics
    /// If there is none.
    pub fn hang(&self, is_on: bool) {
        let pid = self.dockerd.as_ref().expect("it runs").id().to_string();
        let sent = command("kill", &[if is_on { "-STOP" } else { "-CONT" }, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.dockerd.is_some() {
            self.hang(false);
            if let Ok(all) = self.try_docker(&["ps", "-aq"]) {
                let ids = String::from_utf8_lossy(&all.stdout).into_owned();
                let ids: Vec<&str> = ids.split_whitespace().collect();
                let _ = self.try_docker(&[&["rm", "-f"], ids.as_slice()].concat());
            }
            // Networks have bridges of their own.
            let _ = self.try_docker(&["network", "prune", "-f"]);
        }
        for child in [self.dockerd.take(), self.containerd.take()].iter_mut().flatten() {
            end(child);
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = self.folder.path().display().to_string();
        // The innermost first.
        for place in
            mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|place| place.starts_with(&own))
        {
            let _ = command("umount", &["-l", place]).status();
        }
        let _ = command("ip", &["link", "del", &self.bridge]).stderr(Stdio::null()).status();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let _ = fs::remove_dir(hierarchy.path().join(&self.bridge));
        }
        let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(&self.bridge));
    }
}

/// Asks a process to end, and waits; one that does not end is killed.
fn end(child: &mut Child) {
    let _ = command("kill", &["-TERM", &child.id().to_string()]).status();
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > DEADLINE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A program, also of those that only root has in its path.
fn command(program: &str, words: &[&str]) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")).args(words).stdin(Stdio::null());
    command
}
