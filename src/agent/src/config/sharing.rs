//! `[sharing]`: what this device lends to the area until its owner says something else.

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::settings::Config;

/// `[sharing]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sharing {
    /// Whether the device runs services for others.
    pub contributor: bool,
    /// Whether it uses the services of the area.
    pub consumer: bool,
    /// The most services at one time.
    pub max_apps: u32,
    /// The most processor time for others, in percent.
    pub max_cpu: u32,
    /// The same of main memory.
    pub max_memory: u32,
    /// The same of disk space.
    pub max_storage: u32,
    /// The same of network bandwidth.
    pub max_bandwidth: u32,
    /// The charge of the battery, in percent, below which nothing runs for others.
    pub battery_limit: u32,
    /// Whether the position may be used.
    pub gps_allowed: bool,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            contributor: true,
            consumer: true,
            max_apps: 100,
            max_cpu: 80,
            max_memory: 80,
            max_storage: 80,
            max_bandwidth: 80,
            battery_limit: 20,
            gps_allowed: false,
        }
    }
}

impl Sharing {
    /// What the inventory is told.
    #[must_use]
    pub const fn settings(&self) -> mf2c_actors::sharing::Sharing {
        mf2c_actors::sharing::Sharing {
            contributor: self.contributor,
            consumer: self.consumer,
            max_apps: self.max_apps,
            max_cpu: self.max_cpu,
            max_memory: self.max_memory,
            max_storage: self.max_storage,
            max_bandwidth: self.max_bandwidth,
            battery_limit: self.battery_limit,
            gps_allowed: self.gps_allowed,
        }
    }
}

impl Check<'_> {
    pub(super) fn sharing(&mut self, config: &Config) {
        let sharing = &config.sharing;
        self.range("sharing.max_apps", sharing.max_apps, 1, 1_000_000);
        // The documents know no 0: who lends nothing is no contributor.
        for (key, percent) in [
            ("sharing.max_cpu", sharing.max_cpu),
            ("sharing.max_memory", sharing.max_memory),
            ("sharing.max_storage", sharing.max_storage),
            ("sharing.max_bandwidth", sharing.max_bandwidth),
            ("sharing.battery_limit", sharing.battery_limit),
        ] {
            self.range(key, percent, 1, 100);
        }
    }
}
