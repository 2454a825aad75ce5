//! Which agents of an area its leader is in touch with.
//!
//! An agent is `connected` while it has a link, `disconnected` when it has had none for five seconds, `unavailable` after
//! ten minutes, and `connected` again as soon as a link is back. Each stands for itself: the original measured all of them
//! against the newest sign of life of any, so that where all fell silent nobody was missed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::time::Timestamp;

/// How long silence is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// An agent without a link is `connected` for so long: it may be calling again.
    pub disconnected_after: Duration,
    /// An agent without a link is only `disconnected` for so long.
    pub unavailable_after: Duration,
}

/// As `cluster.md` (e) and (g.4) say.
impl Default for Patience {
    fn default() -> Self {
        Self { disconnected_after: Duration::from_secs(5), unavailable_after: Duration::from_secs(600) }
    }
}

/// Whether an agent can be reached. What is worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It has a link, or had one a moment ago.
    Connected,
    /// It has had no link for some seconds.
    Disconnected,
    /// It has had no link for ten minutes.
    Unavailable,
}

impl Status {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Unavailable => "unavailable",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Connected, Self::Disconnected, Self::Unavailable].into_iter().find(|status| status.as_str() == word)
    }
}

/// One instant, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// For documents.
    pub wall: Timestamp,
    /// For measuring: it never goes backwards.
    pub elapsed: Duration,
}

/// How one agent is in touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    links: BTreeSet<u64>,
    status: Status,
    /// When its last link ended.
    lost: Option<Moment>,
}

impl Presence {
    /// Whether it can be reached.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// When it was last in touch; none while it has a link.
    #[must_use]
    pub fn last_contact(&self) -> Option<Timestamp> {
        self.lost.map(|lost| lost.wall)
    }

    /// When its status changes next if nothing happens, on the clock that never goes backwards.
    fn due(&self, patience: Patience) -> Option<Duration> {
        let lost = self.lost?.elapsed;
        match self.status {
            Status::Connected => Some(lost.saturating_add(patience.disconnected_after)),
            Status::Disconnected => Some(lost.saturating_add(patience.unavailable_after)),
            Status::Unavailable => None,
        }
    }
}

/// All agents that are watched, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roll {
    patience: Patience,
    agents: BTreeMap<String, Presence>,
    /// Whose link it is.
    links: BTreeMap<u64, String>,
    /// Who changes when.
    due: BTreeSet<(Duration, String)>,
}

impl Roll {
    /// A roll on which nobody stands yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// An agent has opened a link, or it was opened to it. Whether its status is another now.
    pub fn opened(&mut self, agent: &str, link: u64) -> bool {
        let fresh = || Presence { links: BTreeSet::new(), status: Status::Unavailable, lost: None };
        self.links.insert(link, agent.to_owned());
        let presence = self.agents.entry(agent.to_owned()).or_insert_with(fresh);
        presence.links.insert(link);
        let changed = presence.status != Status::Connected;
        self.with(agent, |presence| (presence.status, presence.lost) = (Status::Connected, None));
        changed
    }

    /// A link has ended. Whose it was, if anybody's.
    pub fn closed(&mut self, link: u64, now: Moment) -> Option<String> {
        let agent = self.links.remove(&link)?;
        self.with(&agent, |presence| {
            presence.links.remove(&link);
            if presence.links.is_empty() && presence.lost.is_none() {
                presence.lost = Some(now);
            }
        });
        Some(agent)
    }

    /// Somebody of whom only an earlier record tells: he had this status and was last in touch then. Who is known already
    /// stays as he is.
    pub fn recall(&mut self, agent: &str, status: Status, last_contact: Option<Timestamp>, now: Moment) {
        if self.agents.contains_key(agent) {
            return;
        }
        let wall = last_contact.unwrap_or(now.wall).min(now.wall);
        let since = u64::try_from((now.wall.nanos() - wall.nanos()) / 1_000_000).unwrap_or_default();
        // Who was in touch when it was written has the usual time to call again.
        let gone = if status == Status::Connected { Duration::ZERO } else { Duration::from_millis(since) };
        let lost = Moment { wall, elapsed: now.elapsed.saturating_sub(gone) };
        self.agents.insert(agent.to_owned(), Presence { links: BTreeSet::new(), status, lost: Some(lost) });
        self.with(agent, |_| ());
    }

    /// Nobody looks for this agent any more. Links of it that are still open count no more.
    pub fn forget(&mut self, agent: &str) {
        let Some(presence) = self.agents.remove(agent) else { return };
        self.due.retain(|(_, due)| due != agent);
        for link in presence.links {
            self.links.remove(&link);
        }
    }

    /// When [`Roll::advance`] has something to do, on the clock that never goes backwards.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Lets time pass. Whose status is another now.
    pub fn advance(&mut self, now: Moment) -> Vec<String> {
        let mut changed = BTreeSet::new();
        while let Some((due, agent)) = self.due.first().cloned().filter(|(due, _)| *due <= now.elapsed) {
            self.due.remove(&(due, agent.clone()));
            self.with(&agent, |presence| {
                presence.status = match presence.status {
                    Status::Connected => Status::Disconnected,
                    Status::Disconnected | Status::Unavailable => Status::Unavailable,
                }
            });
            changed.insert(agent);
        }
        changed.into_iter().collect()
    }

    /// How an agent is in touch.
    #[must_use]
    pub fn get(&self, agent: &str) -> Option<&Presence> {
        self.agents.get(agent)
    }

    /// Changes one agent and plans anew when it changes by itself.
    fn with(&mut self, agent: &str, change: impl FnOnce(&mut Presence)) {
        let Some(presence) = self.agents.get_mut(agent) else { return };
        if let Some(due) = presence.due(self.patience) {
            self.due.remove(&(due, agent.to_owned()));
        }
        change(presence);
        if let Some(due) = presence.due(self.patience) {
            self.due.insert((due, agent.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_700_000_000_000;

    fn at(seconds: u64) -> Moment {
        let wall = Timestamp::from_millis(START + i64::try_from(seconds * 1000).unwrap());
        Moment { wall, elapsed: Duration::from_secs(1000 + seconds) }
    }

    fn status(roll: &Roll, agent: &str) -> Status {
        roll.get(agent).unwrap().status()
    }

    #[test]
    fn who_falls_silent_is_disconnected_after_5_seconds_unavailable_after_600_and_back_at_once() {
        let mut roll = Roll::default();
        assert!(roll.opened("c1", 1) && !roll.opened("c1", 2));
        assert_eq!(roll.closed(1, at(0)), Some("c1".into()));
        assert_eq!((roll.due(), roll.get("c1").unwrap().last_contact()), (None, None), "another link is open");
        roll.closed(2, at(10));
        assert_eq!((status(&roll, "c1"), roll.due()), (Status::Connected, Some(at(15).elapsed)));
        assert!(roll.advance(at(14)).is_empty());
        assert_eq!(roll.advance(at(15)), ["c1"]);
        assert_eq!((status(&roll, "c1"), roll.due()), (Status::Disconnected, Some(at(610).elapsed)));
        assert_eq!(roll.get("c1").unwrap().last_contact(), Some(at(10).wall));
        assert_eq!(roll.advance(at(611)), ["c1"]);
        assert_eq!((status(&roll, "c1"), roll.due()), (Status::Unavailable, None));
        assert!(roll.opened("c1", 3));
        assert_eq!((status(&roll, "c1"), roll.get("c1").unwrap().last_contact()), (Status::Connected, None));
    }

    #[test]
    fn where_all_fall_silent_all_are_missed() {
        let mut roll = Roll::default();
        for link in 0..100 {
            roll.opened(&format!("c{link}"), link);
            roll.closed(link, at(link / 10));
        }
        assert_eq!(roll.advance(at(5)).len(), 10);
        assert_eq!(roll.advance(at(700)).len(), 100);
        assert!((0..100).all(|number| status(&roll, &format!("c{number}")) == Status::Unavailable));
    }

    #[test]
    fn who_calls_again_in_time_was_never_away() {
        let mut roll = Roll::default();
        roll.opened("c1", 1);
        roll.closed(1, at(0));
        assert!(!roll.opened("c1", 2), "nothing has changed");
        assert!(roll.advance(at(5000)).is_empty());
    }

    #[test]
    fn what_an_earlier_record_says_goes_on_from_there() {
        let mut roll = Roll::default();
        roll.recall("up", Status::Connected, None, at(0));
        roll.recall("down", Status::Disconnected, Some(Timestamp::from_millis(START - 590_000)), at(0));
        roll.recall("future", Status::Disconnected, Some(at(10_000).wall), at(0));
        roll.opened("here", 1);
        roll.recall("here", Status::Unavailable, None, at(0));
        assert_eq!(status(&roll, "here"), Status::Connected);
        assert_eq!(roll.advance(at(5)), ["up"]);
        assert_eq!(roll.advance(at(10)), ["down"]);
        assert_eq!(status(&roll, "future"), Status::Disconnected);
        roll.forget("down");
        roll.forget("here");
        assert_eq!(roll.closed(1, at(11)), None);
        assert_eq!(roll.get("down"), None);
    }

    proptest! {
        #[test]
        fn a_status_follows_from_the_agents_own_links_alone(
            history in proptest::collection::vec((0..4_u64, any::<bool>(), 0..400_u64), 1..80),
        ) {
            let (mut roll, mut now, mut lost) = (Roll::default(), 0, BTreeMap::<u64, Option<u64>>::new());
            for (agent, open, pause) in history {
                now += pause;
                roll.advance(at(now));
                let name = format!("c{agent}");
                if open {
                    roll.opened(&name, agent);
                    lost.insert(agent, None);
                } else if roll.closed(agent, at(now)).is_some() {
                    lost.insert(agent, Some(now));
                }
                for (agent, lost) in &lost {
                    let expected = match lost.map(|lost| now - lost) {
                        None | Some(0..=4) => Status::Connected,
                        Some(5..=599) => Status::Disconnected,
                        Some(_) => Status::Unavailable,
                    };
                    prop_assert_eq!(status(&roll, &format!("c{agent}")), expected);
                }
            }
        }
    }
}
