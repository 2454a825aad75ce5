//! `[deter]`: DETER's testbed API.

use mf2c_facade::deter::DeterSettings;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;

const HOUR: u64 = 3600;

/// `[deter]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deter {
    /// Where the services listen, if at all; the original's port is 52323.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// How long somebody who has signed in stays so, and how long the certificate holds that he is given.
    pub session_life: HumanDuration,
}

impl Default for Deter {
    fn default() -> Self {
        Self { listen: None, session_life: HumanDuration::from_secs(24 * HOUR) }
    }
}

impl Deter {
    /// What the facade is told.
    #[must_use]
    pub const fn settings(&self) -> DeterSettings {
        DeterSettings { session: self.session_life.get().as_secs() }
    }
}

impl Check<'_> {
    pub(super) fn deter(&mut self, config: &Config) {
        self.alone(config, "deter.listen");
        // As long as a certificate of a user holds at most.
        self.time("deter.session_life", config.deter.session_life, 60_000, 397 * 24 * HOUR);
    }
}
