//! `[flocker]`: the control API of Flocker, for clients that hold a certificate of the cluster.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::settings::Config;

/// `[flocker]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flocker {
    /// Where the control API listens, if at all; Flocker's own port is 4523.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// The directory with `cluster.crt`, `control-service.crt` and `control-service.key`.
    pub certificates: PathBuf,
    /// Whether users of the cluster who have no account here may do everything at this door, as with Flocker itself.
    pub trust_any_user_cert: bool,
}

impl Default for Flocker {
    fn default() -> Self {
        Self { listen: None, certificates: PathBuf::from("/etc/flocker"), trust_any_user_cert: false }
    }
}

impl Check<'_> {
    pub(super) fn flocker(&mut self, config: &Config) {
        let Some(listen) = config.flocker.listen else { return };
        let others = [
            ("api.listen", Some(config.api.listen)),
            ("api.http", config.api.http),
            ("link.listen", Some(config.link.listen)),
        ];
        for (key, _) in others.into_iter().filter(|(_, other)| other.is_some_and(|other| other.collides(listen))) {
            let reason = format!("Flocker's clients cannot share {listen} with `{key}`; choose another port");
            self.refuse("flocker.listen", reason);
        }
        if config.flocker.certificates.as_os_str().is_empty() {
            let reason = "is empty; name the directory with cluster.crt, control-service.crt and control-service.key";
            self.refuse("flocker.certificates", reason.to_owned());
        }
    }
}
