//! Who enters and leaves the network that this agent spans, for the log. Whether an agent is there is known from its links;
//! this is of the cards alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mf2c_actors::discovery::ports::Wifi;
use tokio::task::JoinHandle;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// A watch that may be kept.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<JoinHandle<()>>>);

impl Watch {
    /// Watches from now on, unless somebody does already.
    pub(super) fn start(&self, wifi: Arc<dyn Wifi>, there: Vec<String>) {
        let mut watch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.as_ref().is_none_or(JoinHandle::is_finished) {
            *watch = Some(tokio::spawn(keep(wifi, there.into_iter().collect())));
        }
    }

    pub(super) fn stop(&self) {
        if let Some(watch) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watch.abort();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends when the network does.
async fn keep(wifi: Arc<dyn Wifi>, mut there: BTreeSet<String>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let now: BTreeSet<String> = match wifi.stations().await {
            Ok(stations) => stations.into_iter().collect(),
            Err(error) => {
                tracing::info!(%error, "the network of this agent is watched no more");
                return;
            }
        };
        for card in now.difference(&there) {
            tracing::info!(card, "a card has entered the network of this agent");
        }
        for card in there.difference(&now) {
            tracing::info!(card, "a card has left the network of this agent");
        }
        there = now;
    }
}
