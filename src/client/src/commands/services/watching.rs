//! Follows what becomes of an instance, or of what runs on a device, by the stream of events: nothing is asked for again and
//! again, and nothing falls between two looks.

use std::time::Duration;

use mf2c_domain::resource::types::workload;

use super::named::{quoted, text};
use super::seen::Seen;
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

/// Looks at it whenever something has changed, until that gives something, for so long; then what was seen last is given back.
pub(super) async fn until<T>(
    session: &Session<'_>,
    of: Of<'_>,
    wait: u64,
    progress: &mut Progress,
    mut look: impl FnMut(&Seen, &mut Progress) -> Option<T>,
) -> Result<Result<T, Seen>, ClientError> {
    let mut follower = Follower::new(&session.remote, of.types(), &[of.filter()], None);
    let mut seen = Seen::default();
    let follow = async {
        loop {
            match follower.next().await? {
                News::Event { name, .. } if name == "ready" || name == "reset" => seen = of.read(session).await?,
                News::Event { name, data, .. } => {
                    if let Some(resource) = data.get("resource") {
                        seen.take(&name, text(&data, "id"), resource);
                    }
                }
                News::Lost { reason } => progress.note(&format!("{reason}; connecting again")),
            }
            if let Some(found) = look(&seen, progress) {
                return Ok(found);
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
