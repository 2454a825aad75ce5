//! What disturbs the network now: faults that have begun and not ended, by the hosts that they concern.

use std::collections::BTreeMap;
use std::time::Duration;

use super::way::Path;

/// One disturbance.
#[derive(Debug, Clone, PartialEq)]
pub enum Disturbance {
    /// Nothing passes between these hosts and all others.
    Cut(Hosts),
    /// Nothing passes from the first to the second; answers do.
    OneWay(usize, usize),
    /// Whatever these hosts send or get takes longer.
    Slow(Hosts, Duration),
    /// Packets that these hosts send or get are lost with this probability.
    Loss(Hosts, f64),
    /// These hosts read no more than so many bytes a second.
    LazyReaders(Hosts, u64),
    /// These machines have no power: nobody answers, not even with a reset.
    Dark(Hosts),
}

/// A set of hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(Vec<u64>);

impl Hosts {
    /// Whether it holds this one.
    #[must_use]
    pub fn has(&self, host: usize) -> bool {
        self.0.get(host / 64).is_some_and(|bits| bits >> (host % 64) & 1 == 1)
    }
}

impl FromIterator<usize> for Hosts {
    fn from_iter<T: IntoIterator<Item = usize>>(hosts: T) -> Self {
        let mut bits: Vec<u64> = vec![];
        for host in hosts {
            if bits.len() <= host / 64 {
                bits.resize(host / 64 + 1, 0);
            }
            if let Some(word) = bits.get_mut(host / 64) {
                *word |= 1 << (host % 64);
            }
        }
        Self(bits)
    }
}

/// All disturbances, by the number of the fault that brought them.
#[derive(Debug, Default)]
pub(super) struct Weather(BTreeMap<usize, Disturbance>);

impl Weather {
    pub(super) fn begin(&mut self, fault: usize, what: Disturbance) {
        self.0.insert(fault, what);
    }

    pub(super) fn end(&mut self, fault: usize) -> bool {
        self.0.remove(&fault).is_some()
    }

    /// What becomes of a path between two hosts.
    pub(super) fn on(&self, mut path: Path, from: usize, to: usize) -> Path {
        for disturbance in self.0.values() {
            match disturbance {
                Disturbance::Cut(hosts) => path.blocked |= hosts.has(from) != hosts.has(to),
                Disturbance::OneWay(first, second) => path.blocked |= (*first, *second) == (from, to),
                Disturbance::Dark(hosts) => path.blocked |= hosts.has(from) || hosts.has(to),
                Disturbance::Slow(hosts, by) if hosts.has(from) || hosts.has(to) => path.latency += *by,
                Disturbance::Loss(hosts, probability) if hosts.has(from) || hosts.has(to) => {
                    path.loss = 1.0 - (1.0 - path.loss) * (1.0 - probability);
                }
                Disturbance::Slow(..) | Disturbance::Loss(..) | Disturbance::LazyReaders(..) => {}
            }
        }
        path
    }

    /// Whether a host is without power.
    pub(super) fn is_dark(&self, host: usize) -> bool {
        self.0.values().any(|it| matches!(it, Disturbance::Dark(hosts) if hosts.has(host)))
    }

    /// How many bytes a second a host reads, where that is bounded.
    pub(super) fn reads(&self, host: usize) -> Option<u64> {
        self.0.values().find_map(|disturbance| match disturbance {
            Disturbance::LazyReaders(hosts, rate) if hosts.has(host) => Some(*rate),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Path =
        Path { latency: Duration::from_millis(1), jitter: Duration::ZERO, loss: 0.0, bandwidth: 0, blocked: false };

    #[test]
    fn a_cut_separates_two_sides_and_a_one_way_link_only_one_direction() {
        let mut weather = Weather::default();
        weather.begin(1, Disturbance::Cut([2, 70].into_iter().collect()));
        weather.begin(2, Disturbance::OneWay(0, 1));
        let blocked = |weather: &Weather, from, to| weather.on(CLEAR, from, to).blocked;
        assert!(blocked(&weather, 2, 0) && blocked(&weather, 0, 70) && !blocked(&weather, 2, 70));
        assert!(blocked(&weather, 0, 1) && !blocked(&weather, 1, 0));
        assert!(weather.end(1) && !weather.end(1));
        assert!(!blocked(&weather, 2, 0));
    }

    #[test]
    fn disturbances_add_up() {
        let mut weather = Weather::default();
        weather.begin(1, Disturbance::Loss([0].into_iter().collect(), 0.5));
        weather.begin(2, Disturbance::Loss([1].into_iter().collect(), 0.5));
        weather.begin(3, Disturbance::Slow([1].into_iter().collect(), Duration::from_millis(9)));
        weather.begin(4, Disturbance::LazyReaders([3].into_iter().collect(), 100));
        let path = weather.on(CLEAR, 0, 1);
        assert!((path.loss - 0.75).abs() < 1e-9);
        assert_eq!(path.latency, Duration::from_millis(10));
        assert_eq!((weather.reads(3), weather.reads(0)), (Some(100), None));
    }
}
