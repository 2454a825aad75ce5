//! Who is there: hosts by number, their areas, names and addresses.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::standing::AreaPeer;

use crate::places::CLOUD;
use crate::scenario::{Scenario, Topology};

/// The trust domain of every run.
const TRUST_DOMAIN: &str = "fog.example";
/// The port for links.
const PORT: u16 = 46_030;

/// All hosts: agents from 0 on, area after area, the first of each begins as its leader; then the cloud.
#[derive(Debug, Clone)]
pub struct Fleet {
    agents: usize,
    /// The first host of each area, and where the last one ends.
    firsts: Arc<[usize]>,
    names: Arc<[String]>,
    cloud: bool,
}

impl Fleet {
    /// The fleet of a scenario that was checked.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let Topology { agents, areas, cloud } = scenario.topology;
        let mut firsts = vec![0];
        if scenario.area.is_empty() {
            firsts.extend((1..=areas).map(|area| area * agents / areas));
            let names = (1..=areas).map(|area| format!("area-{area}")).collect();
            return Self { agents, firsts: firsts.into(), names, cloud };
        }
        for area in &scenario.area {
            firsts.push(firsts.last().copied().unwrap_or_default() + area.agents);
        }
        let names = scenario.area.iter().map(|area| area.name.clone()).collect();
        Self { agents, firsts: firsts.into(), names, cloud }
    }

    /// Hosts in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents + usize::from(self.cloud)
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Areas, without the cloud's.
    #[must_use]
    pub fn areas(&self) -> usize {
        self.names.len()
    }

    /// What an area is called; nothing for one that is not there.
    #[must_use]
    pub fn name_of(&self, area: usize) -> &str {
        self.names.get(area).map_or("", String::as_str)
    }

    /// The hosts of an area.
    #[must_use]
    pub fn hosts_of(&self, area: usize) -> Range<usize> {
        let first = |area: usize| self.firsts.get(area).copied().unwrap_or(self.agents);
        first(area)..first(area + 1)
    }

    /// The cloud's host.
    #[must_use]
    pub fn cloud(&self) -> Option<usize> {
        self.cloud.then_some(self.agents)
    }

    /// The area of a host; none for the cloud.
    #[must_use]
    pub fn area_of(&self, host: usize) -> Option<usize> {
        (host < self.agents).then(|| self.firsts.partition_point(|first| *first <= host) - 1)
    }

    /// The name of a host's area.
    #[must_use]
    pub fn area_name(&self, host: usize) -> String {
        self.area_of(host).map_or(CLOUD, |area| self.name_of(area)).to_owned()
    }

    /// The agent that leads at the beginning.
    #[must_use]
    pub fn first_leader_of(&self, host: usize) -> usize {
        self.area_of(host).map_or(host, |area| self.hosts_of(area).start)
    }

    /// Whom a host calls at the beginning.
    #[must_use]
    pub fn first_above(&self, host: usize) -> Option<AreaPeer> {
        let first = self.first_leader_of(host);
        let above = if first == host { self.cloud().filter(|cloud| *cloud != host) } else { Some(first) };
        above.map(|above| self.peer(above))
    }

    /// Whom a certificate of a host would name.
    #[must_use]
    pub fn id(&self, host: usize) -> SpiffeId {
        let subject = Subject::Agent { area: self.area_name(host), device: self.device(host) };
        SpiffeId { trust_domain: TRUST_DOMAIN.to_owned(), subject }
    }

    /// The `deviceID` of a host.
    #[must_use]
    pub fn device(&self, host: usize) -> String {
        format!("{host:032x}")
    }

    /// Where a host takes links.
    #[must_use]
    pub fn address(&self, host: usize) -> SocketAddr {
        let [high, low] = (host as u16).to_be_bytes();
        SocketAddr::from(([10, 1 + high, low, 1], PORT))
    }

    /// A host as others know it.
    #[must_use]
    pub fn peer(&self, host: usize) -> AreaPeer {
        AreaPeer { id: self.id(host), address: self.address(host).to_string() }
    }

    /// The host that an identity is of.
    #[must_use]
    pub fn host_of(&self, id: &SpiffeId) -> Option<usize> {
        let host = usize::from_str_radix(id.device()?, 16).ok()?;
        (host < self.len()).then_some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_one_area_one_name_and_one_address() {
        let topology = Topology { agents: 23, areas: 4, cloud: true };
        let scenario = Scenario { topology, ..Scenario::default() };
        let fleet = Fleet::new(&scenario);
        let sizes: Vec<usize> = (0..4).map(|area| fleet.hosts_of(area).len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 23);
        assert!(sizes.iter().all(|size| (5..=6).contains(size)));
        assert_eq!((fleet.len(), fleet.cloud(), fleet.area_of(23)), (24, Some(23), None));
        for host in 0..fleet.len() {
            assert_eq!(fleet.host_of(&fleet.id(host)), Some(host));
            assert_eq!(fleet.id(host).to_string().parse(), Ok(fleet.id(host)));
            assert_eq!(fleet.id(host).area().unwrap(), fleet.area_name(host));
        }
        let addresses: std::collections::BTreeSet<_> = (0..24).map(|host| fleet.address(host)).collect();
        assert_eq!(addresses.len(), 24);
    }
}
