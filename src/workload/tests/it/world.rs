//! What all of these tests need: a clock, programs to run, backends, and patience with a deadline.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_tests::Engine;
use mf2c_workload::{
    BindRoots, Change, DockerBackend, DockerConfig, Event, EventStream, ExecutionBackend, Handle, LogLine, LogOptions,
    ProcessBackend, ProcessConfig, Program, Spec, State,
};
use tempfile::TempDir;

/// Nothing that a test waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The agent of the tests.
pub(crate) const AGENT: &str = "agent-of-tests";

/// The machine's clock.
pub(crate) struct Wall(pub(crate) Instant);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn wall() -> Arc<dyn Clock> {
    Arc::new(Wall(Instant::now()))
}

/// A place for processes that is cleared in the end, whatever the test comes to.
pub(crate) struct Place {
    folder: TempDir,
    secrets: TempDir,
    cgroup: String,
}

impl Place {
    /// None, and a word about it, where there is no program to run.
    pub(crate) fn new() -> Option<Self> {
        mf2c_tests::guest()?;
        let folder = tempfile::tempdir().unwrap();
        let secrets = tempfile::tempdir_in("/dev/shm").unwrap();
        let cgroup =
            format!("mf2c-test-{}", folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.'));
        Some(Self { folder, secrets, cgroup })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.secrets.path().to_owned()
    }

    pub(crate) fn config(&self) -> ProcessConfig {
        ProcessConfig {
            shim: vec![env!("CARGO_BIN_EXE_mf2c-workload-shim").into(), "shim".into()],
            state_dir: self.folder.path().join("state"),
            secrets_dir: self.secrets.path().join("secrets"),
            cgroup_mount: "/sys/fs/cgroup".into(),
            cgroup_name: self.cgroup.clone(),
            path: "/usr/bin:/bin".to_owned(),
        }
    }

    pub(crate) async fn open(&self) -> ProcessBackend {
        ProcessBackend::open(self.config(), wall()).await.unwrap()
    }

    /// The file that the kernel or the backend keeps of a workload.
    pub(crate) fn file(&self, handle: &Handle, name: &str) -> PathBuf {
        self.folder.path().join("state").join(handle.name()).join(name)
    }

    fn processes(&self) -> Vec<i32> {
        let state = self.folder.path().join("state");
        let runs = std::fs::read_dir(state).into_iter().flatten().flatten().map(|entry| entry.path().join("run.json"));
        let texts = runs.filter_map(|path| std::fs::read(path).ok());
        let runs = texts.filter_map(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        runs.filter_map(|run| i32::try_from(run["process"]["pid"].as_i64()?).ok()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes() {
            if has_mark(pid, &self.cgroup) {
                let group = rustix::process::Pid::from_raw(pid).unwrap();
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
        }
        for controller in ["memory", "cpu", "pids", "."] {
            let group = PathBuf::from("/sys/fs/cgroup").join(controller).join(&self.cgroup);
            let inner = std::fs::read_dir(&group).into_iter().flatten().flatten();
            for folder in inner.filter(|entry| entry.path().is_dir()) {
                let _ = std::fs::remove_dir(folder.path());
            }
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// Whether a process is one of a test: its environment says so.
fn has_mark(pid: i32, mark: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(mark))
}

/// A spec for a process of this program.
pub(crate) fn process(place: &Place, words: &[&str]) -> Spec {
    let mut argv = vec![mf2c_tests::guest().unwrap().display().to_string()];
    argv.extend(words.iter().map(|word| (*word).to_owned()));
    let mut spec = Spec::new(AGENT, &instance(), "service-1", Program::Argv(argv));
    spec.environment.insert("MF2C_TEST".to_owned(), place.cgroup.clone());
    spec
}

/// A Docker engine with a backend for it.
pub(crate) struct Docker {
    pub(crate) backend: DockerBackend,
    pub(crate) engine: Engine,
    pub(crate) secrets: TempDir,
    pub(crate) folder: TempDir,
}

impl Docker {
    /// None, and a word about it, where there cannot be one.
    pub(crate) fn start() -> Option<Self> {
        let engine = Engine::start()?;
        let (secrets, folder) = (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
        let config = config(&engine, &secrets, &folder);
        Some(Self { backend: DockerBackend::new(config, wall()), engine, secrets, folder })
    }

    /// How its backend was made.
    pub(crate) fn backend_config(&self) -> DockerConfig {
        config(&self.engine, &self.secrets, &self.folder)
    }
}

fn config(engine: &Engine, secrets: &TempDir, folder: &TempDir) -> DockerConfig {
    DockerConfig {
        socket: engine.socket(),
        secrets_dir: secrets.path().join("secrets"),
        bind_roots: BindRoots::new(vec![folder.path().to_owned()]),
    }
}

/// A spec for a container of the engine's image.
pub(crate) fn container(words: &[&str]) -> Spec {
    let mut spec = Spec::new(AGENT, &instance(), "service-1", Program::Image("test/web:1".to_owned()));
    spec.command = words.iter().map(|word| (*word).to_owned()).collect();
    spec
}

/// A name of an instance that nobody else has.
pub(crate) fn instance() -> String {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Creates and starts.
pub(crate) async fn run(backend: &dyn ExecutionBackend, spec: &Spec) -> Handle {
    let handle = backend.create(spec).await.unwrap();
    backend.start(&handle).await.unwrap();
    handle
}

/// The next change of this workload, lists left out.
pub(crate) async fn change(events: &mut EventStream, wanted: &Handle) -> Change {
    let search = async {
        loop {
            match events.next().await.expect("the stream of events does not end") {
                Event::Changed { handle, change, .. } if handle == *wanted => break change,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("news of the workload")
}

/// Waits until the workload has ended, and tells how.
pub(crate) async fn ended(backend: &dyn ExecutionBackend, handle: &Handle) -> State {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = backend.inspect(handle).await.unwrap().expect("it is there").state;
        if matches!(state, State::Exited { .. }) {
            return state;
        }
        assert!(Instant::now() < deadline, "{handle} did not end: {state:?}");
        tokio::task::yield_now().await;
    }
}

/// All that the workload has said.
pub(crate) async fn log(backend: &dyn ExecutionBackend, handle: &Handle, options: LogOptions) -> Vec<LogLine> {
    let lines = backend.logs(handle, options).await.unwrap();
    let lines = tokio::time::timeout(PATIENCE, lines.collect::<Vec<_>>()).await.expect("the log ends");
    lines.into_iter().map(Result::unwrap).collect()
}

pub(crate) fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}
