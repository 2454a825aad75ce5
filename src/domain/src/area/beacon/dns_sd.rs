//! A beacon as the text records of a service of DNS-SD (RFC 6763, 6): `v`, `id`, `area`, `role`, `term`, `fp`, `st`, `rw` and
//! `ur`. Port and host stand in the service's own record.

use super::{Beacon, Level, Role, Service};
use crate::area::spiffe::{check_area, check_device};
use crate::area::token::{hex, unhex};

/// The kind of service that agents are.
pub const SERVICE: &str = "_mf2c._tcp.local.";
/// The longest text record: one byte tells its length (RFC 6763, 6.1).
const LONGEST: usize = 255;
/// The most records that are read; we write nine.
const MOST: usize = 32;
/// The version of what the records say.
const VERSION: &str = "1";

/// The name of an agent's service: the beginning of its `deviceID`, for a name has at most 63 bytes.
#[must_use]
pub fn instance(device: &str) -> String {
    device.chars().take(32).collect()
}

/// The records, key and value. What is not known is left out.
#[must_use]
pub fn to_records(beacon: &Beacon) -> Vec<(&'static str, String)> {
    let given = [
        ("v", Some(VERSION.to_owned())),
        ("id", beacon.device()),
        ("area", beacon.area.clone()),
        ("role", beacon.role.map(|role| role.as_str().to_owned())),
        ("term", beacon.term.map(|term| term.to_string())),
        ("fp", beacon.root.map(|root| hex(&root))),
        ("st", beacon.service.map(|service| service.number().to_string())),
        ("rw", beacon.reward.map(|reward| reward.to_string())),
        ("ur", beacon.urgency.map(|urgency| urgency.number().to_string())),
    ];
    given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Reads records. Keys are the same in capitals, and the first of two counts (RFC 6763, 6.4); what means nothing is passed
/// over. None where they are of another version, or name no device.
pub fn from_records<'a>(records: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Beacon> {
    let records: Vec<(&str, &str)> =
        records.into_iter().take(MOST).filter(|(key, value)| key.len() + value.len() < LONGEST).collect();
    let find = |wanted: &str| records.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value);
    let number = |wanted: &str| find(wanted)?.parse::<u8>().ok();
    if find("v") != Some(VERSION) {
        return None;
    }
    let device = find("id").filter(|id| check_device(id).is_ok())?;
    let beacon = Beacon {
        service: number("st").and_then(Service::of),
        reward: number("rw"),
        urgency: number("ur").and_then(Level::of),
        term: find("term").and_then(|term| term.parse().ok()),
        area: find("area").filter(|area| check_area(area).is_ok()).map(str::to_owned),
        root: find("fp").and_then(unhex),
        role: find("role").and_then(Role::of_word),
        ..Beacon::default()
    };
    Some(beacon.of_device(device))
}
