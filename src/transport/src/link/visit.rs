//! Visits: calls to an address of which nothing is known but that the leader of the own area may be there. Whoever answers
//! must be an agent of the area by its certificate and lead it by its word; what is made of that word is for those who
//! decide on leadership, as on every other link.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::LinkError;
use tracing::info;

use super::dial::{dial_leader, unreachable};
use super::net::Net;
use super::registry::{Command, Link};

/// How long the link of a visit stays open: whom this agent follows then has a standing link.
const STAY: Duration = Duration::from_secs(10);

/// Calls whoever is at an address.
pub(super) async fn visit(net: &Arc<Net>, address: &str, term: u64) -> Result<(), LinkError> {
    if net.kept.has_leader_of(net.own().as_ref().and_then(|own| own.area())) {
        // It tells better than others whether it leads.
        return Err(unreachable(address, "it is not called: the leader that is known is there"));
    }
    net.hints.visit(address);
    let link = dial_leader(net, address, term).await?;
    let id = &link.peer.identity.id;
    info!(peer = %id, address, "found an agent that says that it leads this area");
    // Where it says that it can be called may be known to others alone.
    if net.hints.add(id, address.to_owned()) {
        net.kept.hinted(id);
    }
    net.tasks.spawn(stay(Arc::clone(net), link));
    Ok(())
}

/// Ends the link in a while.
async fn stay(net: Arc<Net>, link: Arc<Link>) {
    let mut stopped = net.stopped.subscribe();
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = link.ended() => {}
        () = tokio::time::sleep(STAY) => {
            let _ = link.order(Command::Finish);
        }
    }
}
