//! Takes connections, so many at a time and no more.
//!
//! When all places are taken, the connection that has said nothing useful for the longest makes room: whoever opens many
//! and says nothing only drives out himself.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

/// Connections at a time.
const MOST: usize = 128;
/// The pause after the system gave no connection, as when no file may be opened any more.
const BREATH: Duration = Duration::from_millis(100);

/// A connection's word that what its client wants is understood and being done: it is not driven out as long as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Understood(Arc<AtomicBool>);

impl Understood {
    pub(super) fn say(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// It is done, and the client only has to take the answer.
    pub(super) fn done(&self) {
        self.0.store(false, Ordering::Release);
    }
}

struct Place {
    task: AbortHandle,
    understood: Understood,
}

/// Takes connections for as long as it is polled; dropping it closes them all.
pub(super) async fn take<F, W>(listener: TcpListener, what: &'static str, serve: F)
where
    F: Fn(TcpStream, SocketAddr, Understood) -> W,
    W: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut places: VecDeque<Place> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended && error.is_panic() {
                    warn!(door = what, "a connection ended in a panic");
                }
                continue;
            }
        };
        let (tcp, source) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(door = what, %error, "no connection can be taken");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        places.retain(|place| !place.task.is_finished());
        if places.len() >= MOST {
            let silent = places.iter().position(|place| !place.understood.0.load(Ordering::Acquire));
            let Some(place) = silent.and_then(|at| places.remove(at)) else {
                debug!(door = what, %source, "all places are taken");
                continue;
            };
            place.task.abort();
        }
        let understood = Understood::default();
        let task = tasks.spawn(serve(tcp, source, understood.clone()));
        places.push_back(Place { task, understood });
    }
}
