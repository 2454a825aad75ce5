//! A clock, randomness, documents and stores for the tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, TypeSpec};
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions, Engine, EngineError};
use mf2c_store::{Command, Delete, Edit, NewDocument, Store, StoreError, StoreOptions, Writer, Written};
use serde_json::{Map, Value, json};

/// Goes on by one millisecond with each look, and as far as it is told.
#[derive(Default)]
pub(crate) struct Ticks(AtomicU64);

impl Ticks {
    /// Sets the wall clock back, as after a wrong date was mended.
    pub(crate) fn set_back(&self, by: Duration) {
        self.0.fetch_sub(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let millis = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millis(1_560_000_000_000 + i64::try_from(millis).unwrap())
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A stream of bytes that a seed determines (SplitMix64).
pub(crate) struct Seed(AtomicU64);

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut word = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

impl Entropy for Seed {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

pub(crate) fn spec(kind: &str) -> &'static TypeSpec {
    resource::find(kind).unwrap()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

/// A new document, as the facade makes it.
pub(crate) fn new(kind: &str, body: Value, by: &Caller, clock: &dyn Clock, entropy: &dyn Entropy) -> NewDocument {
    let draft = spec(kind).prepare_add(object(body), clock.now(), entropy).unwrap();
    NewDocument::new(spec(kind), draft, by, entropy).unwrap()
}

pub(crate) fn service(name: &str) -> Value {
    json!({"name": name, "exec": "mf2c/hello", "exec_type": "docker", "agent_type": "normal"})
}

pub(crate) fn device(name: &str) -> Value {
    json!({
        "deviceID": name, "isLeader": false, "os": "linux", "arch": "x86_64", "cpuManufacturer": "any",
        "physicalCores": 2, "logicalCores": 4, "cpuClockSpeed": "1 GHz", "memory": 2048.0, "storage": 1000.0,
        "agentType": "normal", "networkingStandards": "eth0", "hwloc": "", "cpuinfo": "",
    })
}

pub(crate) fn edit(id: &ResourceId, changes: Value) -> Command {
    let (removed, if_match) = (Vec::new(), None);
    Command::Edit(Box::new(Edit { id: id.clone(), changes: object(changes), removed, if_match, by: Caller::agent() }))
}

pub(crate) fn delete(id: &ResourceId) -> Command {
    Command::Delete(Delete { id: id.clone(), if_match: None, by: Caller::agent() })
}

/// A store with its writer, run inline.
pub(crate) struct World {
    pub(crate) clock: Arc<Ticks>,
    pub(crate) entropy: Arc<Seed>,
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Writer,
}

impl World {
    pub(crate) fn open(engine: Arc<dyn Engine>, options: StoreOptions) -> Result<Self, EngineError> {
        let (clock, entropy) = (Arc::new(Ticks::default()), Arc::new(Seed::new(7)));
        Self::open_with(engine, options, clock, entropy)
    }

    pub(crate) fn open_with(
        engine: Arc<dyn Engine>,
        options: StoreOptions,
        clock: Arc<Ticks>,
        entropy: Arc<Seed>,
    ) -> Result<Self, EngineError> {
        let (store, writer) = Store::open(engine, options, clock.clone(), &*entropy)?;
        Ok(Self { clock, entropy, store, writer })
    }

    /// A store in a directory, with nothing that a full disk of the test machine could disturb.
    pub(crate) fn in_directory(directory: &Path) -> Result<Self, EngineError> {
        Self::open(embedded(directory, small())?, StoreOptions::default())
    }

    pub(crate) fn one(&mut self, command: Command) -> Result<Written, StoreError> {
        self.writer.execute(vec![command]).remove(0)
    }

    pub(crate) fn draft(&self, kind: &str, body: Value) -> NewDocument {
        new(kind, body, &Caller::agent(), &*self.clock, &*self.entropy)
    }

    pub(crate) fn add(&mut self, kind: &str, body: Value) -> ResourceId {
        let new = self.draft(kind, body);
        self.one(Command::Add(Box::new(new))).unwrap().id
    }

    pub(crate) fn body(&self, id: &ResourceId) -> Option<Value> {
        let document = self.store.get(id.as_str())?;
        let body = self.store.body(&document).unwrap()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    pub(crate) fn position(&self) -> u64 {
        *self.store.subscribe().borrow()
    }

    /// Every document's JSON, by id.
    pub(crate) fn everything(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = resource::all()
            .iter()
            .flat_map(|spec| self.store.all(spec.name))
            .map(|document| {
                let body = self.store.body(&document).unwrap().unwrap();
                (document.id.to_string(), String::from_utf8(body.into_owned()).unwrap())
            })
            .collect();
        all.sort();
        all
    }
}

pub(crate) fn small() -> EmbeddedOptions {
    EmbeddedOptions { min_free: 0, ..EmbeddedOptions::default() }
}

pub(crate) fn embedded(directory: &Path, options: EmbeddedOptions) -> Result<Arc<EmbeddedEngine>, EngineError> {
    EmbeddedEngine::open(directory, options).map(Arc::new)
}

/// What a crash at this moment would leave: a copy of the directory while it is in use.
pub(crate) fn image(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(directory, copy.path());
    copy
}

pub(crate) fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else if entry.path().extension().is_some_and(|extension| extension == "jnl") {
            // The blank end is up to 64 MiB of zeros; a copy without it is read just the same.
            let bytes = std::fs::read(entry.path()).unwrap();
            let blank = [0; 1 << 16];
            let parts = bytes.rchunks(blank.len()).take_while(|part| *part == &blank[..part.len()]);
            let used = bytes.len() - parts.map(<[u8]>::len).sum::<usize>();
            let used = bytes[..used].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            std::fs::write(target, &bytes[..used]).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a directory with its contents, to see that nothing was changed.
pub(crate) fn files(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "mf2c.lock" && name != "lock") {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
