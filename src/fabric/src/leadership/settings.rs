//! How fast an area notices that nobody leads it, and how many agents stand by.

use std::time::Duration;

/// The times of an area. All its agents must have the same ones: a leader's lease is as long as the others wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Pause between two heartbeats of a leader.
    pub heartbeat: Duration,
    /// Voters that have not heard of the leader for so long may elect another. A multiple of the heartbeat.
    pub election: Duration,
    /// Without a majority, a leader silent for so long is suspected, and others are asked about it (`cluster.md` (g.5)).
    pub suspicion: Duration,
    /// A backup or witness silent for so long loses its place: the original's 10 s, less the time to agree on it.
    pub drop_after: Duration,
    /// An agent is chosen as a backup when it has been connected for so long.
    pub choose_after: Duration,
    /// A leader that remembers no term waits so long for others to tell it one before it takes a full mandate.
    pub settle: Duration,
    /// So many backups are wanted where there are three agents or more; one where there are two.
    pub backups: usize,
    /// Where nobody leads, nor can be elected, for so long, the first in the line founds the area anew by itself; none: an
    /// operator says who does.
    pub found_after: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(200),
            election: Duration::from_millis(1600),
            suspicion: Duration::from_secs(5),
            drop_after: Duration::from_secs(8),
            choose_after: Duration::from_secs(1),
            settle: Duration::from_secs(2),
            backups: 2,
            found_after: None,
        }
    }
}

impl Settings {
    /// For machines on one switch: a leader that is gone is replaced within a second.
    #[must_use]
    pub fn fast() -> Self {
        let heartbeat = Duration::from_millis(50);
        Self { heartbeat, election: Duration::from_millis(400), suspicion: Duration::from_secs(2), ..Self::default() }
    }

    /// For areas over slow or lossy ways.
    #[must_use]
    pub fn wan() -> Self {
        let second = Duration::from_secs(1);
        Self {
            heartbeat: second,
            election: second * 8,
            suspicion: second * 20,
            drop_after: second * 45,
            settle: second * 5,
            ..Self::default()
        }
    }

    /// Election timeout in heartbeats, at least 3.
    pub(super) fn ticks(&self) -> usize {
        let beats = self.election.as_millis() / self.heartbeat.as_millis().max(1);
        usize::try_from(beats).unwrap_or(usize::MAX).clamp(3, 1000)
    }

    /// For so long after it heard of the leader no voter helps another one into the lead.
    pub(super) fn patience(&self) -> Duration {
        self.heartbeat * u32::try_from(self.ticks()).unwrap_or(3)
    }

    /// For so long after a heartbeat that a majority answered, its sender leads: one heartbeat less than the patience of
    /// the others, for clocks that do not run equally fast.
    pub(super) fn lease(&self) -> Duration {
        self.patience() - self.heartbeat
    }
}
