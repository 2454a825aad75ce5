//! `[deltacloud]`: Deltacloud's API for keys, for clients that authenticate with every request.

use mf2c_facade::deltacloud::{DeltacloudSettings, KeyType};
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::settings::Config;
use super::words::DeltacloudKeys;

/// The longest name of a driver, in bytes.
const LONGEST_DRIVER: usize = 32;

/// `[deltacloud]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deltacloud {
    /// Where the API listens, if at all; Deltacloud's usual port is 3001.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// Which keys are made there.
    pub key_type: DeltacloudKeys,
    /// The name of the driver in answers.
    pub driver: String,
}

impl Default for Deltacloud {
    fn default() -> Self {
        Self { listen: None, key_type: DeltacloudKeys::default(), driver: "mf2c".to_owned() }
    }
}

impl Deltacloud {
    /// What the facade is told.
    #[must_use]
    pub fn settings(&self) -> DeltacloudSettings {
        let key_type = match self.key_type {
            DeltacloudKeys::Key => KeyType::Key,
            DeltacloudKeys::Password => KeyType::Password,
        };
        DeltacloudSettings { driver: self.driver.clone(), key_type }
    }
}

impl Check<'_> {
    pub(super) fn deltacloud(&mut self, config: &Config) {
        self.alone(config, "deltacloud.listen");
        let driver = config.deltacloud.driver.as_str();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if driver.is_empty() || driver.len() > LONGEST_DRIVER || !driver.bytes().all(plain) {
            let reason = format!("is no name; expected 1 to {LONGEST_DRIVER} small letters, digits, `-` or `_`");
            self.refuse("deltacloud.driver", reason);
        }
    }
}
