//! Where an agent that has lost sight of its leader looks for whoever leads its area now. What is heard are hints, and
//! anybody can shout: calls are few, and nobody is called so often that others have to wait for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use super::choice::{Wanted, choose};
use super::sighting::Sighting;

/// The least time between two calls.
pub const BETWEEN: Duration = Duration::from_secs(1);
/// The least time between two calls at one address.
pub const AGAIN: Duration = Duration::from_secs(5);
/// The most addresses of which it is remembered when they were called.
const MOST: usize = 1024;

/// See the module. Times are those of [`crate::time::Clock::elapsed`].
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// When each address was called last.
    called: BTreeMap<String, Duration>,
    last: Option<Duration>,
}

impl Search {
    /// When somebody may be called next.
    #[must_use]
    pub fn next_call(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last + BETWEEN)
    }

    /// The address to call now, if there is one; it counts as called. `term` is the newest that this agent knows of its area.
    ///
    /// An address that the operator has listed comes first whenever its time has come. Of those that were heard, the one goes
    /// first whose host was called longest ago, so that one that names a thousand addresses waits like all others; of hosts
    /// that are alike, the best by [`choose`].
    pub fn next(&mut self, known: &[Sighting], wanted: &Wanted<'_>, term: u64, now: Duration) -> Option<String> {
        if now < self.next_call() {
            return None;
        }
        let due = |sighting: &&Sighting| {
            let last = sighting.address.as_ref().and_then(|address| self.called.get(address));
            last.is_none_or(|last| now >= *last + AGAIN)
        };
        let of_area = |sighting: &&Sighting| sighting.area.as_deref() == wanted.area && sighting.term >= term;
        let listed = known.iter().filter(|sighting| sighting.by == "list").filter(due).cloned();
        let listed: Vec<Sighting> = listed.collect();
        let heard = known.iter().filter(|sighting| sighting.by != "list").filter(of_area).filter(due);
        let mut heard: Vec<(Option<Duration>, Sighting)> = heard
            .filter(|it| wanted.area.is_some() && choose(std::slice::from_ref(*it), wanted).is_some())
            .map(|it| (self.host_called(it), it.clone()))
            .collect();
        let first = heard.iter().map(|(last, _)| *last).min();
        heard.retain(|(last, _)| Some(*last) == first);
        let heard: Vec<Sighting> = heard.into_iter().map(|(_, sighting)| sighting).collect();
        let chosen = choose(&listed, wanted).or_else(|| choose(&heard, wanted))?;
        let address = chosen.address.clone()?;
        self.remember(&address, now);
        Some(address)
    }

    /// Whoever is looked for next is looked for without delay: the leader was there.
    pub fn reset(&mut self) {
        self.called.clear();
        self.last = None;
    }

    fn remember(&mut self, address: &str, now: Duration) {
        if self.called.len() >= MOST && !self.called.contains_key(address) {
            let oldest = self.called.iter().min_by_key(|(_, last)| **last).map(|(address, _)| address.clone());
            oldest.and_then(|oldest| self.called.remove(&oldest));
        }
        self.called.insert(address.to_owned(), now);
        self.last = Some(now);
    }

    /// When anything on the host of a sighting was called last.
    fn host_called(&self, sighting: &Sighting) -> Option<Duration> {
        let host = |address: &str| address.rsplit_once(':').map(|(host, _)| host.to_owned());
        let its = host(sighting.address.as_deref()?);
        self.called.iter().filter(|(address, _)| host(address) == its).map(|(_, last)| *last).max()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::area::beacon::Role;
    use crate::time::Timestamp;

    const ROOT: [u8; 32] = [1; 32];
    const WANTED: Wanted<'_> = Wanted { area: Some("a1"), roots: &[ROOT] };

    fn heard(address: &str, term: u64) -> Sighting {
        let it = Sighting::listed(address.to_owned(), Role::Leader, Timestamp::default());
        let (device, area) = (address.to_owned(), Some("a1".to_owned()));
        Sighting { device, area, term, root: Some(ROOT), by: "beacon", ..it }
    }

    fn listed(address: &str) -> Sighting {
        Sighting::listed(address.to_owned(), Role::Leader, Timestamp::default())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_leaders_of_the_own_area_with_a_believed_root_and_no_older_term_are_called() {
        let mut search = Search::default();
        let known = [
            heard("old:1", 6),
            Sighting { role: Some(Role::Agent), ..heard("agent:1", 9) },
            Sighting { area: Some("a2".to_owned()), ..heard("other:1", 9) },
            Sighting { area: None, ..heard("nowhere:1", 9) },
            Sighting { root: Some([2; 32]), ..heard("forger:1", 9) },
            Sighting { address: None, ..heard("deaf:1", 9) },
        ];
        assert_eq!(search.next(&known, &WANTED, 7, seconds(1)), None);
        assert_eq!(search.next(&[heard("new:1", 7)], &WANTED, 7, seconds(1)).as_deref(), Some("new:1"));
        let nobody = Wanted::default();
        assert_eq!(Search::default().next(&[heard("new:1", 7)], &nobody, 0, seconds(1)), None, "no area");
    }

    #[test]
    fn one_is_called_in_a_second_and_each_address_in_five() {
        let mut search = Search::default();
        let known = [heard("h:1", 7), heard("h:2", 7)];
        let mut called = |at: u64| search.next(&known, &WANTED, 7, Duration::from_millis(at));
        assert_eq!(called(1000).as_deref(), Some("h:1"));
        assert_eq!(called(1999), None);
        assert_eq!(called(2000).as_deref(), Some("h:2"));
        assert_eq!(called(5999), None);
        assert_eq!(called(6000).as_deref(), Some("h:1"));
    }

    #[test]
    fn the_listed_address_has_its_turn_whatever_is_shouted_and_needs_to_say_nothing() {
        let mut search = Search::default();
        let mut turns = 0;
        for second in 1..=20 {
            let mut known: Vec<Sighting> = (0..64).map(|port| heard(&format!("evil:{second}{port}"), 99)).collect();
            known.push(listed("lead:1"));
            turns += usize::from(search.next(&known, &WANTED, 7, seconds(second)).as_deref() == Some("lead:1"));
        }
        assert_eq!(turns, 4);
    }

    #[test]
    fn who_names_a_thousand_addresses_does_not_keep_the_true_leader_waiting() {
        let mut search = Search::default();
        let mut known: Vec<Sighting> = (1..1000).map(|port| heard(&format!("10.6.6.6:{port}"), 99)).collect();
        known.push(heard("10.0.0.5:8444", 8));
        let called: Vec<_> = (1..=3).filter_map(|at| search.next(&known, &WANTED, 7, seconds(at))).collect();
        assert!(called.contains(&"10.0.0.5:8444".to_owned()), "{called:?}");
    }

    proptest! {
        #[test]
        fn however_many_are_heard_calls_are_bounded(shouts in proptest::collection::vec((0u16..3000, 0u16..1500), 1..300)) {
            let mut search = Search::default();
            let (mut now, mut calls) = (Duration::ZERO, 0u32);
            for (port, pause) in shouts {
                now += Duration::from_millis(pause.into());
                calls += u32::from(search.next(&[heard(&format!("h:{port}"), 7)], &WANTED, 7, now).is_some());
                prop_assert!(BETWEEN * calls.saturating_sub(1) <= now && search.called.len() <= MOST);
            }
        }
    }
}
