//! The configuration: flags over environment (`MF2C_*`) over file over defaults, checked as a whole before anything starts.
//!
//! No file is read unless `--config` or `MF2C_CONFIG` names one. A key that nobody knows is refused with the nearest known
//! one, wherever it stands, and every problem is reported at once.
//!
//! Without `data_dir` the data go to the directory that systemd made for the service (`$STATE_DIRECTORY`), else to
//! `$XDG_DATA_HOME/mf2c`, else to `~/.local/share/mf2c`, and without a home directory to `/var/lib/mf2c`.

mod address;
mod area;
mod check;
mod deltacloud;
mod deter;
mod discovery;
mod error;
mod flocker;
mod fog;
mod keys;
mod legacy;
mod qos;
mod services;
mod settings;
mod sharing;
mod show;
mod sla;
mod sources;
pub mod systemd;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mf2c_domain::quantity;
use toml::Value;

pub use address::{AddressError, ListenAddress};
pub use area::{Link, Pki};
pub(crate) use check::is_host;
pub use deltacloud::Deltacloud;
pub use discovery::Discovery;
pub use error::{ConfigError, Origin, Problem};
pub use fog::FogArea;
pub use keys::environment_name;
pub use legacy::Legacy;
pub use qos::Qos;
pub use quantity::{HumanDuration, HumanSize, QuantityError};
pub use services::Services;
pub use settings::{Api, Auth, Config, Device, Limits, Log, Sensor, Store, Tls};
pub use sharing::Sharing;
pub use sla::Sla;
pub use sources::Overrides;
pub use words::{
    AccessLog, AgentType, AuthHeader, CauGeneration, DeltacloudKeys, Election, KeyLabel, LogFormat, MailSecurity,
    MetricsReaders, Offer, OnViolation, Profile, ReportUnit, Role, UnknownWord, Urgency,
};

use keys::Keys;
use sources::Setting;

/// Where data go when nothing says where home is: a service without a user.
const SERVICE_DATA_DIR: &str = "/var/lib/mf2c";
/// Variables that say where data belong, besides `MF2C_*`.
const PLACES: [&str; 3] = ["STATE_DIRECTORY", "XDG_DATA_HOME", "HOME"];

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The effective values.
    pub config: Config,
    /// Where the value of each key came from, by dotted key.
    pub origins: BTreeMap<String, Origin>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What works but should be said aloud at the start.
    pub warnings: Vec<String>,
}

/// The variables of this process that matter to [`load`]: the only place where the environment is read.
///
/// Unlike `std::env::vars` it does not panic on foreign variables that are no UTF-8.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| {
            let is_old = legacy::OLD_NAMES.iter().any(|(old, _)| old == name);
            name.starts_with(keys::PREFIX) || PLACES.contains(&name.as_str()) || is_old
        })
        // The client's variables lie in many people's environment, and say nothing about an agent.
        .filter(|(name, _)| !mf2c_client::VARIABLES.contains(&name.as_str()))
        .collect()
}

/// The words of the command line, the name by which the program was called first.
#[must_use]
pub fn command_line() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

/// Whether systemd has said that what this process prints goes to its journal, which keeps it.
#[must_use]
pub fn is_under_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some_and(|stream| !stream.is_empty())
}

/// The variables of this process that matter to the client.
#[must_use]
pub fn client_environment() -> BTreeMap<String, String> {
    let known = || mf2c_client::VARIABLES.into_iter().chain(mf2c_client::PLACES);
    known().filter_map(|name| Some((name.to_owned(), std::env::var_os(name)?.into_string().ok()?))).collect()
}

/// Reads and checks the configuration. `file` wins over `MF2C_CONFIG`.
///
/// # Errors
/// [`ConfigError::Read`] and [`ConfigError::TooLarge`] for the file, [`ConfigError::Refused`] with every problem found.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    overrides: Overrides,
) -> Result<Loaded, ConfigError> {
    let environment: BTreeMap<String, String> = environment.collect();
    let keys = Keys::new();
    let mut problems = vec![];
    let named = environment.get(keys::FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = file.map(Path::to_owned).or(named);
    let mut settings = match &file {
        Some(path) => sources::from_file(path, &sources::read(path)?, &keys, &mut problems),
        None => vec![],
    };
    settings.extend(sources::from_environment(&environment, &keys, &mut problems));
    settings.extend(overrides.settings(&mut problems));
    let (values, mut origins) = merge(settings, &keys, &mut problems);
    if !problems.is_empty() {
        return Err(ConfigError::Refused(problems));
    }
    let table = keys::nest(values.iter().map(|(key, value)| (key, value.clone())));
    let mut config: Config = table.try_into().map_err(|error: toml::de::Error| {
        let message = error.message().to_owned();
        ConfigError::Refused(vec![Problem::Syntax { origin: Origin::Default, message }])
    })?;
    settle(&mut config, &mut origins, &environment);
    let problems = check::problems(&config, &origins);
    if problems.is_empty() {
        let warnings = check::warnings(&config);
        Ok(Loaded { config, origins, file, warnings })
    } else {
        Err(ConfigError::Refused(problems))
    }
}

/// The winning value of each key and where it came from. Every value is judged, also one that another overrides: a file
/// that is wrong stays wrong when the flag is gone.
fn merge(
    settings: Vec<Setting>,
    keys: &Keys,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<String, Value>, BTreeMap<String, Origin>) {
    let mut values = keys.defaults.clone();
    let mut origins: BTreeMap<String, Origin> = values.keys().map(|key| (key.clone(), Origin::Default)).collect();
    for Setting { key, value, origin } in settings {
        let refusal = keys.defaults.get(&key).and_then(|default| keys::refusal(&key, &value, default));
        if let Some(reason) = refusal {
            problems.push(Problem::Refused { origin, key, reason });
        } else {
            origins.insert(key.clone(), origin);
            values.insert(key, value);
        }
    }
    problems.sort_by_key(Problem::line);
    (values, origins)
}

/// Fills in what follows from other values: the data directory, and what development mode switches on.
fn settle(config: &mut Config, origins: &mut BTreeMap<String, Origin>, environment: &BTreeMap<String, String>) {
    if config.data_dir.as_os_str().is_empty() {
        let (path, variable) = usual_data_dir(environment);
        config.data_dir = path;
        let origin = variable.map_or(Origin::Default, |name| Origin::Environment(name.into()));
        origins.insert("data_dir".into(), origin);
    } else if let (Ok(rest), Some(home)) = (config.data_dir.strip_prefix("~"), environment.get("HOME")) {
        // No shell expands it in a file, and a directory named `~` is never what was meant.
        config.data_dir = Path::new(home).join(rest);
    }
    legacy::settle_attempts(config, origins, environment);
    let given = |key: &str| !matches!(origins.get(key), None | Some(Origin::Default));
    if config.role == Role::Cloud && !given("device.agent_type") {
        config.device.agent_type = AgentType::Cloud;
    }
    if config.dev {
        config.auth.header = AuthHeader::Loopback;
        if let Some(dev) = origins.get("dev").cloned() {
            origins.insert("auth.header".into(), dev);
        }
    }
}

fn usual_data_dir(environment: &BTreeMap<String, String>) -> (PathBuf, Option<&'static str>) {
    // systemd separates several directories by colons; the XDG specification has relative paths ignored.
    let variable = |name: &str| environment.get(name).map(|value| value.split(':').next().unwrap_or(value));
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = absolute("STATE_DIRECTORY") {
        return (path, Some("STATE_DIRECTORY"));
    }
    if let Some(path) = absolute("XDG_DATA_HOME") {
        return (path.join("mf2c"), Some("XDG_DATA_HOME"));
    }
    match absolute("HOME") {
        Some(home) => (home.join(".local/share/mf2c"), Some("HOME")),
        None => (PathBuf::from(SERVICE_DATA_DIR), None),
    }
}
