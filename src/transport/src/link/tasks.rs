//! The tasks of an agent's links: counted, and all of them ended at once where the agent is to vanish.

use std::future::Future;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// See the module.
#[derive(Debug)]
pub(super) struct Tasks {
    runtime: Handle,
    /// Whether tasks are among the local ones of whoever begins them, so that they stand still and end with those.
    local: bool,
    /// None once they were ended: no more begin.
    running: Mutex<Option<JoinSet<()>>>,
}

impl Tasks {
    pub(super) fn new(runtime: Handle, local: bool) -> Self {
        Self { runtime, local, running: Mutex::new(Some(JoinSet::new())) }
    }

    /// The runtime of the links, on which sockets are made.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Begins a task, from whatever thread unless tasks are local.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = self.running.lock().as_mut() {
            // Those that are done are forgotten.
            while running.try_join_next().is_some() {}
            if self.local {
                running.spawn_local(work);
            } else {
                running.spawn_on(work, &self.runtime);
            }
        }
    }

    /// Ends all, wherever they are, and lets none begin any more.
    pub(super) fn kill(&self) {
        let running = self.running.lock().take();
        if let Some(mut running) = running {
            running.abort_all();
        }
    }
}
