//! How far the sink is behind, as its source knows.

use super::super::{Origin, Point};
use super::{History, Source};

/// What a sink lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Changes that it has not acknowledged.
    pub changes: u64,
    /// The oldest of them is behind this position of the log.
    pub behind: u64,
}

impl Source {
    /// What the sink lacks; none while it has not said what it has.
    #[must_use]
    pub fn backlog(&self, history: &dyn History) -> Option<Backlog> {
        self.stream?;
        let lacks = |(origin, has): (Origin, Point)| lacking(history.progress_of(&origin), has);
        let changes = self.acknowledged_points().map(lacks).fold(0u64, u64::saturating_add);
        Some(Backlog { changes, behind: self.acknowledged_position() })
    }

    /// What the sink has on its disk of each origin that it wants.
    pub fn acknowledged_points(&self) -> impl Iterator<Item = (Origin, Point)> + '_ {
        let wanted = self.lines.iter().filter(|line| line.wanted);
        wanted.map(|line| (line.origin, Point { sequence: line.acked, ..line.sent }))
    }

    /// Up to where the sink has everything of the log.
    #[must_use]
    pub fn acknowledged_position(&self) -> u64 {
        self.unacked.front().map_or(self.position, |sent| sent.behind)
    }

    /// The stream that runs.
    #[must_use]
    pub const fn is_followed(&self) -> bool {
        self.stream.is_some()
    }
}

/// How many changes are missing where somebody `has` this of what there is `now`. Of another life he has nothing.
#[must_use]
pub fn lacking(now: Option<Point>, has: Point) -> u64 {
    let now = now.unwrap_or_default();
    now.sequence.saturating_sub(if now.incarnation == has.incarnation { has.sequence } else { 0 })
}
