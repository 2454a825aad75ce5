//! What a program needs of a machine by name: kind of agent, processor, operating system, backend.

use std::fmt;

use serde::Serialize;

use crate::text::folded;

/// Which kind of agent a service runs on, and which kind a device carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    /// A cloud agent.
    Cloud,
    /// An agent of the fog.
    Normal,
    /// An agent on a small device.
    Micro,
}

impl AgentType {
    /// Reads `cloud`, `normal`, `micro`, or the original's numbers for them, 1 to 3; the original also wrote `Fog
    /// agent` for a normal one. None for `empty` and anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match &*folded(text) {
            "cloud" | "1" => Some(Self::Cloud),
            "normal" | "2" | "fog agent" => Some(Self::Normal),
            "micro" | "3" => Some(Self::Micro),
            _ => None,
        }
    }

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Normal => "normal",
            Self::Micro => "micro",
        }
    }
}

/// The processor that a program was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchNeed {
    /// `x86-64`: x86_64, amd64.
    X86,
    /// `arm`: any of them, as the original meant it.
    AnyArm,
    /// `arm64`, an extension: aarch64, arm64.
    Arm64,
    /// Another one, by its exact name.
    Other(Box<str>),
}

impl ArchNeed {
    /// Reads what a service asks for; none where it asks for nothing.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = folded(text);
        match &*text {
            "" => None,
            "arm" => Some(Self::AnyArm),
            word if is_x86(word) => Some(Self::X86),
            word if is_arm64(word) => Some(Self::Arm64),
            _ => Some(Self::Other(text)),
        }
    }

    /// Whether a processor of this name, in small letters, runs it.
    #[must_use]
    pub fn fits(&self, arch: &str) -> bool {
        match self {
            Self::X86 => is_x86(arch),
            Self::Arm64 => is_arm64(arch),
            Self::AnyArm => is_arm64(arch) || matches!(arch, "arm" | "armhf" | "armel") || arch.starts_with("armv"),
            Self::Other(word) => **word == *arch,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::X86 => "x86-64",
            Self::AnyArm => "arm",
            Self::Arm64 => "arm64",
            Self::Other(word) => word,
        }
    }
}

fn is_x86(arch: &str) -> bool {
    matches!(arch, "x86-64" | "x86_64" | "amd64" | "x64")
}

fn is_arm64(arch: &str) -> bool {
    matches!(arch, "aarch64" | "arm64")
}

/// Whether an operating system's description, in small letters, is one of `wanted`: it begins with it, as
/// `linux-4.15.0-...` with `linux`. A Mac calls itself Darwin, too.
#[must_use]
pub(crate) fn os_fits(wanted: &str, os: &str) -> bool {
    os.starts_with(wanted) || wanted == "mac" && os.starts_with("darwin")
}

/// What runs a service on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Containers, one by one.
    Docker,
    /// Compose files.
    Compose,
    /// Plain processes.
    Process,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Docker, Self::Compose, Self::Process];

    /// The word, as it stands in `backends`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Compose => "compose",
            Self::Process => "process",
        }
    }
}

/// The backends that a device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backends(u8);

impl Backends {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, backend: Backend) -> Self {
        Self(self.0 | 1 << backend as u8)
    }

    /// Whether a backend is among them.
    #[must_use]
    pub const fn has(self, backend: Backend) -> bool {
        self.0 & 1 << backend as u8 != 0
    }

    /// As `docker, compose`; `none` where there is none.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.has(Backend::Docker), self.has(Backend::Compose), self.has(Backend::Process)) {
            (true, true, true) => "docker, compose, process",
            (true, true, false) => "docker, compose",
            (true, false, true) => "docker, process",
            (true, false, false) => "docker",
            (false, true, true) => "compose, process",
            (false, true, false) => "compose",
            (false, false, true) => "process",
            (false, false, false) => "none",
        }
    }

    /// Reads one of their names and adds it; unknown names are passed over.
    #[must_use]
    pub fn and_named(self, name: &str) -> Self {
        let name = folded(name);
        Backend::ALL.into_iter().find(|it| it.as_str() == &*name).map_or(self, |backend| self.with(backend))
    }
}

impl FromIterator<Backend> for Backends {
    fn from_iter<I: IntoIterator<Item = Backend>>(backends: I) -> Self {
        backends.into_iter().fold(Self::NONE, Self::with)
    }
}

/// As [`Backends::as_str`].
impl fmt::Display for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `exec_type` of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecType {
    /// `docker`: one container.
    Docker,
    /// `compss`: a container with a COMPSs agent in it, on all agents that fit unless `num_agents` says how many.
    Compss,
    /// `docker-compose`: a compose file.
    Compose,
    /// `process`, an extension: a plain process.
    Process,
    /// `docker-swarm`, `docker-compose-swarm`, `kubernetes` and whatever else: no agent runs it.
    Never(Box<str>),
}

impl ExecType {
    /// Reads it.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = folded(text);
        match &*text {
            "docker" => Self::Docker,
            "compss" => Self::Compss,
            "docker-compose" => Self::Compose,
            "process" => Self::Process,
            _ => Self::Never(text),
        }
    }

    /// The backend that it takes; none where no agent has one.
    #[must_use]
    pub const fn backend(&self) -> Option<Backend> {
        match self {
            Self::Docker | Self::Compss => Some(Backend::Docker),
            Self::Compose => Some(Backend::Compose),
            Self::Process => Some(Backend::Process),
            Self::Never(_) => None,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Docker => "docker",
            Self::Compss => "compss",
            Self::Compose => "docker-compose",
            Self::Process => "process",
            Self::Never(word) => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_many_names_and_arm64_is_an_arm_but_not_the_other_way_round() {
        for (need, fits, not) in [
            ("x86-64", vec!["x86_64", "x86-64", "amd64"], vec!["i686", "aarch64", ""]),
            ("X86_64", vec!["amd64"], vec!["x86"]),
            ("arm", vec!["armv6l", "armv7l", "armhf", "aarch64", "arm64", "arm", "armv8l"], vec!["x86_64", "charm"]),
            ("arm64", vec!["aarch64", "arm64"], vec!["armv7l", "armv8l", "armhf", "arm"]),
            ("RISCV64", vec!["riscv64"], vec!["riscv32", "x86_64"]),
        ] {
            let need = ArchNeed::read(need).unwrap();
            assert!(fits.iter().all(|arch| need.fits(arch)), "{need:?}");
            assert!(!not.iter().any(|arch| need.fits(arch)), "{need:?}");
        }
        assert_eq!(ArchNeed::read("  "), None);
    }

    #[test]
    fn kinds_of_agents_are_read_as_words_and_as_the_originals_numbers() {
        for (text, is) in [
            ("cloud", Some(AgentType::Cloud)),
            ("Normal ", Some(AgentType::Normal)),
            ("3", Some(AgentType::Micro)),
            ("Fog agent", Some(AgentType::Normal)),
            ("empty", None),
            ("", None),
        ] {
            assert_eq!(AgentType::read(text), is, "{text}");
        }
    }

    #[test]
    fn a_system_is_told_by_how_its_description_begins() {
        assert!(os_fits("linux", "linux-4.15.0-45-generic-x86_64-with-debian-9.7"));
        assert!(os_fits("mac", "darwin-19.6.0") && os_fits("mac", "macos 14"));
        assert!(!os_fits("windows", "linux") && !os_fits("linux", "gnu/linux") && !os_fits("linux", ""));
    }

    #[test]
    fn swarm_and_kubernetes_have_no_backend_and_compss_is_a_container() {
        let backend = |text| ExecType::read(text).backend();
        assert_eq!((backend("docker"), backend("COMPSs")), (Some(Backend::Docker), Some(Backend::Docker)));
        assert_eq!((backend("docker-compose"), backend("process")), (Some(Backend::Compose), Some(Backend::Process)));
        for never in ["docker-swarm", "docker-compose-swarm", "kubernetes", "K8s", ""] {
            assert_eq!(backend(never), None, "{never}");
        }
        let some = Backends::NONE.and_named("Compose").and_named("wasm").with(Backend::Docker);
        assert_eq!((some.to_string(), Backends::NONE.to_string()), ("docker, compose".to_owned(), "none".to_owned()));
        assert!(!some.has(Backend::Process));
    }
}
