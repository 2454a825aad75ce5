//! A `service`: what it needs.

use serde::Deserialize;

use super::loose::{Loose, Maybe};
use crate::platform::{AgentType, ArchNeed, ExecType};
use crate::text::folded;
use crate::units::{Mebibytes, Percent};

/// Words in `req_resource` that ask for the position of the device.
const POSITION: [&str; 3] = ["gps", "location", "geolocation"];

/// What a service needs of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its id: `service/...`.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What runs it.
    pub exec_type: ExecType,
    /// On which kind of agent it runs; none where it does not say.
    pub agent_type: Option<AgentType>,
    /// On how many agents; none where it does not say, or says 0.
    pub num_agents: Option<u32>,
    /// Least free main memory.
    pub memory_min: Mebibytes,
    /// Most main memory that it may take (`limits.memory`); nothing where it does not say.
    pub memory_limit: Mebibytes,
    /// Least free disk space.
    pub storage_min: Mebibytes,
    /// Disk space that it takes.
    pub disk: Mebibytes,
    /// 0 to 15: which of processor, memory, disk and network it leans on.
    pub category: u8,
    /// The processor that it was built for.
    pub cpu_arch: Option<ArchNeed>,
    /// How the system's description begins, in small letters.
    pub os: Option<Box<str>>,
    /// How much of a processor it uses (`cpu_recommended`).
    pub cpu_share: Percent,
    /// How much of the main memory it uses (`memory_recommended`).
    pub memory_share: Percent,
    /// How much of the disk it uses (`disk_recommended`).
    pub disk_share: Percent,
    /// How much of the network it uses (`network_recommended`).
    pub network_share: Percent,
    /// What must be attached, in small letters.
    pub req_resource: Vec<Box<str>>,
    /// What had better be attached, in small letters.
    pub opt_resource: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    name: Option<Loose<'a>>,
    #[serde(borrow)]
    exec_type: Option<Loose<'a>>,
    #[serde(borrow)]
    agent_type: Option<Loose<'a>>,
    #[serde(borrow)]
    num_agents: Option<Loose<'a>>,
    #[serde(borrow)]
    memory_min: Option<Loose<'a>>,
    #[serde(borrow)]
    limits: Option<Limits<'a>>,
    #[serde(borrow)]
    storage_min: Option<Loose<'a>>,
    #[serde(borrow)]
    disk: Option<Loose<'a>>,
    #[serde(borrow)]
    category: Option<Loose<'a>>,
    #[serde(borrow)]
    cpu_arch: Option<Loose<'a>>,
    #[serde(borrow)]
    os: Option<Loose<'a>>,
    #[serde(borrow)]
    cpu_recommended: Option<Loose<'a>>,
    #[serde(borrow)]
    memory_recommended: Option<Loose<'a>>,
    #[serde(borrow)]
    disk_recommended: Option<Loose<'a>>,
    #[serde(borrow)]
    network_recommended: Option<Loose<'a>>,
    #[serde(borrow)]
    req_resource: Option<Loose<'a>>,
    #[serde(borrow)]
    opt_resource: Option<Loose<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Limits<'a> {
    Said {
        #[serde(borrow)]
        memory: Option<Loose<'a>>,
    },
    /// What is none: a service that is not of this version.
    Other(serde::de::IgnoredAny),
}

impl<'a> Limits<'a> {
    fn memory(self) -> Option<Loose<'a>> {
        match self {
            Self::Said { memory } => memory,
            Self::Other(_) => None,
        }
    }
}

impl Service {
    /// Reads a service; none if the body is no JSON object.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: Shape<'_> = serde_json::from_slice(body).ok()?;
        let amount = |value: Option<Loose<'_>>| value.and_then(|value| value.amount()).unwrap_or_default();
        let agents = shape.num_agents.and_then(|value| value.count()).filter(|agents| *agents > 0);
        let category = shape.category.and_then(|value| value.count()).filter(|category| *category <= 15);
        Some(Self {
            id: id.into(),
            name: shape.name.boxed(),
            exec_type: ExecType::read(shape.exec_type.words().unwrap_or_default()),
            agent_type: shape.agent_type.words().and_then(AgentType::read),
            num_agents: agents.map(|agents| u32::try_from(agents).unwrap_or(u32::MAX)),
            memory_min: amount(shape.memory_min),
            memory_limit: amount(shape.limits.and_then(Limits::memory)),
            storage_min: amount(shape.storage_min),
            disk: amount(shape.disk),
            category: category.and_then(|category| u8::try_from(category).ok()).unwrap_or(0),
            cpu_arch: shape.cpu_arch.words().and_then(ArchNeed::read),
            os: shape.os.words().map(folded),
            cpu_share: recommended(shape.cpu_recommended),
            memory_share: recommended(shape.memory_recommended),
            disk_share: recommended(shape.disk_recommended),
            network_share: recommended(shape.network_recommended),
            req_resource: words(shape.req_resource),
            opt_resource: words(shape.opt_resource),
        })
    }

    /// Whether it uses the position of the device: `gps` or `location` stands among what must be attached.
    #[must_use]
    pub fn wants_position(&self) -> bool {
        let position = |word: &str| POSITION.contains(&word);
        self.req_resource.iter().any(|need| need.split(|c: char| !c.is_alphanumeric()).any(position))
    }
}

/// A share of a device as services write it, from 0 to 1.
fn recommended(value: Option<Loose<'_>>) -> Percent {
    value.and_then(|value| value.number()).and_then(|share| Percent::new(share * 100.0)).unwrap_or_default()
}

/// The words of a list, each once. Blank ones ask for nothing.
fn words(value: Option<Loose<'_>>) -> Vec<Box<str>> {
    let list = value.as_ref().map(Loose::elements).unwrap_or_default();
    let mut words: Vec<Box<str>> = list.iter().filter_map(Loose::text).map(folded).collect();
    words.retain(|word| !word.is_empty());
    words.sort_unstable();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_read_with_numbers_in_texts_and_an_old_category() {
        let body =
            br#"{"name":"compss-hello-world","exec":"mf2c/compss-test:it2","exec_type":"compss","agent_type":"normal",
            "num_agents":"2","cpu_arch":"x86-64","os":"Linux","storage_min":100,"memory_min":"256.5","disk":-4,
            "category":{"cpu":"low"},"cpu_recommended":0.25,"memory_recommended":7,"disk_recommended":"x",
            "req_resource":["Location","location",""],"opt_resource":"SenseHat"}"#;
        let read = Service::read("service/1", body).unwrap();
        assert_eq!(
            (read.exec_type.clone(), read.agent_type, read.num_agents),
            (ExecType::Compss, Some(AgentType::Normal), Some(2))
        );
        assert_eq!((read.cpu_arch.clone(), read.os.as_deref()), (Some(ArchNeed::X86), Some("linux")));
        let amounts = [100.0, 256.5, 0.0].map(|it| Mebibytes::new(it).unwrap());
        assert_eq!([read.storage_min, read.memory_min, read.disk], amounts);
        assert_eq!((read.category, read.cpu_share, read.memory_share), (0, Percent::whole(25), Percent::FULL));
        assert_eq!((read.req_resource.len(), &*read.opt_resource[0]), (1, "sensehat"));
        assert!(read.wants_position());
    }

    #[test]
    fn what_is_not_said_is_not_asked_for() {
        let read = Service::read("service/1", br#"{"num_agents":0,"category":16,"os":" ","req_resource":["GPSless"]}"#)
            .unwrap();
        assert_eq!((read.num_agents, read.category, read.os.clone(), read.cpu_arch.clone()), (None, 0, None, None));
        assert_eq!((read.agent_type, read.exec_type.backend()), (None, None));
        assert!(!read.wants_position());
        assert!(Service::read("service/1", br#"{"req_resource":["GPS sensor"]}"#).unwrap().wants_position());
        assert_eq!(Service::read("service/1", b"null"), None);
        for (body, limit) in [
            (r#"{"limits":{"memory":64,"cpus":0.5}}"#, 64.0),
            (r#"{"limits":{"memory":"64"}}"#, 64.0),
            (r#"{"limits":{}}"#, 0.0),
            (r#"{"limits":[5]}"#, 0.0),
            (r#"{"limits":null}"#, 0.0),
        ] {
            let read = Service::read("service/1", body.as_bytes()).unwrap();
            assert_eq!(read.memory_limit, Mebibytes::new(limit).unwrap(), "{body}");
        }
    }
}
