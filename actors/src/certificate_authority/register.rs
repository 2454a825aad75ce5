//! What has been issued and not yet forgotten, by serial number, device and user. In memory: revoking and renewing look
//! here, so that no certificate slips past a revocation while its document is on the way to the disk.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::Serial;

/// Who signed it, as far as revocation lists are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issuer {
    /// The root.
    Root,
    /// The area's authority.
    Area,
    /// Another door, which has no list.
    Other,
}

/// One certificate.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) issuer: Issuer,
    pub(super) device: Option<Box<str>>,
    pub(super) user: Option<Box<str>>,
    pub(super) until: Timestamp,
    pub(super) revoked: Option<Timestamp>,
}

/// What a device was admitted as, from the newest of its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) since: Timestamp,
    pub(super) role: MemberRole,
    /// The area that it leads.
    pub(super) leads: Option<String>,
    /// Host names and addresses that its certificate holds besides.
    pub(super) names: Vec<String>,
}

#[derive(Debug, Default)]
struct Device {
    serials: Vec<Serial>,
    standing: Option<Standing>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Register {
    entries: HashMap<Serial, Entry>,
    devices: BTreeMap<Box<str>, Device>,
    users: BTreeMap<Box<str>, Vec<Serial>>,
}

impl Register {
    pub(super) fn insert(&mut self, serial: Serial, entry: Entry) {
        if let Some(device) = &entry.device {
            self.devices.entry(device.clone()).or_default().serials.push(serial.clone());
        }
        if let Some(user) = &entry.user {
            self.users.entry(user.clone()).or_default().push(serial.clone());
        }
        self.entries.insert(serial, entry);
    }

    pub(super) fn remove(&mut self, serial: &Serial) {
        let Some(entry) = self.entries.remove(serial) else { return };
        if let Some(name) = &entry.device
            && let Some(device) = self.devices.get_mut(name)
        {
            device.serials.retain(|other| other != serial);
            if device.serials.is_empty() {
                self.devices.remove(name);
            }
        }
        if let Some(name) = &entry.user
            && let Some(serials) = self.users.get_mut(name)
        {
            serials.retain(|other| other != serial);
            if serials.is_empty() {
                self.users.remove(name);
            }
        }
    }

    pub(super) fn get(&self, serial: &Serial) -> Option<&Entry> {
        self.entries.get(serial)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All that are remembered, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Serial, &Entry)> {
        self.entries.iter()
    }

    /// All devices by name, and what they were admitted as.
    pub(super) fn admitted(&self) -> impl Iterator<Item = (&str, Option<&Standing>)> {
        self.devices.iter().map(|(name, device)| (&**name, device.standing.as_ref()))
    }

    /// Remembers what a device was admitted as, unless something newer is known.
    pub(super) fn admit(&mut self, device: &str, standing: Standing) {
        let Some(known) = self.devices.get_mut(device) else { return };
        if known.standing.as_ref().is_none_or(|old| old.since <= standing.since) {
            known.standing = Some(standing);
        }
    }

    pub(super) fn standing(&self, device: &str) -> Option<&Standing> {
        self.devices.get(device)?.standing.as_ref()
    }

    /// Whether anything was issued for this device, or is about to be.
    pub(super) fn knows(&self, device: &str) -> bool {
        self.devices.contains_key(device)
    }

    /// Whether a device is known whose identifier begins so, as common names do.
    pub(super) fn knows_like(&self, beginning: &str) -> Option<&str> {
        let mut behind = self.devices.range::<str, _>((Bound::Included(beginning), Bound::Unbounded));
        behind.next().map(|(device, _)| &**device).filter(|device| device.starts_with(beginning))
    }

    /// The device that leads an area below this one, as long as one of its certificates holds.
    pub(super) fn leader_of(&self, area: &str, now: Timestamp) -> Option<&str> {
        let leads = |device: &Device| device.standing.as_ref().is_some_and(|it| it.leads.as_deref() == Some(area));
        let mut leaders = self.devices.iter().filter(|(_, device)| leads(device)).map(|(name, _)| &**name);
        leaders.find(|device| !self.valid_of_device(device, now).is_empty())
    }

    /// Those that hold now: neither revoked nor past their end.
    pub(super) fn valid_of_device(&self, device: &str, now: Timestamp) -> Vec<Serial> {
        self.valid(self.devices.get(device).map(|device| &device.serials), now)
    }

    /// How many hold now, of the users of this device or of the agent itself.
    pub(super) fn count_of_device(&self, device: &str, of_users: bool, now: Timestamp) -> usize {
        let same = |serial: &&Serial| self.get(serial).is_some_and(|entry| entry.user.is_some() == of_users);
        self.valid_of_device(device, now).iter().filter(same).count()
    }

    /// Those of the agent itself, not of its users, that hold now, or could be renewed with a proof of their key because
    /// they ended no longer ago than `grace`.
    pub(super) fn renewable_of_device(&self, device: &str, now: Timestamp, grace: Duration) -> Vec<Serial> {
        let of_agent = |serial: &Serial| self.get(serial).is_some_and(|entry| entry.is_of_agent());
        let ended = Timestamp::from_nanos(now.nanos() - i128::try_from(grace.as_nanos()).unwrap_or_default());
        let mut serials = self.valid_of_device(device, ended);
        serials.retain(of_agent);
        serials
    }

    /// Whether a certificate of the agent of this device was revoked that ends at this instant or later.
    pub(super) fn was_revoked_since(&self, device: &str, until: Timestamp) -> bool {
        let mut serials = self.devices.get(device).into_iter().flat_map(|device| &device.serials);
        serials.any(|serial| {
            self.get(serial).is_some_and(|one| one.is_of_agent() && one.revoked.is_some() && one.until >= until)
        })
    }

    pub(super) fn valid_of_user(&self, user: &str, now: Timestamp) -> Vec<Serial> {
        self.valid(self.users.get(user), now)
    }

    fn valid(&self, serials: Option<&Vec<Serial>>, now: Timestamp) -> Vec<Serial> {
        let holds = |serial: &&Serial| self.get(serial).is_some_and(|entry| entry.holds(now));
        serials.into_iter().flatten().filter(holds).cloned().collect()
    }

    pub(super) fn set_revoked(&mut self, serial: &Serial, at: Option<Timestamp>) {
        if let Some(entry) = self.entries.get_mut(serial) {
            entry.revoked = at;
        }
    }

    /// What stands in the list of an issuer: what was revoked and would hold otherwise, by serial number.
    pub(super) fn revoked(&self, issuer: Issuer, now: Timestamp) -> Vec<(Serial, Timestamp)> {
        let listed = |entry: &Entry| entry.revoked.filter(|_| entry.issuer == issuer && now < entry.until);
        let mut list: Vec<_> =
            self.entries.iter().filter_map(|(serial, entry)| Some((serial.clone(), listed(entry)?))).collect();
        list.sort();
        list
    }

    /// How many hold, and how many would if they were not revoked.
    pub(super) fn counts(&self, now: Timestamp) -> (u64, u64) {
        let count = |(valid, revoked), entry: &Entry| match entry.revoked {
            _ if now >= entry.until => (valid, revoked),
            None => (valid + 1, revoked),
            Some(_) => (valid, revoked + 1),
        };
        self.entries.values().fold((0, 0), count)
    }

    /// Some that ended before an instant, at most so many.
    pub(super) fn ended_before(&self, instant: Timestamp, most: usize) -> Vec<Serial> {
        let ended = self.entries.iter().filter(|(_, entry)| entry.until < instant);
        ended.take(most).map(|(serial, _)| serial.clone()).collect()
    }
}

impl Entry {
    /// Whether it is one that an agent shows on links.
    pub(super) fn is_of_agent(&self) -> bool {
        self.issuer == Issuer::Area && self.user.is_none()
    }

    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(byte: u8) -> Serial {
        Serial::from_bytes(&[byte])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn entry(device: &str, until: i64) -> Entry {
        Entry { issuer: Issuer::Area, device: Some(device.into()), user: None, until: at(until), revoked: None }
    }

    fn standing(since: i64, names: &[&str]) -> Standing {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Standing { since: at(since), role: MemberRole::Agent, leads: None, names }
    }

    #[test]
    fn a_device_is_known_as_long_as_one_of_its_certificates_is_remembered() {
        let mut register = Register::default();
        register.insert(serial(1), entry("d1", 10));
        register.insert(serial(2), entry("d1", 20));
        register.remove(&serial(1));
        assert!(register.knows("d1"));
        register.remove(&serial(2));
        assert!(!register.knows("d1") && register.len() == 0);
    }

    #[test]
    fn the_newest_certificate_says_what_a_device_is() {
        let mut register = Register::default();
        register.insert(serial(1), entry("d1", 10));
        register.admit("d1", standing(5, &["new"]));
        register.admit("d1", standing(3, &["old"]));
        assert_eq!(register.standing("d1").unwrap().names, ["new"]);
        register.admit("d2", standing(5, &[]));
        assert_eq!(register.standing("d2"), None, "nothing was issued for it");
    }

    #[test]
    fn a_list_holds_what_was_revoked_and_has_not_ended() {
        let mut register = Register::default();
        for byte in 1..=4 {
            register.insert(serial(byte), entry("d1", i64::from(byte) * 10));
        }
        register.insert(serial(5), Entry { issuer: Issuer::Root, ..entry("d1", 100) });
        for byte in [1, 2, 4, 5] {
            register.set_revoked(&serial(byte), Some(at(1)));
        }
        assert_eq!(register.revoked(Issuer::Area, at(15)), [(serial(2), at(1)), (serial(4), at(1))]);
        assert_eq!(register.revoked(Issuer::Root, at(15)), [(serial(5), at(1))]);
        assert_eq!(register.valid_of_device("d1", at(15)), [serial(3)]);
        assert_eq!(register.counts(at(15)), (1, 3));
        assert_eq!(register.ended_before(at(11), 10), [serial(1)]);
    }

    #[test]
    fn the_beginning_of_an_identifier_finds_its_device() {
        let mut register = Register::default();
        register.insert(serial(1), entry("abcdef", 10));
        assert_eq!(register.knows_like("abc"), Some("abcdef"));
        assert_eq!(register.knows_like("abd"), None);
        assert_eq!(register.knows_like("abcdefg"), None);
    }
}
