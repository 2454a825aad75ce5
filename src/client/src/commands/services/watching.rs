//! Follows what becomes of an instance, or of what runs on a device, by the stream of events: nothing is asked for again and
//! again, and nothing falls between two looks.

use std::time::Duration;

use mf2c_domain::resource::types::workload;
use serde_json::Value;

use super::named::{quoted, text};
use super::seen::{Part, Seen};
use crate::ClientError;
use crate::commands::resources::all;
use crate::follow::{Follower, News};
use crate::progress::Progress;
use crate::session::Session;

/// What is followed.
pub(super) enum Of<'a> {
    /// The instance of this id, with its workloads.
    Instance(&'a str),
    /// The workloads on the device of this id.
    Device(&'a str),
}

impl Of<'_> {
    fn types(&self) -> &'static [&'static str] {
        match self {
            Self::Instance(_) => &["service-instance", "workload"],
            Self::Device(_) => &["workload"],
        }
    }

    fn workloads(&self) -> String {
        match self {
            Self::Instance(id) => format!("instance={}", quoted(id)),
            Self::Device(id) => format!("device_id={}", quoted(id)),
        }
    }

    fn filter(&self) -> String {
        match self {
            Self::Instance(id) => format!("id={} or {}", quoted(id), self.workloads()),
            Self::Device(_) => self.workloads(),
        }
    }

    /// Everything as it is now.
    pub(super) async fn read(&self, session: &Session<'_>) -> Result<Seen, ClientError> {
        let mut seen = Seen::default();
        if let Self::Instance(id) = self {
            match session.remote.get(id, &[]).await {
                Ok(instance) => seen.take("updated", id, &instance),
                Err(ClientError::Refused { status: 404 | 410, .. }) => seen.gone = true,
                Err(error) => return Err(error),
            }
        }
        for workload in all(session, &workload::SPEC, Some(&self.workloads()), None).await? {
            seen.take("updated", text(&workload, "id"), &workload);
        }
        Ok(seen)
    }
}

/// What a look at it gives.
pub(super) enum Look<T> {
    /// Something is under way.
    Wait,
    /// It is so, if it stays so for [`STEADY`]: what fails at once looks well for a moment.
    Steady(T),
    /// It is so.
    Done(T),
}

/// What ends within this time after its start was never up.
const STEADY: Duration = Duration::from_secs(2);

/// Looks at it whenever something has changed, until that gives something, for so long; then what was seen last is given back.
pub(super) async fn until<T>(
    session: &Session<'_>,
    of: Of<'_>,
    wait: u64,
    progress: &mut Progress,
    mut look: impl FnMut(&Seen, &mut Progress) -> Look<T>,
) -> Result<Result<T, Seen>, ClientError> {
    let mut follower = Follower::new(&session.remote, of.types(), &[of.filter()], None);
    let mut seen = Seen::default();
    let follow = async {
        let mut steady: Option<(Lives, Duration, T)> = None;
        loop {
            let news = match steady.take() {
                None => follower.next().await?,
                Some((lives, since, found)) => {
                    let left = STEADY.saturating_sub(session.around.clock.elapsed().saturating_sub(since));
                    let Ok(news) = tokio::time::timeout(left, follower.next()).await else { return Ok(found) };
                    steady = Some((lives, since, found));
                    news?
                }
            };
            match news {
                News::Event { name, .. } if name == "ready" || name == "reset" => seen = of.read(session).await?,
                News::Event { name, data, .. } => {
                    if let Some(resource) = data.get("resource") {
                        seen.take(&name, text(&data, "id"), resource);
                    }
                }
                News::Lost { reason } => progress.note(&format!("{reason}; connecting again")),
            }
            match look(&seen, progress) {
                Look::Done(found) => return Ok(found),
                Look::Wait => steady = None,
                Look::Steady(found) => {
                    let lives = Lives::of(&seen);
                    let before = steady.take().filter(|(before, ..)| *before == lives);
                    let since = before.map_or_else(|| session.around.clock.elapsed(), |(_, since, _)| since);
                    steady = Some((lives, since, found));
                }
            }
        }
    };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(Duration::from_secs(wait), follow) => outcome,
        _ = tokio::signal::ctrl_c() => return Err(ClientError::Interrupted),
    };
    match outcome {
        Ok(found) => found.map(Ok),
        Err(_) => Ok(Err(seen)),
    }
}

/// What tells that a part of an instance was started anew, or that something has happened to it.
#[derive(Debug, PartialEq)]
pub(super) struct Lives(Vec<Life>);

#[derive(Debug, PartialEq)]
struct Life {
    status: String,
    /// Which placing of the part this is, and when it was started last.
    began: (Option<u64>, String),
    /// How often it was started again by itself, and how often somebody asked for that.
    starts: (u64, u64),
    /// Whether nothing more is tried.
    failed: bool,
}

impl Lives {
    pub(super) fn of(seen: &Seen) -> Self {
        let life = |part: &Part<'_>| {
            let of = |name: &str| part.workload.and_then(|workload| workload.get(name));
            let count = |name: &str| of(name).and_then(Value::as_u64).unwrap_or(0);
            Life {
                status: part.status.to_owned(),
                began: (
                    of("generation").and_then(Value::as_u64),
                    part.workload.map_or("", |it| text(it, "started")).to_owned(),
                ),
                starts: (count("restarts"), count("restart_asked")),
                failed: [part.status, part.workload.map_or("", |it| text(it, "status"))] == ["error"; 2],
            }
        };
        Self(seen.parts().iter().map(life).collect())
    }

    /// Whether each part has begun anew since then, or has failed to.
    pub(super) fn all_anew(&self, before: &Self) -> bool {
        let anew = |(now, then): (&Life, &Life)| now.began != then.began || now.failed && now.starts.1 > then.starts.1;
        self.0.len() != before.0.len() || self.0.iter().zip(&before.0).all(anew)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(status: &str, started: &str, asked: u64) -> Lives {
        let mut seen = Seen::default();
        seen.take(
            "updated",
            "service-instance/1",
            &json!({"status": status, "agents": [{"status": status, "index": 0}]}),
        );
        let workload =
            json!({"index": 0, "generation": 1, "started": started, "status": status, "restart_asked": asked});
        seen.take("updated", "workload/1", &workload);
        Lives::of(&seen)
    }

    #[test]
    fn a_restart_is_over_when_each_part_was_started_since_or_has_failed_to() {
        let before = at("started", "10:00", 0);
        assert!(!at("started", "10:00", 1).all_anew(&before) && !at("stopped", "10:00", 1).all_anew(&before));
        assert!(at("started", "10:01", 1).all_anew(&before) && at("error", "10:00", 1).all_anew(&before));
        assert!(!at("error", "10:00", 0).all_anew(&at("error", "10:00", 0)));
    }

    #[test]
    fn what_happens_to_a_part_is_seen_though_its_status_is_the_same() {
        assert!(at("started", "10:00", 0) != at("started", "10:01", 0));
        assert!(at("started", "10:00", 0) == at("started", "10:00", 0));
    }
}
