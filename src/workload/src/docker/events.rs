//! News of containers: a list, then what happens; that the engine is away, and a list again when it is back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::{Clock, Timestamp};
use tokio::sync::mpsc::{Sender, channel};

use super::create::LABEL_PART;
use super::engine::Engine;
use super::inspect;
use crate::error::BackendError;
use crate::observed::{Change, Event, EventStream, Health, Listed};
use crate::spec::LABEL_AGENT;

/// So many news wait for a slow reader; then the engine waits.
const AHEAD: usize = 256;
/// An engine that has told nothing for so long is asked whether it is there: one that hangs breaks nothing off.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two tries to reach an engine that is away: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How all workloads are listed.
pub(crate) type Lister = Arc<dyn Fn() -> BoxFuture<'static, Result<Vec<Listed>, BackendError>> + Send + Sync>;

/// What to listen for.
pub(crate) struct Listener {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) owner: String,
    /// Whether of parts of applications, or of containers on their own.
    pub(crate) parts: bool,
    pub(crate) list: Lister,
}

impl Listener {
    /// News as they come. The engine must be there now; later it may come and go.
    pub(crate) async fn listen(self) -> Result<EventStream, BackendError> {
        let since = self.clock.now();
        let first = (self.list)().await?;
        let (sender, receiver) = channel(AHEAD);
        tokio::spawn(async move {
            // Nobody listens any more: that is the end.
            let _ = self.tell(since, first, &sender).await;
        });
        Ok(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed())
    }

    async fn tell(&self, mut since: Timestamp, first: Vec<Listed>, to: &Sender<Event>) -> Option<()> {
        to.send(Event::Listed(first)).await.ok()?;
        loop {
            let mut lost = self.forward(since, to).await?;
            let mut is_told = false;
            let mut pause = PAUSES.0;
            loop {
                if let Some(why) = lost.take().filter(|_| !is_told) {
                    to.send(Event::Lost { why: why.to_string() }).await.ok()?;
                    is_told = true;
                }
                since = self.clock.now();
                match (self.list)().await {
                    Ok(all) => {
                        to.send(Event::Listed(all)).await.ok()?;
                        break;
                    }
                    Err(error) if !is_told => {
                        lost = Some(error);
                        continue;
                    }
                    Err(_) => {}
                }
                tokio::select! {
                    () = to.closed() => return None,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                }
            }
        }
    }

    /// Forwards what has happened since that moment and what happens, until the engine breaks off, or does not answer: then why.
    async fn forward(&self, since: Timestamp, to: &Sender<Event>) -> Option<Option<BackendError>> {
        let client = match self.engine.client().await {
            Ok(client) => client,
            Err(error) => return Some(Some(error)),
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filters = HashMap::from([
            ("type".to_owned(), words(&["container"])),
            ("event".to_owned(), words(&["start", "die", "oom", "health_status", "destroy"])),
            ("label".to_owned(), vec![format!("{LABEL_AGENT}={}", self.owner)]),
        ]);
        let nanos = since.nanos();
        let since = Some(format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000));
        let mut events = Box::pin(client.events(Some(EventsOptions { since, until: None, filters: Some(filters) })));
        let mut out_of_memory = HashSet::new();
        loop {
            let message = tokio::select! {
                () = to.closed() => return None,
                message = tokio::time::timeout(SILENCE, events.next()) => message,
            };
            let Ok(message) = message else {
                match self.engine.ping().await {
                    Ok(()) => continue,
                    Err(error) => return Some(Some(error)),
                }
            };
            let Some(Ok(message)) = message else { return Some(None) };
            if let Some(event) = self.event(message, &mut out_of_memory) {
                to.send(event).await.ok()?;
            }
        }
    }

    /// What a message means. The engine does not say at the end of a container whether that was for want of memory,
    /// but before it; asking would wait until it has cleaned up.
    fn event(&self, message: EventMessage, out_of_memory: &mut HashSet<String>) -> Option<Event> {
        let actor = message.actor?;
        let labels = actor.attributes.unwrap_or_default();
        let part = labels.get(LABEL_PART).cloned();
        if part.is_some() != self.parts {
            return None;
        }
        let (handle, id) = (inspect::handle(&labels)?, actor.id?);
        let at = message.time_nano.map_or_else(|| self.clock.now(), |nanos| Timestamp::from_nanos(i128::from(nanos)));
        let action = message.action?;
        let change = match action.split_once(':').map_or(action.as_str(), |(action, _)| action) {
            "start" => {
                out_of_memory.remove(&id);
                Change::Started
            }
            "oom" => {
                out_of_memory.insert(id);
                Change::OutOfMemory
            }
            "destroy" => Change::Removed,
            "die" => {
                let code = labels.get("exitCode").and_then(|code| code.parse().ok());
                Change::Exited(inspect::exited(code, out_of_memory.remove(&id)))
            }
            "health_status" if action.contains("unhealthy") => Change::Health(Health::Unhealthy),
            "health_status" if action.contains("healthy") => Change::Health(Health::Healthy),
            _ => return None,
        };
        Some(Event::Changed { handle, part, at, change })
    }
}
