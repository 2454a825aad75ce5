//! Who was heard of lately. The table is bounded, and whoever is heard no more is dropped from it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::choice::{Wanted, rank};
use super::sighting::Sighting;

/// The most agents that are remembered.
pub const MOST: usize = 1024;
/// The most of them that are heard from one address: several may share one, but one shall not fill the table.
pub const MOST_OF_A_SOURCE: usize = 64;
/// The longest time that a sighting may ask to be remembered: mDNS uses 75 minutes.
pub const LONGEST: Duration = Duration::from_secs(75 * 60);

/// Who, by which way, and where: a forger's word of another address does not displace the true one.
type Key = (String, &'static str, Option<String>);

#[derive(Debug, Clone)]
struct Entry {
    sighting: Sighting,
    source: String,
    until: Duration,
}

/// See the module. Times are those of [`crate::time::Clock::elapsed`].
#[derive(Debug, Clone, Default)]
pub struct Sightings {
    entries: BTreeMap<Key, Entry>,
    /// How many were heard from each source.
    sources: BTreeMap<String, usize>,
}

impl Sightings {
    /// Remembers what was heard from a source until so long from now. True where others than the time of hearing changed.
    ///
    /// A full table takes only who is of the wanted area and ranks before the last one in it.
    pub fn hear(
        &mut self,
        sighting: Sighting,
        source: &str,
        holds: Duration,
        now: Duration,
        wanted: &Wanted<'_>,
    ) -> bool {
        let key = (sighting.device.clone(), sighting.by, sighting.address.clone());
        let until = now + holds.min(LONGEST);
        if let Some(known) = self.entries.get_mut(&key) {
            let changed = Sighting { heard: sighting.heard, ..known.sighting.clone() } != sighting;
            (known.sighting, known.until) = (sighting, until);
            return changed;
        }
        if self.sources.get(source).is_some_and(|count| *count >= MOST_OF_A_SOURCE) {
            return false;
        }
        if self.entries.len() >= MOST && !self.make_room(&sighting, wanted) {
            return false;
        }
        *self.sources.entry(source.to_owned()).or_default() += 1;
        self.entries.insert(key, Entry { sighting, source: source.to_owned(), until });
        true
    }

    /// Forgets the last one for somebody of the wanted area who ranks before him. Others are not even compared: a flood
    /// shall cost little.
    fn make_room(&mut self, sighting: &Sighting, wanted: &Wanted<'_>) -> bool {
        if wanted.area.is_none() || sighting.area.as_deref() != wanted.area {
            return false;
        }
        let last = self.entries.iter().max_by_key(|(_, entry)| rank(&entry.sighting, wanted));
        let Some((last, entry)) = last else { return false };
        if rank(sighting, wanted) >= rank(&entry.sighting, wanted) {
            return false;
        }
        let last = last.clone();
        self.keep(|key, _| *key != last);
        true
    }

    /// Keeps only these. True where somebody was forgotten.
    fn keep(&mut self, stays: impl Fn(&Key, &Entry) -> bool) -> bool {
        let (before, sources) = (self.entries.len(), &mut self.sources);
        self.entries.retain(|key, entry| {
            let stays = stays(key, entry);
            if !stays && let Some(count) = sources.get_mut(&entry.source) {
                *count -= 1;
                if *count == 0 {
                    sources.remove(&entry.source);
                }
            }
            stays
        });
        self.entries.len() != before
    }

    /// Forgets who takes leave. True where he was known.
    pub fn farewell(&mut self, device: &str, by: &'static str, address: Option<&str>) -> bool {
        let gone = (device.to_owned(), by, address.map(str::to_owned));
        self.entries.contains_key(&gone) && self.keep(|key, _| *key != gone)
    }

    /// Forgets everybody of that name who was heard by a way: for ways that tell a farewell by the name alone.
    pub fn farewell_of_name(&mut self, by: &'static str, is_he: impl Fn(&str) -> bool) -> bool {
        self.keep(|(device, way, _), _| *way != by || !is_he(device))
    }

    /// Forgets whoever is heard no more. True where somebody was forgotten.
    pub fn expire(&mut self, now: Duration) -> bool {
        self.keep(|_, entry| entry.until > now)
    }

    /// When somebody must be forgotten next, unless he is heard again.
    #[must_use]
    pub fn next_end(&self) -> Option<Duration> {
        self.entries.values().map(|entry| entry.until).min()
    }

    /// Everybody, the best first.
    #[must_use]
    pub fn list(&self, wanted: &Wanted<'_>) -> Vec<Sighting> {
        let mut list: Vec<Sighting> = self.entries.values().map(|entry| entry.sighting.clone()).collect();
        list.sort_by(|a, b| rank(a, wanted).cmp(&rank(b, wanted)));
        list
    }

    /// Addresses at which an agent says that it takes links, in the order of the text.
    pub fn addresses_of<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a str> {
        let his = self.entries.values().filter(move |entry| entry.sighting.device.eq_ignore_ascii_case(device));
        his.filter_map(|entry| entry.sighting.address.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::area::beacon::{Beacon, Role};
    use crate::time::Timestamp;

    const S: Duration = Duration::from_secs(1);

    fn leader(device: &str, address: &str) -> Sighting {
        let beacon = Beacon { role: Some(Role::Leader), ..Beacon::default() }.of_device(device);
        Sighting::of(&beacon, Some(address.to_owned()), "beacon", Timestamp::default()).unwrap()
    }

    fn hear(table: &mut Sightings, sighting: Sighting, source: &str, now: u32) -> bool {
        table.hear(sighting, source, 4 * S, now * S, &Wanted::default())
    }

    #[test]
    fn who_is_heard_no_more_is_forgotten_after_what_he_said_that_it_holds() {
        let mut table = Sightings::default();
        assert!(hear(&mut table, leader("aa", "h:1"), "h", 0));
        assert!(!hear(&mut table, leader("aa", "h:1"), "h", 1), "nothing new");
        assert!(!table.expire(4 * S) && table.next_end() == Some(5 * S));
        assert!(table.expire(5 * S) && table.list(&Wanted::default()).is_empty());
    }

    #[test]
    fn a_farewell_counts_for_its_own_address_only() {
        let mut table = Sightings::default();
        hear(&mut table, leader("aa", "h:1"), "h", 0);
        assert!(!table.farewell("aa", "beacon", Some("evil:1")));
        assert!(table.farewell("aa", "beacon", Some("h:1")));
    }

    #[test]
    fn another_address_of_the_same_name_stands_beside_the_first() {
        let mut table = Sightings::default();
        hear(&mut table, leader("aa", "h:1"), "h", 0);
        hear(&mut table, Sighting { term: 99, ..leader("aa", "evil:1") }, "evil", 0);
        assert_eq!(table.addresses_of("AA").collect::<Vec<_>>(), ["evil:1", "h:1"]);
    }

    #[test]
    fn one_source_fills_its_share_and_a_full_table_takes_who_is_better() {
        let mut table = Sightings::default();
        for number in 0..10_000u32 {
            hear(&mut table, leader(&format!("{number:08x}"), "h:1"), "flood", 0);
        }
        assert_eq!(table.entries.len(), MOST_OF_A_SOURCE);
        for number in 0..10_000u32 {
            hear(&mut table, leader(&format!("{number:08x}"), "h:2"), &format!("source {number}"), 0);
        }
        assert_eq!(table.entries.len(), MOST);
        let wanted = Wanted { area: Some("a1"), ..Wanted::default() };
        let own = Sighting { area: Some("a1".to_owned()), ..leader("ff", "h:3") };
        assert!(table.hear(own, "late", 4 * S, S, &wanted));
        assert_eq!((table.entries.len(), table.list(&wanted)[0].device.as_str()), (MOST, "ff"));
    }

    proptest! {
        #[test]
        fn the_table_never_grows_past_its_bound_and_nothing_stays_past_its_end(
            heard in proptest::collection::vec((0u8..40, 0u8..4, 0u16..200), 0..300)) {
            let mut table = Sightings::default();
            let mut now = Duration::ZERO;
            for (device, source, pause) in heard {
                now += Duration::from_millis(pause.into());
                let sighting = leader(&format!("{device:02x}"), &format!("h:{source}"));
                table.hear(sighting, &source.to_string(), 4 * S, now, &Wanted::default());
                table.expire(now);
                prop_assert_eq!(table.sources.values().sum::<usize>(), table.entries.len());
                prop_assert!(table.entries.len() <= MOST && table.next_end().is_none_or(|end| end > now && end <= now + 4 * S));
            }
        }
    }
}
