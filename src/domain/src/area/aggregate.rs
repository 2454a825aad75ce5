//! What the devices of an area come to: the attributes of a `fog-area`, kept up as devices come, change and go.
//!
//! Everything is counted in whole numbers (bytes, thousandths of a percent), so that sums do not depend on the order in
//! which devices came: what is kept up is the same, to the byte, as what a recount of all devices gives. One device changes
//! in a time that grows with the logarithm of their number.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Bytes in a MiB, the unit of the documents.
const MIB: f64 = 1_048_576.0;
/// More than this no device has, in bytes. It keeps sums of many devices exact.
const MOST_BYTES: f64 = (1_u64 << 60) as f64;
/// The text of a device without a battery, and of an area that has one of these.
const UNLIMITED: &str = "unlimited";
/// The text of an area none of whose devices knows its power.
const UNKNOWN: &str = "unknown";

/// What a `device` document says that counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFacts {
    #[serde(default)]
    memory: f64,
    #[serde(default)]
    storage: f64,
    #[serde(default)]
    physical_cores: u64,
    #[serde(default)]
    logical_cores: u64,
}

/// What a `device-dynamic` document says that counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicFacts {
    #[serde(default)]
    device: Href,
    #[serde(default)]
    cpu_free_percent: f64,
    #[serde(default)]
    power_remaining_status: String,
    #[serde(default)]
    status: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
struct Href {
    #[serde(default)]
    href: String,
}

impl DeviceFacts {
    /// Reads a `device`; none where it is no such document.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

impl DynamicFacts {
    /// Reads a `device-dynamic`; none where it is no such document.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The id of the device that it is about.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device.href
    }

    /// Whether the device can be reached, as the document has it.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }
}

/// What one device adds to its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution {
    /// Main memory, in bytes.
    memory: u64,
    /// Disk space, in bytes.
    storage: u64,
    /// Idle processor time, in thousandths of a percent.
    idle: u64,
    physical_cores: u64,
    logical_cores: u64,
    power: Option<Power>,
}

/// How much power is left: more is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    /// Of a battery, in thousandths of a percent.
    Left(u64),
    /// On mains.
    Unlimited,
}

impl Contribution {
    /// What a device adds that is described by these two documents.
    #[must_use]
    pub fn of(device: &DeviceFacts, dynamic: &DynamicFacts) -> Self {
        Self {
            memory: bytes(device.memory),
            storage: bytes(device.storage),
            idle: thousandths(dynamic.cpu_free_percent),
            // Where the number is not known, there is one all the same.
            physical_cores: device.physical_cores.clamp(1, u64::from(u32::MAX)),
            logical_cores: device.logical_cores.clamp(1, u64::from(u32::MAX)),
            power: Power::read(&dynamic.power_remaining_status),
        }
    }
}

impl Power {
    /// Reads `unlimited` or a percentage, with or without its sign; none where it is another word, as `unknown`.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(UNLIMITED) {
            return Some(Self::Unlimited);
        }
        let percent: f64 = text.strip_suffix('%').unwrap_or(text).trim_end().parse().ok()?;
        percent.is_finite().then(|| Self::Left(thousandths(percent)))
    }

    fn text(power: Option<Self>) -> String {
        match power {
            Some(Self::Left(left)) => percent(left).to_string(),
            Some(Self::Unlimited) => UNLIMITED.to_owned(),
            None => UNKNOWN.to_owned(),
        }
    }
}

/// MiB as whole bytes. What is no number of bytes counts as none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was brought into range")]
fn bytes(mib: f64) -> u64 {
    (mib * MIB).round().clamp(0.0, MOST_BYTES) as u64
}

/// A percentage in whole thousandths, from 0 to 100 %.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was brought into range")]
fn thousandths(percent: f64) -> u64 {
    (percent * 1000.0).round().clamp(0.0, 100_000.0) as u64
}

#[expect(clippy::cast_precision_loss, reason = "the nearest number that JSON readers have")]
fn mib(bytes: u128) -> f64 {
    bytes as f64 / MIB
}

#[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
fn percent(thousandths: u64) -> f64 {
    thousandths as f64 / 1000.0
}

/// Values of which the sum, the least and the greatest are always known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Measure<T> {
    sum: u128,
    /// How often each value is there.
    values: BTreeMap<T, u64>,
}

impl<T> Default for Measure<T> {
    fn default() -> Self {
        Self { sum: 0, values: BTreeMap::new() }
    }
}

impl<T: Ord + Copy> Measure<T> {
    fn count_in(&mut self, value: T) {
        *self.values.entry(value).or_default() += 1;
    }

    fn count_out(&mut self, value: T) {
        if let Some(times) = self.values.get_mut(&value) {
            *times -= 1;
            if *times == 0 {
                self.values.remove(&value);
            }
        }
    }

    fn least(&self) -> Option<T> {
        self.values.keys().next().copied()
    }

    fn greatest(&self) -> Option<T> {
        self.values.keys().next_back().copied()
    }
}

impl Measure<u64> {
    fn add(&mut self, value: u64) {
        self.sum += u128::from(value);
        self.count_in(value);
    }

    fn remove(&mut self, value: u64) {
        self.sum -= u128::from(value);
        self.count_out(value);
    }

    /// The mean, rounded to the nearest whole number, of so many values.
    fn mean(&self, count: usize) -> u64 {
        let count = count.max(1) as u128;
        u64::try_from((self.sum + count / 2) / count).unwrap_or(u64::MAX)
    }

    fn least_value(&self) -> u64 {
        self.least().unwrap_or_default()
    }

    fn greatest_value(&self) -> u64 {
        self.greatest().unwrap_or_default()
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    parts: BTreeMap<String, Contribution>,
    memory: Measure<u64>,
    storage: Measure<u64>,
    idle: Measure<u64>,
    physical_cores: Measure<u64>,
    logical_cores: Measure<u64>,
    power: Measure<Power>,
}

impl Aggregate {
    /// What `device` adds from now on; none where it is no more.
    pub fn set(&mut self, device: &str, contribution: Option<Contribution>) {
        let old = match contribution {
            Some(new) if self.parts.get(device) == Some(&new) => return,
            Some(new) => {
                self.add(new);
                self.parts.insert(device.to_owned(), new)
            }
            None => self.parts.remove(device),
        };
        if let Some(old) = old {
            self.remove(old);
        }
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The numbers of a `fog-area`; none where there is no device.
    #[must_use]
    pub fn attributes(&self) -> Option<Map<String, Value>> {
        let devices = self.parts.len();
        let least = |measure: &Measure<u64>| mib(u128::from(measure.least_value()));
        let greatest = |measure: &Measure<u64>| mib(u128::from(measure.greatest_value()));
        let all = json!({
            "numDevices": devices,
            "ramTotal": mib(self.memory.sum),
            "ramMax": greatest(&self.memory),
            "ramMin": least(&self.memory),
            "storageTotal": mib(self.storage.sum),
            "storageMax": greatest(&self.storage),
            "storageMin": least(&self.storage),
            "avgProcessingCapacityPercent": percent(self.idle.mean(devices)),
            "cpuMaxPercent": percent(self.idle.greatest_value()),
            "cpuMinPercent": percent(self.idle.least_value()),
            "avgPhysicalCores": self.physical_cores.mean(devices),
            "physicalCoresMax": self.physical_cores.greatest_value(),
            "physicalCoresMin": self.physical_cores.least_value(),
            "avgLogicalCores": self.logical_cores.mean(devices),
            "logicalCoresMax": self.logical_cores.greatest_value(),
            "logicalCoresMin": self.logical_cores.least_value(),
            "powerRemainingMax": Power::text(self.power.greatest()),
            "powerRemainingMin": Power::text(self.power.least()),
        });
        match all {
            Value::Object(all) if devices > 0 => Some(all),
            _ => None,
        }
    }

    fn add(&mut self, part: Contribution) {
        self.memory.add(part.memory);
        self.storage.add(part.storage);
        self.idle.add(part.idle);
        self.physical_cores.add(part.physical_cores);
        self.logical_cores.add(part.logical_cores);
        if let Some(power) = part.power {
            self.power.count_in(power);
        }
    }

    fn remove(&mut self, part: Contribution) {
        self.memory.remove(part.memory);
        self.storage.remove(part.storage);
        self.idle.remove(part.idle);
        self.physical_cores.remove(part.physical_cores);
        self.logical_cores.remove(part.logical_cores);
        if let Some(power) = part.power {
            self.power.count_out(power);
        }
    }
}

impl<'a> FromIterator<(&'a str, Contribution)> for Aggregate {
    /// A recount.
    fn from_iter<I: IntoIterator<Item = (&'a str, Contribution)>>(parts: I) -> Self {
        let mut all = Self::default();
        for (device, part) in parts {
            all.set(device, Some(part));
        }
        all
    }
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
