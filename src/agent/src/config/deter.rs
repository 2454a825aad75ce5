//! `[deter]`: DETER's testbed API.

use mf2c_facade::deter::DeterSettings;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;

const HOUR: u64 = 3600;
/// Every address in a request is compared with each of them.
const MOST_PREFIXES: usize = 100;

/// `[deter]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deter {
    /// Where the services listen, if at all; the original's port is 52323.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// How long somebody who has signed in stays so, and how long the certificate holds that he is given.
    pub session_life: HumanDuration,
    /// What addresses of pages begin with that may stand in mails before the number that sets a password.
    pub url_prefixes: Vec<String>,
}

impl Default for Deter {
    fn default() -> Self {
        Self { listen: None, session_life: HumanDuration::from_secs(24 * HOUR), url_prefixes: vec![] }
    }
}

impl Deter {
    /// What the facade is told.
    #[must_use]
    pub fn settings(&self) -> DeterSettings {
        DeterSettings { session: self.session_life.get().as_secs(), url_prefixes: self.url_prefixes.clone() }
    }
}

impl Check<'_> {
    pub(super) fn deter(&mut self, config: &Config) {
        self.alone(config, "deter.listen");
        // As long as a certificate of a user holds at most.
        self.time("deter.session_life", config.deter.session_life, 60_000, 397 * 24 * HOUR);
        let prefixes = &config.deter.url_prefixes;
        if prefixes.len() > MOST_PREFIXES {
            let reason =
                format!("{} addresses are too many; at most {MOST_PREFIXES} are looked through", prefixes.len());
            self.refuse("deter.url_prefixes", reason);
        }
        for prefix in prefixes.iter().filter(|prefix| !is_page(prefix)) {
            let prefix: String = prefix.chars().take(60).collect();
            let reason = format!(
                "`{prefix}` is no beginning of a page's address; write it with a slash or more behind the host: \
                 `https://testbed.example.org/`"
            );
            self.refuse("deter.url_prefixes", reason);
        }
    }
}

/// Whether it is an address up to the end of the host at least: else it would begin other hosts too.
fn is_page(prefix: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| prefix.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split_once('/')).map(|(host, _)| host);
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && prefix.bytes().all(|byte| byte.is_ascii_graphic())
}
