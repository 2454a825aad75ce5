//! The agents that an operator has listed, until they come. What he wrote may be the port of something else on the machine, as
//! in the original's guide, or a name: the machine is what counts where no agent takes links at exactly that address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::members::{Member, host};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Those that have not come, `host:port`.
    waiting: BTreeSet<String>,
    /// What names of hosts stand for.
    resolved: BTreeMap<String, Vec<IpAddr>>,
    /// The members that have come, each with the address for which it counts.
    came: BTreeMap<String, String>,
}

impl Expected {
    /// These are expected from now on, and no others. Those for whom somebody has come are not waited for again.
    pub(super) fn expect(&mut self, addresses: BTreeSet<String>) {
        self.came.retain(|_, address| addresses.contains(address));
        self.resolved.retain(|address, _| addresses.contains(address));
        self.waiting = addresses;
        self.waiting.retain(|address| self.came.values().all(|came| came != address));
    }

    /// What the name in an address stands for.
    pub(super) fn resolve(&mut self, address: &str, ips: Vec<IpAddr>) {
        if self.waiting.contains(address) {
            self.resolved.insert(address.to_owned(), ips);
        }
    }

    /// Those that have not come.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &String> {
        self.waiting.iter()
    }

    /// Waits for these no longer.
    pub(super) fn forget(&mut self, is: impl Fn(&str) -> bool) {
        self.waiting.retain(|address| !is(address));
    }

    /// A member is there: the address for which it counts, if it is one that was waited for. Each counts once, so that of several
    /// that are expected on one machine each has its own.
    pub(super) fn come(&mut self, name: &str, member: &Member) -> Option<String> {
        if self.came.contains_key(name) {
            return None;
        }
        let is_exact = |address: &&String| **address == member.address;
        let found =
            self.waiting.iter().find(is_exact).or_else(|| self.waiting.iter().find(|it| self.is_at(it, member)));
        let found = found?.clone();
        self.waiting.remove(&found);
        self.came.insert(name.to_owned(), found.clone());
        Some(found)
    }

    /// Whether a member is on the machine of an address.
    fn is_at(&self, address: &str, member: &Member) -> bool {
        let expected = host(address);
        let same_name = !member.address.is_empty() && host(&member.address).eq_ignore_ascii_case(expected);
        let Some(ip) = member.ip else { return same_name };
        let same_ip = expected.parse::<IpAddr>().is_ok_and(|expected| expected.to_canonical() == ip);
        same_name || same_ip || self.resolved.get(address).is_some_and(|ips| ips.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(address: &str, ip: &str) -> Member {
        Member {
            id: "spiffe://d/area/a1/agent/c1".parse().unwrap(),
            node: None,
            name: None,
            address: address.to_owned(),
            ip: ip.parse().ok(),
            skew: None,
            trouble: None,
        }
    }

    fn expected(addresses: &[&str]) -> Expected {
        let mut expected = Expected::default();
        expected.expect(addresses.iter().map(|address| (*address).to_owned()).collect());
        expected
    }

    #[test]
    fn a_child_that_is_listed_with_another_port_or_by_its_name_has_come() {
        let mut list =
            expected(&["10.0.0.2:1034", "boat.example.org:1034", "pier.example.org:1", "[2001:db8::1]:1034"]);
        list.resolve("boat.example.org:1034", vec!["10.0.0.3".parse().unwrap()]);
        let mut come = |name: &str, address: &str, ip: &str| list.come(name, &member(address, ip));
        assert_eq!(come("a", "10.0.0.2:8444", "10.0.0.2").as_deref(), Some("10.0.0.2:1034"));
        assert_eq!(come("b", "", "10.0.0.3").as_deref(), Some("boat.example.org:1034"));
        assert_eq!(come("c", "Pier.example.org:8444", "10.0.0.4").as_deref(), Some("pier.example.org:1"));
        assert_eq!(come("d", "", "2001:db8:0::1").as_deref(), Some("[2001:db8::1]:1034"));
        assert_eq!(come("e", "10.0.0.9:8444", "10.0.0.9"), None);
    }

    #[test]
    fn of_several_on_one_machine_each_counts_once_however_often_it_calls() {
        let mut list = expected(&["10.0.0.2:1", "10.0.0.2:2"]);
        assert_eq!(list.come("a", &member("10.0.0.2:2", "10.0.0.2")).as_deref(), Some("10.0.0.2:2"), "the exact one");
        assert_eq!(list.come("a", &member("10.0.0.2:2", "10.0.0.2")), None);
        assert_eq!(list.waiting().collect::<Vec<_>>(), ["10.0.0.2:1"]);
        assert_eq!(list.come("b", &member("10.0.0.2:7", "10.0.0.2")).as_deref(), Some("10.0.0.2:1"));
        list.expect(["10.0.0.2:1".to_owned()].into());
        assert_eq!(list.waiting().count(), 0, "it has come already");
    }
}
