//! How far it is behind, as a sink knows: by what is offered, and by what its source says while it goes on for longer.

use std::time::Duration;

use super::super::source::lacking;
use super::{Here, Sink};

impl Sink {
    /// Changes that are not here yet, and how old the oldest of them is, as far as the source said.
    #[must_use]
    pub fn lag(&self, now: Duration, here: &dyn Here) -> (u64, Duration) {
        let lacks = self
            .origins()
            .map(|(origin, offered)| lacking(Some(offered), here.progress_of(&origin).unwrap_or_default()));
        let offered = lacks.fold(0u64, u64::saturating_add);
        let since = if offered > 0 { now.saturating_sub(self.offered_at) } else { Duration::ZERO };
        let (told, age) = self.told.map_or((0, Duration::ZERO), |(lag, at)| {
            (lag.changes, Duration::from_millis(lag.millis).saturating_add(now.saturating_sub(at)))
        });
        (offered.max(told), since.max(age))
    }
}
