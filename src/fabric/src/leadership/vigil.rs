//! Where the configuration says so, agents that have heard of no leader for long found their area anew by themselves: the
//! first in the line that is there, and nobody else (`cluster.md` (g.5), the automatic leader election of the original).

use std::time::Duration;

use super::council::Council;
use super::event::Effect;

/// Each further back in the line leaves those before it so many times of a suspicion more.
const TURN: u32 = 2;

impl Council {
    /// Begins to found the area anew when the time has come.
    pub(super) fn keep_vigil(&mut self, effects: &mut Vec<Effect>) {
        if self.vigil_due().is_none_or(|due| self.now < due) {
            return;
        }
        let again = self.now + self.settings.suspicion * TURN;
        if let Some(own) = &mut self.own {
            own.vigil_from = again;
        }
        if self.refusal(true).is_none() {
            self.ask_around(None, effects);
        }
    }

    /// When this agent's turn comes, as long as it hears of nobody who leads.
    fn vigil_due(&self) -> Option<Duration> {
        let after = self.settings.found_after?;
        let own = self.own.as_ref()?;
        let place = u32::try_from(self.place_of_founder()?).ok()?;
        let since = self.silent_since()?.max(own.began);
        Some((since + after + self.settings.suspicion * TURN * place).max(own.vigil_from))
    }

    /// When something is due for one that hears of nobody: to call those who may lead next, or to do it itself.
    pub(super) fn vigil_wake(&self) -> Option<Duration> {
        let suspects = self.silent_since().map(|since| since + self.settings.suspicion);
        let suspects = suspects.filter(|suspects| *suspects > self.now);
        [suspects, self.vigil_due()].into_iter().flatten().min()
    }
}
