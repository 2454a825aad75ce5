//! How far behind others are: the age of the oldest change of an agent that its leader, the cloud, or a backup lacks.
//!
//! Ages are those at the looks of a run, so a change that was written and carried between two looks has none.

use std::collections::VecDeque;
use std::time::Duration;

use mf2c_store::record::NodeId;
use mf2c_store::replica::Progress;

use crate::fleet::Fleet;
use crate::host::Host;
use crate::judge::Judge;

/// Looks of which it is known what was written then; beyond, ages become coarser.
const MOST: usize = 4096;

/// The largest age that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peak {
    /// How old.
    pub age: Duration,
    /// Of which agent's change.
    pub host: usize,
    /// When.
    pub at: Duration,
}

impl Peak {
    fn see(&mut self, age: Duration, host: usize, at: Duration) {
        if age > self.age {
            *self = Self { age, host, at };
        }
    }
}

/// What an agent has written, and how much of it others have.
#[derive(Debug, Default)]
struct Written {
    origin: Option<(NodeId, u64)>,
    /// The newest change at a look, and when it was seen first.
    looks: VecDeque<(u64, Duration)>,
    at_leader: u64,
    at_cloud: u64,
}

impl Written {
    fn is_at(&mut self, own: Progress, at: Duration) {
        if self.origin != Some((own.origin, own.incarnation)) {
            *self = Self { origin: Some((own.origin, own.incarnation)), ..Self::default() };
        }
        // A crash forgets what was seen and not yet on disk.
        while self.looks.back().is_some_and(|(newest, _)| *newest > own.sequence) {
            self.looks.pop_back();
        }
        if self.looks.back().map_or(0, |(newest, _)| *newest) < own.sequence {
            if self.looks.len() >= MOST {
                self.looks.pop_back();
            }
            self.looks.push_back((own.sequence, at));
        }
    }

    /// The age of the oldest change that is missing where so many are.
    fn age(&self, there: u64, at: Duration) -> Duration {
        let missing = self.looks.iter().find(|(newest, _)| *newest > there);
        missing.map_or(Duration::ZERO, |(_, since)| at.saturating_sub(*since))
    }

    fn forget_upto(&mut self, there: u64) {
        // The last one stays: it tells how far the agent was.
        while self.looks.len() > 1 && self.looks.front().is_some_and(|(newest, _)| *newest <= there) {
            self.looks.pop_front();
        }
    }

    /// How many changes are at a store; as many as before where it cannot be asked.
    fn count_at(&self, store: Option<&Host>, before: u64) -> u64 {
        let Some((origin, incarnation)) = self.origin else { return before };
        let there = store.and_then(|host| host.with(|it| it.store.progress_of(&origin)));
        there.map_or(before, |there| there.filter(|it| it.incarnation == incarnation).map_or(0, |it| it.sequence))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lags {
    written: Vec<Written>,
    /// The worst of all at leaders.
    pub at_leaders: Peak,
    /// The worst of all at the cloud.
    pub at_cloud: Peak,
    /// How far behind each host's row is now: an agent's changes at its leader, a leader's at the cloud, an area's at a backup,
    /// all at the cloud.
    pub rows: Vec<Duration>,
}

impl Lags {
    /// Of so many hosts.
    #[must_use]
    pub fn new(hosts: usize) -> Self {
        let written = (0..hosts).map(|_| Written::default()).collect();
        Self { written, rows: vec![Duration::ZERO; hosts], ..Self::default() }
    }

    /// Looks at all stores.
    pub fn look(&mut self, at: Duration, fleet: &Fleet, hosts: &[Host], judge: &Judge) {
        self.rows.fill(Duration::ZERO);
        let cloud = fleet.cloud();
        for area in 0..fleet.areas() {
            let leader = judge.leader(area);
            let backups = leader.and_then(|leader| judge.standing(leader)).map(|standing| {
                standing.backups.iter().filter_map(|backup| fleet.host_of(&backup.id)).collect::<Vec<_>>()
            });
            let backups = backups.unwrap_or_default();
            for number in fleet.hosts_of(area) {
                self.look_at(at, number, (leader, cloud, &backups), hosts);
            }
        }
    }

    fn look_at(
        &mut self,
        at: Duration,
        number: usize,
        (leader, cloud, backups): (Option<usize>, Option<usize>, &[usize]),
        hosts: &[Host],
    ) {
        let (Some(written), Some(host)) = (self.written.get_mut(number), hosts.get(number)) else { return };
        let own = host.with(|it| it.store.progress_of(&it.store.identity().node)).flatten();
        own.into_iter().for_each(|own| written.is_at(own, at));
        written.at_leader = match leader {
            Some(leader) => written.count_at(hosts.get(leader), written.at_leader),
            None => written.at_leader,
        };
        written.at_cloud = match cloud {
            Some(cloud) => written.count_at(hosts.get(cloud), written.at_cloud),
            None => u64::MAX,
        };
        let (to_leader, to_cloud) = (written.age(written.at_leader, at), written.age(written.at_cloud, at));
        self.at_leaders.see(to_leader, number, at);
        self.at_cloud.see(to_cloud, number, at);
        let newest = written.looks.back().map_or(0, |(newest, _)| *newest);
        let mut least = written.at_leader.min(written.at_cloud);
        let mut behind = vec![(number, if leader == Some(number) { to_cloud } else { to_leader })];
        behind.extend(cloud.map(|cloud| (cloud, to_cloud)));
        for backup in backups {
            let there = written.count_at(hosts.get(*backup), newest);
            least = least.min(there);
            behind.push((*backup, written.age(there, at)));
        }
        written.forget_upto(least);
        for (row, age) in behind {
            if let Some(row) = self.rows.get_mut(row) {
                *row = age.max(*row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn own(sequence: u64) -> Progress {
        Progress { origin: NodeId::default(), incarnation: 1, sequence }
    }

    #[test]
    fn the_oldest_missing_change_tells_the_age_and_a_crash_or_a_new_life_forgets() {
        let mut written = Written::default();
        for (sequence, at) in [(3, 1), (3, 2), (5, 3), (9, 4)] {
            written.is_at(own(sequence), s(at));
        }
        let age = |written: &Written, there| written.age(there, s(10)).as_secs();
        assert_eq!([0, 3, 4, 5, 9].map(|there| age(&written, there)), [9, 7, 7, 6, 0]);
        written.forget_upto(5);
        assert_eq!(written.looks.len(), 1);
        written.is_at(own(6), s(11));
        assert_eq!(written.looks, [(6, s(11))], "changes 7 to 9 were lost in a crash");
        written.is_at(Progress { incarnation: 2, ..own(4) }, s(12));
        assert_eq!((written.looks.len(), written.at_leader), (1, 0));
    }
}
