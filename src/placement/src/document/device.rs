//! A `device`: what a machine is.

use serde::Deserialize;

use super::loose::{Loose, Maybe};
use super::names::Names;
use crate::platform::{AgentType, Backends};
use crate::text::folded;
use crate::units::Mebibytes;

/// A machine that can run services.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its id: `device/...`.
    pub id: Box<str>,
    /// Its system, in small letters; empty where it is not known.
    pub os: Box<str>,
    /// Its processor, in small letters; empty where it is not known.
    pub arch: Box<str>,
    /// Which kind of agent it carries; none where that is no kind that there is.
    pub agent_type: Option<AgentType>,
    /// Main memory.
    pub memory: Option<Mebibytes>,
    /// Disk space.
    pub storage: Option<Mebibytes>,
    /// What it says that it can run (`backends`); none where it says nothing.
    pub backends: Option<Backends>,
    pub(crate) attached: Names,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    os: Option<Loose<'a>>,
    #[serde(borrow)]
    arch: Option<Loose<'a>>,
    #[serde(borrow, rename = "agentType")]
    agent_type: Option<Loose<'a>>,
    #[serde(borrow)]
    memory: Option<Loose<'a>>,
    #[serde(borrow)]
    storage: Option<Loose<'a>>,
    #[serde(borrow)]
    backends: Option<Loose<'a>>,
    #[serde(borrow, rename = "sensorTypes")]
    sensor_types: Option<Loose<'a>>,
    #[serde(borrow)]
    actuators: Option<Loose<'a>>,
}

impl Device {
    /// Reads a device; none if the body is no JSON object.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: Shape<'_> = serde_json::from_slice(body).ok()?;
        let mut attached = Names::default();
        [&shape.sensor_types, &shape.actuators].into_iter().flatten().for_each(|list| attached.add_listed(list));
        let number = |kind: &Loose<'_>| kind.count().map(|number| number.to_string());
        let agent_type = shape
            .agent_type
            .as_ref()
            .and_then(|kind| kind.text().and_then(AgentType::read).or_else(|| AgentType::read(&number(kind)?)));
        let backends = shape
            .backends
            .as_ref()
            .map(|list| list.elements().iter().filter_map(Loose::text).fold(Backends::NONE, Backends::and_named));
        Some(Self {
            id: id.into(),
            os: folded(shape.os.words().unwrap_or_default()),
            arch: folded(shape.arch.words().unwrap_or_default()),
            agent_type,
            memory: shape.memory.as_ref().and_then(Loose::amount),
            storage: shape.storage.as_ref().and_then(Loose::amount),
            backends,
            attached: attached.sorted(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Backend;

    #[test]
    fn both_generations_of_device_are_read() {
        let old = br#"{"deviceID":"fd97","isLeader":false,"os":"Linux-4.15.0","arch":"x86_64","memory":7873.7734375,
            "storage":"195865.5","agentType":"Fog agent","hwloc":"","networkingStandards":"['eth0', 'lo']"}"#;
        let old = Device::read("device/a", old).unwrap();
        assert_eq!((&*old.os, &*old.arch, old.agent_type), ("linux-4.15.0", "x86_64", Some(AgentType::Normal)));
        assert_eq!((old.memory, old.storage), (Mebibytes::new(7873.7734375), Mebibytes::new(195_865.5)));
        assert_eq!(old.backends, None);
        let new = br#"{"os":"Linux","arch":"aarch64","agentType":3,"backends":["docker","Process","wasm"],
            "sensorTypes":["Temperature"],"actuators":["siren"]}"#;
        let new = Device::read("device/b", new).unwrap();
        assert_eq!(new.agent_type, Some(AgentType::Micro));
        assert_eq!(new.backends, Some([Backend::Docker, Backend::Process].into_iter().collect()));
        assert!(new.attached.has("temperature") && new.attached.has("siren"));
    }

    #[test]
    fn what_makes_no_sense_is_not_known_and_what_is_no_object_no_device() {
        let odd = br#"{"os":5,"arch":null,"memory":"much","storage":[],"agentType":"empty","backends":"docker"}"#;
        let odd = Device::read("device/a", odd).unwrap();
        assert_eq!((&*odd.os, &*odd.arch, odd.agent_type, odd.memory, odd.storage), ("", "", None, None, None));
        assert_eq!(odd.backends, Some(Backends::NONE.with(Backend::Docker)));
        for body in ["[]", "5", "{", "", "null"] {
            assert_eq!(Device::read("device/a", body.as_bytes()), None, "{body}");
        }
    }
}
