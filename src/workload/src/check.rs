//! Whether what is to run makes sense, before any backend looks at it.

use crate::error::BackendError;
use crate::spec::{Mount, Port, Program, SecretPlace, Spec};

/// Names of instances are not longer: with the rest, the name stays below what host names take twice over.
const MOST_ID_BYTES: usize = 64;
/// The kernel takes 128 KiB a word and 2 MiB in all; nobody writes so much by hand.
const MOST_WORDS: usize = 1024;
const MOST_TEXT_BYTES: usize = 128 << 10;
/// Docker refuses less.
const LEAST_MEMORY: u64 = 6 << 20;

impl Spec {
    /// Whether it makes sense at all, whatever the backend.
    ///
    /// # Errors
    /// [`BackendError::Invalid`] that names what does not.
    pub fn check(&self) -> Result<(), BackendError> {
        check_id("the agent", &self.agent)?;
        check_id("the instance", &self.instance)?;
        check_id("the service", &self.service)?;
        self.check_program()?;
        self.check_environment()?;
        self.check_places()?;
        self.check_limits()
    }

    fn check_program(&self) -> Result<(), BackendError> {
        match &self.program {
            Program::Image(image) if !is_image_name(image) => Err(BackendError::invalid(format!(
                "`{}` is no name of an image: expected `name`, `registry/name:tag` or `name@sha256:…`",
                shown(image)
            ))),
            Program::Argv(argv) => {
                let first = argv.first().is_some_and(|program| !program.is_empty());
                if !first {
                    return Err(BackendError::invalid("the program is empty: expected at least the path of one"));
                }
                check_words("the arguments", argv)
            }
            Program::Image(_) | Program::Compose(_) => {
                check_words("the entry point", self.entrypoint.as_deref().unwrap_or_default())?;
                check_words("the command", &self.command)
            }
        }
    }

    fn check_environment(&self) -> Result<(), BackendError> {
        let secrets = self.secrets.iter();
        let secrets = secrets.filter(|secret| secret.place == SecretPlace::Environment).map(|secret| &secret.name);
        for name in self.environment.keys().chain(secrets) {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(BackendError::invalid(format!(
                    "`{}` is no name of a variable: it must not be empty or hold `=`",
                    shown(name)
                )));
            }
        }
        for secret in &self.secrets {
            if secret.place == SecretPlace::File && !is_file_name(&secret.name) {
                return Err(BackendError::invalid(format!(
                    "`{}` is no name of a secret's file: expected letters, digits, `.`, `-` and `_`",
                    shown(&secret.name)
                )));
            }
            if secret.value.reveal().contains('\0') && secret.place == SecretPlace::Environment {
                return Err(BackendError::invalid(format!("the secret `{}` holds a zero byte", secret.name)));
            }
        }
        check_words("the environment", &self.environment.values().cloned().collect::<Vec<_>>())
    }

    fn check_places(&self) -> Result<(), BackendError> {
        let targets = self.volumes.iter().map(|volume| volume.target.as_str());
        for path in targets.chain(self.working_dir.as_deref()) {
            if !is_plain_path(path) {
                return Err(BackendError::invalid(format!(
                    "`{}` is no place in a workload: expected an absolute path without `..`",
                    shown(path)
                )));
            }
        }
        for volume in &self.volumes {
            if let Mount::Named(name) | Mount::Shared(name) | Mount::Dataset(name) = &volume.mount {
                check_id("the volume", name)?;
            }
        }
        for device in &self.devices {
            let below = device.host.strip_prefix("/dev/").is_some_and(|rest| !rest.is_empty());
            let allowed = !device.permissions.is_empty() && device.permissions.chars().all(|c| "rwm".contains(c));
            if !below || !is_plain_path(&device.host) || !is_plain_path(&device.container) || !allowed {
                return Err(BackendError::invalid(format!(
                    "`{}` is no device: expected a path below /dev, and permissions of `r`, `w` and `m`",
                    shown(&device.host)
                )));
            }
        }
        let user = self.user.as_deref().unwrap_or("0");
        if user.is_empty()
            || user.len() > 64
            || !user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b))
        {
            return Err(BackendError::invalid(format!(
                "`{}` is no user: expected `user` or `user:group`",
                shown(user)
            )));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), BackendError> {
        if self.limits.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
            return Err(BackendError::invalid("a memory limit is at least 6 MiB (6291456 bytes)"));
        }
        if self.limits.cpus.is_some_and(|cpus| !(0.01..=4096.0).contains(&cpus)) {
            return Err(BackendError::invalid("a limit of processors is between 0.01 and 4096"));
        }
        if self.limits.pids == Some(0) {
            return Err(BackendError::invalid("a limit of processes is at least 1"));
        }
        let log = self.limits.log;
        if !(4096..=1 << 30).contains(&log.file_bytes) || !(1..=100).contains(&log.files) {
            return Err(BackendError::invalid("a log has 1 to 100 files of 4 KiB to 1 GiB"));
        }
        for (at, port) in self.ports.iter().enumerate() {
            let twice = |other: &Port| {
                other.protocol == port.protocol
                    && other.host == port.host
                    && (port.host > 0 || other.container == port.container)
            };
            if port.container == 0 || self.ports[..at].iter().any(twice) {
                return Err(BackendError::invalid(format!(
                    "port {}: a port is between 1 and 65535, and stands there once",
                    port.container
                )));
            }
        }
        Ok(())
    }
}

/// Names that become parts of file names, labels and names of containers.
pub(crate) fn check_id(what: &str, id: &str) -> Result<(), BackendError> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if plain && id.len() <= MOST_ID_BYTES && id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(BackendError::invalid(format!(
        "`{}` cannot be the name of {what}: expected at most {MOST_ID_BYTES} letters, digits, `-`, `_` and `.`",
        shown(id)
    )))
}

fn check_words(what: &str, words: &[String]) -> Result<(), BackendError> {
    let bytes: usize = words.iter().map(String::len).sum();
    if words.len() > MOST_WORDS || bytes > MOST_TEXT_BYTES || words.iter().any(|word| word.contains('\0')) {
        return Err(BackendError::invalid(format!(
            "{what}: at most {MOST_WORDS} words of {MOST_TEXT_BYTES} bytes together, without zero bytes"
        )));
    }
    Ok(())
}

/// Whether a text may be the name of an image: what the engine takes for a reference, roughly, for it decides itself. Nothing that a
/// URL or a shell would read otherwise.
#[must_use]
pub fn is_image_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b);
    text.len() <= 512
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(allowed)
        && !text.contains("..")
        && !text.contains("//")
}

fn is_file_name(name: &str) -> bool {
    check_id("a file", name).is_ok()
}

fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 4096 && !path.contains('\0') && path.split('/').all(|step| step != "..")
}

/// A text for an error: short, and without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Protocol, Secret, SecretText};

    type Change = fn(&mut Spec);

    fn spec() -> Spec {
        Spec::new("agent-1", "0b5c7f4e-0000-4000-8000-000000000001", "web", Program::Image("test/web:1".to_owned()))
    }

    #[test]
    fn a_plain_spec_is_fine_and_secrets_do_not_show() {
        let mut spec = spec();
        spec.secrets.push(Secret {
            name: "TOKEN".to_owned(),
            value: SecretText::new("hunter2"),
            place: SecretPlace::Environment,
        });
        assert_eq!(spec.check(), Ok(()));
        assert!(!format!("{spec:?}").contains("hunter2"));
        assert!(spec.labels().values().all(|value| !value.contains("hunter2")));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let cases: [(&str, Change); 12] = [
            ("name of the instance", |it| it.instance = "a/../b".to_owned()),
            ("name of the instance", |it| it.instance = "$(reboot)".to_owned()),
            ("no name of an image", |it| it.program = Program::Image("a b".to_owned())),
            ("no name of an image", |it| it.program = Program::Image("../etc".to_owned())),
            ("the program is empty", |it| it.program = Program::Argv(vec![])),
            ("name of a variable", |it| drop(it.environment.insert("A=B".to_owned(), String::new()))),
            ("zero bytes", |it| drop(it.environment.insert("A".to_owned(), "\0".to_owned()))),
            ("no place", |it| it.working_dir = Some("../x".to_owned())),
            ("at least 6 MiB", |it| it.limits.memory = Some(1)),
            ("between 0.01", |it| it.limits.cpus = Some(f64::NAN)),
            ("no user", |it| it.user = Some("root; reboot".to_owned())),
            ("port 80", |it| it.ports = vec![Port { container: 80, host: 0, protocol: Protocol::Tcp }; 2]),
        ];
        for (said, change) in cases {
            let mut spec = spec();
            change(&mut spec);
            let error = spec.check().unwrap_err().to_string();
            assert!(error.contains(said), "{error} does not say {said}");
        }
    }
}
