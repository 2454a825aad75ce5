//! `[area]`: who leads the area, who can take over, and when somebody counts as lost.

use std::time::Duration;

use mf2c_actors::leadership::Settings;
use serde::{Deserialize, Serialize};

use super::address::empty_is_none;
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;
use super::words::{Election, Profile};

const DAY: u64 = 24 * 3600;
/// The most agents that hold the whole area besides its leader: each of them costs the leader a stream of everything.
const MOST_BACKUPS: usize = 6;
/// A leader that is waited for no longer than this many of its heartbeats is deposed by any hiccup of the network.
const LEAST_HEARTBEATS: u32 = 3;

/// `[area]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FogArea {
    /// How quickly the loss of a leader is noticed.
    pub profile: Profile,
    /// Pause between two heartbeats of a leader; none: the profile's.
    #[serde(with = "empty_is_none")]
    pub heartbeat: Option<HumanDuration>,
    /// How long a leader may be silent before another is chosen; none: the profile's.
    #[serde(with = "empty_is_none")]
    pub election_timeout: Option<HumanDuration>,
    /// How long a backup may be silent before it loses its place; none: the profile's.
    #[serde(with = "empty_is_none")]
    pub drop_after: Option<HumanDuration>,
    /// What happens where nobody leads and no backup is left.
    pub election: Election,
    /// Where that is automatic: how long nobody must have been heard of who leads or could be elected.
    pub election_after: HumanDuration,
    /// Whether this agent may become a backup.
    pub backup: bool,
    /// How many backups this agent appoints where it leads.
    pub backups: usize,
    /// Silence after which an agent counts as disconnected.
    pub disconnected_after: HumanDuration,
    /// Silence after which it counts as unavailable.
    pub unavailable_after: HumanDuration,
}

impl Default for FogArea {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            heartbeat: None,
            election_timeout: None,
            drop_after: None,
            election: Election::default(),
            election_after: HumanDuration::from_secs(60),
            backup: true,
            backups: 2,
            disconnected_after: HumanDuration::from_secs(5),
            unavailable_after: HumanDuration::from_secs(600),
        }
    }
}

impl FogArea {
    /// Pause between two heartbeats of a leader.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.times().0.get()
    }

    /// How long a leader may be silent before another is chosen.
    #[must_use]
    pub fn election_timeout(&self) -> Duration {
        self.times().1.get()
    }

    /// After how long without a leader the area is founded anew without an operator, if ever.
    #[must_use]
    pub fn found_after(&self) -> Option<Duration> {
        (self.election == Election::Automatic).then(|| self.election_after.get())
    }

    fn times(&self) -> (HumanDuration, HumanDuration) {
        let usual = self.usual();
        let human = |time: Duration| HumanDuration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        (self.heartbeat.unwrap_or(human(usual.heartbeat)), self.election_timeout.unwrap_or(human(usual.election)))
    }

    /// The times of the profile.
    pub(crate) fn usual(&self) -> Settings {
        match self.profile {
            Profile::Fast => Settings::fast(),
            Profile::Lan => Settings::default(),
            Profile::Wan => Settings::wan(),
        }
    }
}

impl Check<'_> {
    pub(super) fn area(&mut self, config: &Config) {
        let area = &config.area;
        let (heartbeat, election) = area.times();
        self.time("area.heartbeat", heartbeat, 20, 60);
        self.time("area.election_timeout", election, 100, 600);
        if election.get() < heartbeat.get() * LEAST_HEARTBEATS {
            let reason = format!(
                "{election} is too short for a heartbeat of {heartbeat} (`area.heartbeat`): one that is late would end \
                 a leadership; expected at least {LEAST_HEARTBEATS} heartbeats"
            );
            self.refuse("area.election_timeout", reason);
        }
        if let Some(drop_after) = area.drop_after {
            self.time("area.drop_after", drop_after, 1000, 3600);
            if drop_after < election {
                let reason = format!(
                    "{drop_after} is less than `area.election_timeout` ({election}): backups would lose their places \
                     before anybody is missed"
                );
                self.refuse("area.drop_after", reason);
            }
        }
        self.time("area.election_after", area.election_after, 10_000, DAY);
        self.range("area.backups", area.backups, 0, MOST_BACKUPS);
        self.time("area.disconnected_after", area.disconnected_after, 1000, DAY);
        self.time("area.unavailable_after", area.unavailable_after, 1000, 30 * DAY);
        if area.unavailable_after <= area.disconnected_after {
            let reason = format!(
                "{} is not more than `area.disconnected_after` ({}): an agent is disconnected before it is unavailable",
                area.unavailable_after, area.disconnected_after
            );
            self.refuse("area.unavailable_after", reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::{Config, Overrides, load};

    fn loaded(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, format!("[area]\n{text}")).unwrap();
        let home = [("HOME".to_owned(), "/home/ada".to_owned())];
        load(Some(&path), home.into_iter(), Overrides::default())
            .map(|loaded| loaded.config)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_profile_says_how_quickly_a_leader_is_missed_and_single_times_win_over_it() {
        let times = |text: &str| {
            let area = loaded(text).unwrap().area;
            (area.heartbeat(), area.election_timeout())
        };
        let millis = |a, b| (Duration::from_millis(a), Duration::from_millis(b));
        assert_eq!(times(""), millis(200, 1600));
        assert_eq!(times("profile = 'fast'"), millis(50, 400));
        assert_eq!(times("profile = 'wan'"), millis(1000, 8000));
        assert_eq!(times("profile = 'fast'\nheartbeat = '100ms'"), millis(100, 400));
        assert_eq!(times("election_timeout = '3s'"), millis(200, 3000));
    }

    #[test]
    fn nobody_leads_by_himself_unless_that_is_configured() {
        let after = |text: &str| loaded(text).unwrap().area.found_after();
        assert_eq!(after(""), None);
        assert_eq!(after("election_after = '30s'"), None);
        assert_eq!(after("election = 'automatic'"), Some(Duration::from_secs(60)));
        assert_eq!(after("election = 'automatic'\nelection_after = '2m'"), Some(Duration::from_secs(120)));
    }

    #[test]
    fn times_that_cannot_work_together_are_refused_with_the_reason() {
        for (text, expected) in [
            ("profile = 'slow'", "`slow` is none of lan, fast, wan"),
            ("election = 'maybe'", "`maybe` is none of manual, automatic"),
            ("election_after = '1s'", "expected 10s to 1d"),
            ("heartbeat = '10ms'", "expected 20ms to 1m"),
            ("heartbeat = '1s'", "expected at least 3 heartbeats"),
            ("election_timeout = '200ms'", "too short for a heartbeat of 200ms"),
            ("drop_after = '1s'", "less than `area.election_timeout` (1600ms)"),
            ("drop_after = '2h'", "expected 1s to 1h"),
            ("backups = 7", "expected 0 to 6"),
            ("unavailable_after = '5s'", "not more than `area.disconnected_after` (5s)"),
            ("disconnected_after = '10ms'", "expected 1s to 1d"),
        ] {
            let said = loaded(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
