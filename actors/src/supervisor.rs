//! `Supervisor`: builds a worker actor anew after a panic, which actix's own supervisor does not.
//!
//! Nothing of the old worker is reused: the new one starts from what is stored. A worker that keeps failing ends the
//! process, because an agent that runs without one of its parts would be trusted wrongly.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::time::Clock;

use crate::post::post_to;

/// So many restarts within [`STORM_WINDOW`] are a storm.
const STORM: usize = 5;
const STORM_WINDOW: Duration = Duration::from_secs(60);

/// A worker is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Died {
    panicked: bool,
}

/// Lives inside a worker; its drop is the one thing that happens on every way out.
pub struct DeathNotice(Recipient<Died>);

impl Drop for DeathNotice {
    fn drop(&mut self) {
        // A drop cannot wait, and there is at most one notice per worker.
        post_to(&self.0, Died { panicked: std::thread::panicking() });
    }
}

/// Makes a worker that holds the notice.
pub type Build<W> = Box<dyn Fn(DeathNotice) -> W + Send>;

/// Hears of each worker that was started.
pub type Tell<W> = Box<dyn Fn(Addr<W>) + Send>;

/// What follows where a part of the agent is lost for good: its name is told. See [`end_the_process`].
pub type GiveUp = fn(&'static str);

/// Watches over one worker.
pub struct Supervisor<W: Actor<Context = Context<W>>> {
    name: &'static str,
    build: Build<W>,
    clock: Arc<dyn Clock>,
    worker: Option<Addr<W>>,
    tell: Option<Tell<W>>,
    restarts: VecDeque<Duration>,
    give_up: GiveUp,
}

impl<W: Actor<Context = Context<W>>> Supervisor<W> {
    /// A supervisor of the worker called `name` in the log.
    #[must_use]
    pub fn new(name: &'static str, clock: Arc<dyn Clock>, build: Build<W>) -> Self {
        Self { name, build, clock, worker: None, tell: None, restarts: VecDeque::new(), give_up: end_the_process }
    }

    /// The same, which tells where each worker is.
    #[must_use]
    pub fn telling(self, tell: Tell<W>) -> Self {
        Self { tell: Some(tell), ..self }
    }

    /// The same, which gives up in another way than to end the process.
    #[must_use]
    pub fn giving_up(self, give_up: GiveUp) -> Self {
        Self { give_up, ..self }
    }

    fn start_worker(&mut self, ctx: &mut Context<Self>) {
        let notice = DeathNotice(ctx.address().recipient());
        let worker = (self.build)(notice).start();
        if let Some(tell) = &self.tell {
            tell(worker.clone());
        }
        self.worker = Some(worker);
    }

    /// Whether this restart is one too many.
    fn is_storm(&mut self) -> bool {
        let now = self.clock.elapsed();
        while self.restarts.front().is_some_and(|then| now.saturating_sub(*then) > STORM_WINDOW) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() > STORM
    }
}

/// Ends the process: the next start goes on from what is stored. A simulation, where one process is many agents, notes the
/// panic itself and gives up in its own way.
pub fn end_the_process(name: &'static str) {
    tracing::error!(
        actor = name,
        "it has failed and nothing replaces it; ending the process, the next start goes on from what is stored"
    );
    std::process::abort();
}

impl<W: Actor<Context = Context<W>>> Actor for Supervisor<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.start_worker(ctx);
    }
}

impl<W: Actor<Context = Context<W>>> Handler<Died> for Supervisor<W> {
    type Result = ();

    fn handle(&mut self, died: Died, ctx: &mut Context<Self>) {
        if !died.panicked {
            // It was stopped, as at the end of the agent.
            self.worker = None;
            return;
        }
        if self.is_storm() {
            return (self.give_up)(self.name);
        }
        tracing::error!(actor = self.name, "it failed; starting another from what is stored");
        self.start_worker(ctx);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mf2c_domain::time::Timestamp;

    use super::*;

    static GIVEN_UP: AtomicUsize = AtomicUsize::new(0);

    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// Fails at its start as often as it is told.
    struct Clumsy {
        _notice: DeathNotice,
        starts: Arc<AtomicUsize>,
        failures: usize,
        up: tokio::sync::mpsc::UnboundedSender<usize>,
    }

    impl Actor for Clumsy {
        type Context = Context<Self>;
        fn started(&mut self, _: &mut Self::Context) {
            let start = self.starts.fetch_add(1, Ordering::SeqCst);
            assert!(start >= self.failures, "a bug");
            self.up.send(start).unwrap();
        }
    }

    fn clumsy(failures: usize) -> (Supervisor<Clumsy>, tokio::sync::mpsc::UnboundedReceiver<usize>) {
        let (up, ups) = tokio::sync::mpsc::unbounded_channel();
        let starts = Arc::new(AtomicUsize::new(0));
        let build = move |notice| Clumsy { _notice: notice, starts: Arc::clone(&starts), failures, up: up.clone() };
        let supervisor = Supervisor::new("clumsy", Arc::new(Stopped), Box::new(build)).giving_up(|_| {
            GIVEN_UP.fetch_add(1, Ordering::SeqCst);
        });
        (supervisor, ups)
    }

    #[actix::test]
    async fn a_worker_that_panics_is_built_anew_and_a_storm_is_given_up_on() {
        let (supervisor, mut ups) = clumsy(3);
        let address = supervisor.start();
        assert_eq!(ups.recv().await, Some(3), "the fourth start succeeded");
        assert!(address.connected());

        let (supervisor, mut ups) = clumsy(usize::MAX);
        let address = supervisor.start();
        while GIVEN_UP.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(ups.try_recv().is_err() && address.connected());
    }
}
