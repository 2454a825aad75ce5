//! What one leader's authority leaves to the next: which certificates hold or are revoked, and what devices were admitted as.
//! The documents of certificates do not travel, so this is all that a successor knows of those that it did not issue.

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::Serial;
use serde::{Deserialize, Serialize};

use super::register::{Entry, Issuer, Register, Standing};

/// What a device may cost in JSON besides its names, in bytes.
const DEVICE: usize = 256;
/// What a certificate may cost in JSON besides the name of its user, in bytes.
const CERTIFICATE: usize = 144;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Heritage {
    #[serde(default)]
    devices: Vec<Device>,
    /// Revoked certificates of which no more is known.
    #[serde(default)]
    others: Vec<Certificate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admitted: Option<Admitted>,
    certificates: Vec<Certificate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Admitted {
    since: i64,
    role: MemberRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leads: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

/// Instants are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    serial: String,
    until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
}

impl Certificate {
    fn of(serial: &Serial, entry: &Entry) -> Self {
        Self {
            serial: serial.to_string(),
            until: millis(entry.until),
            user: entry.user.as_deref().map(str::to_owned),
            revoked: entry.revoked.map(millis),
        }
    }

    fn cost(&self) -> usize {
        CERTIFICATE + self.user.as_ref().map_or(0, String::len)
    }
}

impl Heritage {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty() && self.others.is_empty()
    }

    /// What `register` knows of the area's own certificates that have not ended, in at most about `most` bytes of JSON: what is
    /// revoked first, then what agents hold, then what users do. Second, whether something was left out.
    pub(super) fn of(register: &Register, now: Timestamp, most: usize) -> (Self, bool) {
        let mut heritage = Self::default();
        let (mut cost, mut short) = (0, false);
        for (device, standing) in register.admitted() {
            let admitted = standing.map(Admitted::of);
            let names = admitted.iter().flat_map(|it| &it.names).map(|name| name.len() + 4).sum::<usize>();
            cost += DEVICE + names;
            heritage.devices.push(Device { device: device.to_owned(), admitted, certificates: vec![] });
        }
        let rank = |entry: &Entry| match (entry.revoked, &entry.user) {
            (Some(_), _) => 0,
            (None, None) => 1,
            (None, Some(_)) => 2,
        };
        let held = register.all().filter(|(_, entry)| entry.issuer == Issuer::Area && now < entry.until);
        let mut all: Vec<_> = held.map(|(serial, entry)| (rank(entry), serial, entry)).collect();
        all.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        for (_, serial, entry) in all {
            let certificate = Certificate::of(serial, entry);
            if cost + certificate.cost() > most {
                short = true;
                continue;
            }
            cost += certificate.cost();
            let device = entry.device.as_deref();
            let at = device.and_then(|name| heritage.devices.binary_search_by(|it| it.device.as_str().cmp(name)).ok());
            match at.and_then(|at| heritage.devices.get_mut(at)) {
                Some(device) => device.certificates.push(certificate),
                None => heritage.others.push(certificate),
            }
        }
        heritage.devices.retain(|device| !device.certificates.is_empty());
        (heritage, short)
    }

    /// Tells a register what it does not know yet.
    pub(super) fn teach(&self, register: &mut Register, now: Timestamp) {
        for device in &self.devices {
            for certificate in &device.certificates {
                insert(register, Some(&device.device), certificate, now);
            }
            if let Some(admitted) = &device.admitted {
                register.admit(&device.device, admitted.standing());
            }
        }
        self.others.iter().for_each(|certificate| insert(register, None, certificate, now));
    }

    /// Takes note that one of these certificates is revoked, or no longer; whether it is one of them.
    pub(super) fn set_revoked(&mut self, serial: &Serial, at: Option<Timestamp>) -> bool {
        let serial = serial.to_string();
        let own = self.devices.iter_mut().flat_map(|device| &mut device.certificates).chain(&mut self.others);
        let mut found = own.filter(|certificate| certificate.serial == serial).peekable();
        let is_here = found.peek().is_some();
        found.for_each(|certificate| certificate.revoked = at.map(millis));
        is_here
    }

    /// Takes note of a revoked certificate of which no more is known; until when it is remembered.
    pub(super) fn add_revoked(&mut self, serial: &Serial, at: Timestamp, until: Timestamp) {
        let revoked = Some(millis(at));
        self.others.push(Certificate { serial: serial.to_string(), until: millis(until), user: None, revoked });
    }

    /// Forgets what has ended.
    pub(super) fn forget_ended(&mut self, now: Timestamp) {
        let now = millis(now);
        for device in &mut self.devices {
            device.certificates.retain(|certificate| now < certificate.until);
        }
        self.devices.retain(|device| !device.certificates.is_empty());
        self.others.retain(|certificate| now < certificate.until);
    }
}

impl Admitted {
    fn of(standing: &Standing) -> Self {
        let Standing { since, role, leads, names } = standing.clone();
        Self { since: millis(since), role, leads, names }
    }

    fn standing(&self) -> Standing {
        let Self { since, role, leads, names } = self.clone();
        Standing { since: Timestamp::from_millis(since), role, leads, names }
    }
}

fn insert(register: &mut Register, device: Option<&str>, certificate: &Certificate, now: Timestamp) {
    let Ok(serial) = certificate.serial.parse::<Serial>() else { return };
    let until = Timestamp::from_millis(certificate.until);
    let revoked = certificate.revoked.map(Timestamp::from_millis);
    match register.get(&serial) {
        // What was revoked anywhere stays revoked.
        Some(known) if known.revoked.is_none() && revoked.is_some() => register.set_revoked(&serial, revoked),
        Some(_) => {}
        None if now < until => {
            let user = certificate.user.as_deref().map(Into::into);
            let entry = Entry { issuer: Issuer::Area, device: device.map(Into::into), user, until, revoked };
            register.insert(serial, entry);
        }
        None => {}
    }
}

fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn register() -> Register {
        let mut register = Register::default();
        for (byte, device, user, issuer) in [
            (1, "d1", None, Issuer::Area),
            (2, "d1", Some("jane"), Issuer::Area),
            (3, "d2", None, Issuer::Area),
            (4, "d2", None, Issuer::Root),
        ] {
            let (device, user) = (Some(device.into()), user.map(Into::into));
            let entry = Entry { issuer, device, user, until: at(100), revoked: None };
            register.insert(Serial::from_bytes(&[byte]), entry);
        }
        register.set_revoked(&Serial::from_bytes(&[2]), Some(at(5)));
        let names = vec!["host.example".to_owned()];
        register.admit("d1", Standing { since: at(1), role: MemberRole::Agent, leads: None, names });
        register
    }

    #[test]
    fn what_is_left_is_taught_whole() {
        let (heritage, short) = Heritage::of(&register(), at(10), 1 << 20);
        assert!(!short);
        let read: Heritage = serde_json::from_slice(&serde_json::to_vec(&heritage).unwrap()).unwrap();
        assert_eq!(read, heritage);
        let mut other = Register::default();
        read.teach(&mut other, at(10));
        assert_eq!(other.standing("d1"), register().standing("d1"));
        assert_eq!(other.valid_of_device("d1", at(10)), [Serial::from_bytes(&[1])]);
        assert_eq!(other.revoked(Issuer::Area, at(10)), [(Serial::from_bytes(&[2]), at(5))]);
        assert_eq!(other.len(), 3, "what the root has issued is not for a successor");
        assert!(Heritage::of(&register(), at(100), 1 << 20).0.is_empty(), "what has ended is not left");
    }

    #[test]
    fn where_not_all_fits_what_is_revoked_comes_first() {
        let (heritage, short) = Heritage::of(&register(), at(10), 2 * DEVICE + CERTIFICATE + 40);
        assert!(short);
        let mut other = Register::default();
        heritage.teach(&mut other, at(10));
        assert_eq!((other.len(), other.revoked(Issuer::Area, at(10)).len()), (1, 1));
        let cost = serde_json::to_vec(&Heritage::of(&register(), at(10), usize::MAX).0).unwrap().len();
        assert!(cost < 2 * DEVICE + 3 * CERTIFICATE, "{cost}");
    }

    #[test]
    fn a_revocation_is_noted_and_never_taken_back_by_an_older_heritage() {
        let (mut heritage, _) = Heritage::of(&register(), at(10), 1 << 20);
        let older = heritage.clone();
        assert!(heritage.set_revoked(&Serial::from_bytes(&[1]), Some(at(11))));
        assert!(!heritage.set_revoked(&Serial::from_bytes(&[9]), Some(at(11))));
        heritage.add_revoked(&Serial::from_bytes(&[9]), at(11), at(50));
        let mut register = Register::default();
        heritage.teach(&mut register, at(12));
        older.teach(&mut register, at(12));
        assert_eq!(register.revoked(Issuer::Area, at(12)).len(), 3);
        heritage.forget_ended(at(60));
        assert_eq!(heritage.others, []);
        heritage.forget_ended(at(100));
        assert!(heritage.is_empty());
    }
}
