//! The process of one agent: a set of tasks that can be stopped and continued (SIGSTOP, SIGCONT) and killed as a whole.
//!
//! All actors, timers and links of the agent live in its [`LocalSet`]; nothing of it runs elsewhere, so dropping the set is a
//! crash: no last words, no flush.

use std::cell::RefCell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::task::LocalSet;

use crate::panics;

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Cell {
    host: usize,
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    tasks: Option<LocalSet>,
    stopped: bool,
    waker: Option<Waker>,
    /// How often its tasks were given time.
    polls: u64,
}

impl Cell {
    /// An empty one, of the agent with this number.
    #[must_use]
    pub fn new(host: usize) -> Self {
        Self { host, inner: Rc::default() }
    }

    /// Runs the cell for ever, through all its lives. To be spawned beside the others.
    pub async fn run(self) {
        std::future::poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            if !inner.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                inner.waker = Some(cx.waker().clone());
            }
            if inner.stopped {
                return Poll::<()>::Pending;
            }
            inner.polls += 1;
            if let Some(tasks) = &mut inner.tasks {
                // Ready means that nothing is left to do until somebody spawns something.
                let _ = panics::of(self.host, || Pin::new(tasks).poll(cx));
            }
            Poll::Pending
        })
        .await;
    }

    /// Begins a new life with this task.
    pub fn start(&self, main: impl Future<Output = ()> + 'static) {
        let tasks = LocalSet::new();
        tasks.spawn_local(main);
        let mut inner = self.inner.borrow_mut();
        inner.stopped = false;
        let old = inner.tasks.replace(tasks);
        inner.wake();
        drop(inner);
        drop(old);
    }

    /// Ends everything that runs in it, at once.
    pub fn kill(&self) {
        // Dropping tasks runs code of theirs, which may look at the cell.
        let old = self.inner.borrow_mut().tasks.take();
        panics::of(self.host, || drop(old));
    }

    /// One more task, if it is alive.
    pub fn add(&self, task: impl Future<Output = ()> + 'static) {
        let inner = self.inner.borrow();
        if let Some(tasks) = &inner.tasks {
            tasks.spawn_local(task);
        }
        inner.wake();
    }

    /// Gives its tasks no time, or gives it again.
    pub fn stop(&self, stopped: bool) {
        let mut inner = self.inner.borrow_mut();
        inner.stopped = stopped;
        inner.wake();
    }

    /// Whether it is given no time.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.inner.borrow().stopped
    }

    /// How often its tasks were given time.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.inner.borrow().polls
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix::prelude::*;

    use super::*;

    struct Counter(Rc<RefCell<u32>>);

    impl Actor for Counter {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Context<Self>) {
            ctx.run_interval(Duration::from_secs(1), |counter, _| *counter.0.borrow_mut() += 1);
        }
    }

    fn virtual_time() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[test]
    fn actors_run_in_a_cell_stand_still_while_it_is_stopped_and_die_with_it() {
        let count = Rc::new(RefCell::new(0));
        let of_cell = Rc::clone(&count);
        let main = LocalSet::new();
        main.block_on(&virtual_time(), async move {
            let cell = Cell::new(0);
            tokio::task::spawn_local(cell.clone().run());
            let live = || {
                let count = Rc::clone(&of_cell);
                cell.start(async move {
                    let _counter = Counter(count).start();
                    std::future::pending::<()>().await;
                });
            };
            let after = |seconds| tokio::time::advance(Duration::from_secs(seconds));
            let run = async |seconds: u64| {
                for _ in 0..seconds * 2 {
                    after(0).await;
                    tokio::time::advance(Duration::from_millis(500)).await;
                    for _ in 0..4 {
                        tokio::task::yield_now().await;
                    }
                }
            };
            live();
            run(10).await;
            let alive = *of_cell.borrow();
            assert!((9..=10).contains(&alive), "{alive}");
            cell.stop(true);
            run(10).await;
            assert_eq!(*of_cell.borrow(), alive);
            cell.stop(false);
            run(5).await;
            let after = *of_cell.borrow();
            assert!(after > alive);
            cell.kill();
            run(5).await;
            assert_eq!(*of_cell.borrow(), after);
            live();
            run(3).await;
            assert!(*of_cell.borrow() > after);
        });
    }

    #[test]
    fn two_thousand_cells_share_one_thread() {
        let count = Rc::new(RefCell::new(0));
        let of_cells = Rc::clone(&count);
        let main = LocalSet::new();
        main.block_on(&virtual_time(), async move {
            let cells: Vec<Cell> = (0..2000).map(|_| Cell::new(0)).collect();
            for cell in &cells {
                let count = Rc::clone(&of_cells);
                tokio::task::spawn_local(cell.clone().run());
                cell.start(async move {
                    let _counter = Counter(count).start();
                    std::future::pending::<()>().await;
                });
            }
            let end = tokio::time::Instant::now() + Duration::from_millis(20_500);
            tokio::time::timeout_at(end, std::future::pending::<()>()).await.unwrap_err();
        });
        assert_eq!(*count.borrow(), 2000 * 20);
    }
}
