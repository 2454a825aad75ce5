//! Panics of simulated agents: none passes unnoticed, whoever catches it on its way up.
//!
//! Tasks of an agent are caught by the runtime, and some rules by their actor: only the hook of the process hears of every
//! panic. It is shared by all runs of a process, so each run notes those of its own thread; panics of threads on which no run
//! goes on are everybody's.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// More than these are not kept.
const MOST: usize = 100;

/// A panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// When, in virtual time.
    pub at: Duration,
    /// Whose; none where it was no agent but the simulation itself, or another thread.
    pub host: Option<usize>,
    /// What it said, and where in the code.
    pub what: String,
}

struct Noted {
    start: Instant,
    host: Option<usize>,
    panics: Vec<Panic>,
}

thread_local! {
    static RUN: RefCell<Option<Noted>> = const { RefCell::new(None) };
}
static STRAYS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// Notes panics as long as it lives: one run of a thread at a time.
#[derive(Debug)]
pub struct Vigil {
    /// Strays of before.
    before: usize,
}

impl Vigil {
    /// Begins to note, for a run that began at `start`.
    #[must_use]
    pub fn begin(start: Instant) -> Self {
        HOOK.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !note(info) {
                    usual(info);
                }
            }));
        });
        RUN.set(Some(Noted { start, host: None, panics: vec![] }));
        Self { before: STRAYS.lock().len() }
    }

    /// The first panic.
    #[must_use]
    pub fn first(&self) -> Option<Panic> {
        let own = RUN.with_borrow(|run| run.as_ref().and_then(|run| run.panics.first().cloned()));
        own.or_else(|| {
            let what = STRAYS.lock().get(self.before).cloned()?;
            let at = RUN.with_borrow(|run| run.as_ref().map(|run| run.start.elapsed()))?;
            Some(Panic { at, host: None, what })
        })
    }

    /// What the last panic said.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        RUN.with_borrow(|run| run.as_ref().and_then(|run| run.panics.last().map(|panic| panic.what.clone())))
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        RUN.set(None);
    }
}

/// What panics in it is of this host.
pub fn of<T>(host: usize, work: impl FnOnce() -> T) -> T {
    let tell = |host| RUN.with_borrow_mut(|run| run.as_mut().map(|run| std::mem::replace(&mut run.host, host)));
    let before = tell(Some(host)).flatten();
    let done = work();
    tell(before);
    done
}

/// Whether the panic is one of a run on this thread.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let what = describe(info);
    let noted = RUN.try_with(|run| {
        let Ok(mut run) = run.try_borrow_mut() else { return false };
        let Some(run) = run.as_mut() else { return false };
        tracing::error!(host = run.host, backtrace = %std::backtrace::Backtrace::capture(), "{what}");
        if run.panics.len() < MOST {
            run.panics.push(Panic { at: run.start.elapsed(), host: run.host, what: what.clone() });
        }
        true
    });
    let noted = noted.unwrap_or(false);
    let mut strays = STRAYS.lock();
    if !noted && strays.len() < MOST {
        strays.push(what);
    }
    noted
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("a panic without a message");
    info.location().map_or_else(|| said.to_owned(), |place| format!("{said} ({}:{})", place.file(), place.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_that_somebody_catches_is_noted_with_its_host_its_time_and_its_place() {
        let vigil = Vigil::begin(Instant::now());
        assert_eq!(vigil.first(), None);
        tokio::time::advance(Duration::from_secs(3)).await;
        let task = tokio::task::LocalSet::new();
        task.run_until(async {
            let _ = tokio::task::spawn_local(async { of(7, || panic!("a bug of {}", 7)) }).await;
        })
        .await;
        let noted = vigil.first().unwrap();
        assert_eq!((noted.at, noted.host), (Duration::from_secs(3), Some(7)));
        assert!(noted.what.starts_with("a bug of 7 (") && noted.what.contains("panics.rs:"), "{}", noted.what);
    }
}
