//! A machine with an agent on it: it is started, killed, stopped, and keeps its disk.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::categoriser::{Recount, Recounted};
use mf2c_actors::ports::World;
use mf2c_domain::area::standing::Standing;
use mf2c_store::engine::MemoryEngine;
use tokio::time::Instant;

use crate::agent::{self, Belongings, Commons, Running, Slot};
use crate::cell::Cell;
use crate::clock::SkewedClock;
use crate::dice::{Dice, SeededEntropy};
use crate::load::{self, Above, SharedLedger};

/// Pause before an agent whose disk cannot be read is started again, as a service manager does.
const START_AGAIN: Duration = Duration::from_secs(2);

/// Told how an agent stands whenever that changes.
pub type Witness = Rc<dyn Fn(usize, &Standing)>;

/// See the module.
pub struct Host {
    /// Its number.
    pub number: usize,
    /// Its wall clock.
    pub clock: Arc<SkewedClock>,
    /// What was acknowledged to its users.
    pub ledger: SharedLedger,
    world: World,
    commons: Arc<Commons>,
    engine: Arc<MemoryEngine>,
    cell: Cell,
    slot: Slot,
    up: bool,
    lives: u64,
    asked: u64,
    seed: u64,
    witness: Witness,
}

impl Host {
    /// A machine that is off. Must be made among the tasks of the run.
    #[must_use]
    pub fn new(number: usize, seed: u64, start: Instant, commons: Arc<Commons>, witness: Witness) -> Self {
        let clock = Arc::new(SkewedClock::new(start));
        let entropy = Arc::new(SeededEntropy::new(Dice::new(seed, "entropy", number as u64)));
        let world = World { clock: Arc::clone(&clock) as _, entropy };
        let cell = Cell::new(number);
        tokio::task::spawn_local(cell.clone().run());
        let (engine, ledger, slot) = (Arc::default(), SharedLedger::default(), Slot::default());
        Self { number, clock, ledger, world, commons, engine, cell, slot, up: false, lives: 0, asked: 0, seed, witness }
    }

    /// Starts the agent, if it does not run.
    pub fn start(&mut self) {
        if self.up {
            return;
        }
        (self.up, self.lives) = (true, self.lives + 1);
        let own = Belongings {
            host: self.number,
            commons: Arc::clone(&self.commons),
            world: self.world.clone(),
            engine: Arc::clone(&self.engine),
        };
        let (slot, ledger, witness) = (Rc::clone(&self.slot), Rc::clone(&self.ledger), Rc::clone(&self.witness));
        let dice = Dice::new(self.seed, "load", (self.number as u64) << 32 | self.lives);
        self.cell.start(async move {
            while let Err(error) = agent::start(&own, &slot) {
                tracing::debug!(host = own.host, %error, "an agent cannot start");
                tokio::time::sleep(START_AGAIN).await;
            }
            let parts = slot.borrow().as_ref().map(|running| {
                let above = Above {
                    commons: Arc::clone(&own.commons),
                    store: Arc::clone(&running.store),
                    replicator: running.replicator.clone(),
                    standings: running.more.clone(),
                    ledger: Rc::clone(&ledger),
                };
                (running.writer.clone(), running.standings.clone(), above)
            });
            let Some((writer, mut standings, above)) = parts else { return };
            if !own.commons.scenario.load.edit_from_above.get().is_zero() {
                tokio::task::spawn_local(above.edit(dice.clone()));
            }
            tokio::task::spawn_local(load::write(own.commons, writer, own.world, ledger, dice));
            loop {
                let standing = standings.borrow_and_update().clone();
                witness(own.host, &standing);
                if standings.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        });
    }

    /// Kills the process. What was not synced is lost.
    pub fn kill(&mut self) {
        self.up = false;
        if let Some(running) = self.slot.borrow_mut().take() {
            running.links.kill();
        }
        self.cell.kill();
        self.engine = Arc::new(self.engine.after_crash());
    }

    /// Another disk takes the place of its own, while it is off.
    pub fn exchange_disk(&mut self, disk: &MemoryEngine) {
        self.engine = Arc::new(disk.after_crash());
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &MemoryEngine {
        &self.engine
    }

    /// Does something among the agent's tasks.
    pub fn interfere(&self, act: fn()) {
        self.cell.add(async move { act() });
    }

    /// Lets the agent hold the sums of its area against a recount, where it can; `wrong` is told where they differ.
    pub fn recount(&self, wrong: impl FnOnce(String) + 'static) {
        let Some(categoriser) = self.with(|running| running.categoriser.lock().clone()).flatten() else { return };
        self.cell.add(async move {
            let Ok(Some(Recounted { position, kept, counted })) = categoriser.send(Recount).await else { return };
            if kept != counted {
                wrong(format!("at change {position}: kept {kept:?}, counted {counted:?}"));
            }
        });
    }

    /// Stops or continues the process.
    pub fn stop(&self, stopped: bool) {
        self.cell.stop(stopped);
    }

    /// Whether the agent runs in a life in which this was not asked before.
    pub fn has_begun(&mut self) -> bool {
        let begun = self.slot.borrow().is_some() && self.asked != self.lives;
        if begun {
            self.asked = self.lives;
        }
        begun
    }

    /// Whether the process is there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.cell.is_stopped()
    }

    /// Looks at the running agent; none while it is off, or cannot read its disk.
    pub fn with<T>(&self, look: impl FnOnce(&Running) -> T) -> Option<T> {
        self.slot.borrow().as_ref().map(look)
    }
}
