//! How areas were led: how long nobody did, who took over, and whether that was needed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Longer than this no trouble of the past counts as the cause of a takeover.
const LONGEST_TRAIL: Duration = Duration::from_secs(60);

/// How one area was led.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reign {
    /// When it was led first.
    pub first: Option<Duration>,
    /// How long nobody led it afterwards, not even without a majority.
    pub without: Duration,
    /// The longest of these times, and when it ended.
    pub longest: (Duration, Duration),
    /// How often another agent than before came to lead it.
    pub takeovers: u64,
    /// How often that was not needed: nothing disturbed the old leader, nor its way to a majority.
    pub false_takeovers: u64,
    since: Option<Duration>,
    last: Option<usize>,
    voters: BTreeSet<usize>,
}

impl Reign {
    /// Who leads the area from now on: with or without a majority, and with one, together with those who vote.
    pub fn see(&mut self, at: Duration, anybody: bool, full: Option<(usize, BTreeSet<usize>)>, troubles: &Troubles) {
        match (anybody, self.since) {
            (true, since) => {
                self.first.get_or_insert(at);
                if let Some(since) = since {
                    self.add(at.saturating_sub(since), at);
                    self.since = None;
                }
            }
            (false, None) if self.first.is_some() => self.since = Some(at),
            (false, _) => {}
        }
        let Some((leader, voters)) = full else { return };
        if let Some(last) = self.last.filter(|last| *last != leader) {
            self.takeovers += 1;
            self.false_takeovers += u64::from(troubles.spare(at, last, &self.voters));
        }
        (self.last, self.voters) = (Some(leader), voters);
    }

    /// Closes the books.
    pub fn end(&mut self, at: Duration) {
        if let Some(since) = self.since.take() {
            self.add(at.saturating_sub(since), at);
        }
    }

    fn add(&mut self, time: Duration, end: Duration) {
        self.without += time;
        self.longest = self.longest.max((time, end));
    }
}

/// What may give a reason to replace a leader.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Whom it meets.
    pub who: Vec<usize>,
    /// Whether those it meets are cut off from the others, and not from each other.
    pub splits: bool,
    /// Since when.
    pub since: Duration,
}

/// Troubles of the present and the near past.
#[derive(Debug, Default)]
pub struct Troubles {
    /// How long a leader must be silent to be replaced.
    patience: Duration,
    now: BTreeMap<usize, Trouble>,
    past: VecDeque<(Duration, Trouble)>,
}

impl Troubles {
    /// None yet.
    #[must_use]
    pub fn new(election: Duration) -> Self {
        Self { patience: election * 3, ..Self::default() }
    }

    /// A fault begins.
    pub fn begin(&mut self, fault: usize, trouble: Trouble) {
        self.now.insert(fault, trouble);
    }

    /// A fault ends. What it held up needs as long again, as senders repeat more and more rarely.
    pub fn end(&mut self, fault: usize, at: Duration) {
        let Some(trouble) = self.now.remove(&fault) else { return };
        let trail = at.saturating_sub(trouble.since).min(LONGEST_TRAIL);
        self.past.retain(|(until, _)| at <= *until);
        self.past.push_back((at + trail + self.patience, trouble));
    }

    /// Whether they spare a leader, and a majority of those who vote together with it.
    fn spare(&self, at: Duration, leader: usize, voters: &BTreeSet<usize>) -> bool {
        let past = self.past.iter().filter(|(until, _)| at <= *until).map(|(_, trouble)| trouble);
        let all: Vec<&Trouble> = self.now.values().chain(past).collect();
        let met = |host: &usize| {
            all.iter().any(|trouble| {
                let inside = trouble.who.contains(host);
                if trouble.splits { inside != trouble.who.contains(&leader) } else { inside }
            })
        };
        let free = voters.iter().filter(|voter| **voter != leader && !met(voter)).count();
        !met(&leader) && (free + 1) * 2 > voters.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn led(by: usize) -> Option<(usize, BTreeSet<usize>)> {
        Some((by, [0, 1, 2].into()))
    }

    #[test]
    fn time_without_a_leader_is_counted_from_the_first_one_on() {
        let (mut reign, none) = (Reign::default(), Troubles::default());
        reign.see(s(1), false, None, &none);
        reign.see(s(3), true, led(0), &none);
        reign.see(s(10), false, None, &none);
        reign.see(s(12), false, None, &none);
        reign.see(s(14), true, None, &none);
        reign.see(s(20), false, None, &none);
        reign.end(s(21));
        assert_eq!((reign.first, reign.without, reign.longest), (Some(s(3)), s(5), (s(4), s(14))));
    }

    #[test]
    fn a_takeover_is_false_where_nothing_disturbed_the_leader_or_its_majority() {
        let taken = |trouble: Option<Trouble>, end: Option<Duration>| {
            let mut troubles = Troubles::new(s(1));
            if let Some(trouble) = trouble {
                troubles.begin(1, trouble);
            }
            if let Some(end) = end {
                troubles.end(1, end);
            }
            let mut reign = Reign::default();
            reign.see(s(1), true, led(0), &troubles);
            reign.see(s(100), true, led(1), &troubles);
            (reign.takeovers, reign.false_takeovers)
        };
        let of = |who: &[usize], splits| Some(Trouble { who: who.to_vec(), splits, since: s(50) });
        assert_eq!(taken(None, None), (1, 1));
        assert_eq!(taken(of(&[0], false), None), (1, 0));
        assert_eq!(taken(of(&[2], false), None), (1, 1), "a majority is left");
        assert_eq!(taken(of(&[1, 2], false), None), (1, 0), "no majority is left");
        assert_eq!(taken(of(&[1, 2], true), None), (1, 0), "the leader is on the other side");
        assert_eq!(taken(of(&[0, 1, 2], true), None), (1, 1), "all are on one side");
        assert_eq!(taken(of(&[0], false), Some(s(60))), (1, 1), "it was over long ago");
        assert_eq!(taken(of(&[0], false), Some(s(95))), (1, 0), "it has just ended");
    }
}
