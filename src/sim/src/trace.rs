//! Everything that happens, as one number: two runs with the same one did the same things at the same times.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3Default;

/// Gathers events. Clones share it.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    start: Instant,
    hash: Xxh3Default,
    events: u64,
    file: Option<Box<dyn std::io::Write + Send>>,
    line: String,
}

impl Trace {
    /// An empty trace; with `file`, each event is a line of it too.
    #[must_use]
    pub fn new(start: Instant, file: Option<Box<dyn std::io::Write + Send>>) -> Self {
        let inner = Inner { start, hash: Xxh3Default::new(), events: 0, file, line: String::new() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> std::time::Duration {
        self.0.lock().start.elapsed()
    }

    /// Something happened at `host`: what, and two numbers that tell it from others of its kind.
    pub fn event(&self, host: usize, what: &str, one: u64, two: u64) {
        let mut inner = self.0.lock();
        let millis = inner.start.elapsed().as_millis() as u64;
        let mut bytes = [0; 32];
        for (part, number) in bytes.chunks_exact_mut(8).zip([millis, host as u64, one, two]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        inner.hash.update(&bytes);
        inner.hash.update(what.as_bytes());
        inner.events += 1;
        let Inner { file: Some(file), line, .. } = &mut *inner else { return };
        line.clear();
        let _ = writeln!(line, "{millis} {host} {what} {one} {two:x}");
        // A trace that cannot be written does not change the run.
        let _ = file.write_all(line.as_bytes());
    }

    /// The number, and how many events it stands for.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        let mut inner = self.0.lock();
        if let Some(file) = &mut inner.file {
            let _ = file.flush();
        }
        (inner.hash.digest(), inner.events)
    }
}
