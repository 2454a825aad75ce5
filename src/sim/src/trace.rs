//! Everything that happens, as one number: two runs with the same one did the same things at the same times.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3Default;

/// Remarkable events that are kept: the last ones.
const REMARKABLE: usize = 40;

/// Something that tells people how a run came to its end: a fault, or an agent that stands otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// When.
    pub at: Duration,
    /// Whom it concerns, where it is one.
    pub host: Option<usize>,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) => write!(f, "agent {host} {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Gathers events. Clones share it.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    start: Instant,
    hash: Xxh3Default,
    events: u64,
    file: Option<Box<dyn std::io::Write + Send>>,
    line: String,
    remarks: VecDeque<Remark>,
}

impl Trace {
    /// An empty trace; with `file`, each event is a line of it too.
    #[must_use]
    pub fn new(start: Instant, file: Option<Box<dyn std::io::Write + Send>>) -> Self {
        let inner =
            Inner { start, hash: Xxh3Default::new(), events: 0, file, line: String::new(), remarks: VecDeque::new() };
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

    /// Keeps what people want to know of the end of a run; at most the last ones are kept.
    pub fn remark(&self, host: Option<usize>, what: String) {
        let mut inner = self.0.lock();
        let at = inner.start.elapsed();
        if inner.remarks.len() >= REMARKABLE {
            inner.remarks.pop_front();
        }
        inner.remarks.push_back(Remark { at, host, what });
    }

    /// The last remarks, in the order in which they were made.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        self.0.lock().remarks.iter().cloned().collect()
    }

    /// What was sent, for who reads the file; the event tells its sum.
    pub fn bytes(&self, bytes: &[u8]) {
        if let Some(file) = &mut self.0.lock().file {
            let _ = writeln!(file, "  {}", bytes.escape_ascii());
        }
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
