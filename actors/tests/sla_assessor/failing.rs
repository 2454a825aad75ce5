//! A worker that fails in the midst of it is replaced, and nothing of what it did is lost or done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix::prelude::*;
use mf2c_actors::ports::World;
use mf2c_actors::sla_assessor::{SlaAssessor, SlaSettings};
use mf2c_actors::supervisor::Supervisor;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::time::{Clock, Timestamp};
use tokio::sync::watch;

use crate::world::Agent;

/// A clock that fails whoever asks it while it is set to.
struct Brittle(Arc<dyn Clock>, Arc<AtomicBool>);

impl Clock for Brittle {
    fn now(&self) -> Timestamp {
        assert!(!self.1.swap(false, Ordering::SeqCst), "the clock has stopped");
        self.0.now()
    }
    fn elapsed(&self) -> std::time::Duration {
        self.0.elapsed()
    }
}

#[actix::test]
async fn an_assessor_that_panics_is_built_anew_and_goes_on_where_everything_is_stored() {
    let agent = Agent::halted(100_000);
    let agreement = agent.agreement("a", "x", "started").await;
    let instance = agent.instance("i", &agreement).await;
    let (fails, built) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let world = World {
        clock: Arc::new(Brittle(Arc::clone(&agent.world.clock), Arc::clone(&fails))),
        entropy: Arc::clone(&agent.world.entropy),
    };
    let standing = watch::Sender::new(Standing::default());
    let build = {
        let (store, writer, counters) = (Arc::clone(&agent.store), agent.writer.clone(), Arc::clone(&agent.counters));
        let (built, standings) = (Arc::clone(&built), standing.subscribe());
        move |notice| {
            built.fetch_add(1, Ordering::SeqCst);
            let (store, writer, counters) = (Arc::clone(&store), writer.clone(), Arc::clone(&counters));
            SlaAssessor::new(SlaSettings::default(), store, writer, standings.clone(), world.clone(), counters, notice)
        }
    };
    let thread = Arbiter::new();
    let supervisor = Supervisor::new("sla assessor", Arc::clone(&agent.world.clock), Box::new(build));
    Supervisor::start_in_arbiter(&thread.handle(), move |_| supervisor);
    let mut bad = agent.flood(&instance, 500).await;
    for failures in 1..=3 {
        agent.settles().await;
        fails.store(true, Ordering::SeqCst);
        bad.extend(agent.flood(&instance, 500).await);
        agent.until("another is built", || built.load(Ordering::SeqCst) > failures).await;
        bad.extend(agent.flood(&instance, 500).await);
    }
    agent.settles().await;
    assert_eq!(agent.broken_by(&agreement), bad);
    thread.stop();
}
