//! A `service-instance` of either generation.

use serde::Deserialize;

use super::Loose;

/// One run of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The agreement's id, or what else stands in its place.
    pub agreement: String,
    /// The service's id.
    pub service: String,
    /// What runs it: `compss`, `docker`, ...
    pub service_type: String,
    /// What it does.
    pub status: String,
    /// Where it runs.
    pub agents: Vec<InstanceAgent>,
}

/// One agent that an instance runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAgent {
    /// The device's id, or the agent's.
    pub device: String,
    /// The container; empty or `-` before there is one.
    pub container: String,
    /// Whether it leads the COMPSs workers.
    pub master: bool,
    /// Whether the agent may run it.
    pub allow: bool,
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, default)]
    agreement: Option<Loose<'a>>,
    #[serde(borrow, default)]
    service: Option<Loose<'a>>,
    #[serde(borrow, default)]
    service_type: Option<Loose<'a>>,
    #[serde(borrow, default)]
    status: Option<Loose<'a>>,
    #[serde(borrow, default)]
    agents: Option<Vec<AgentShape<'a>>>,
}

#[derive(Deserialize)]
struct AgentShape<'a> {
    #[serde(borrow, default)]
    device_id: Option<Loose<'a>>,
    #[serde(borrow, default)]
    agent: Option<Loose<'a>>,
    #[serde(borrow, default)]
    container_id: Option<Loose<'a>>,
    master_compss: Option<bool>,
    master_comps: Option<bool>,
    allow: Option<bool>,
}

fn text(value: Option<Loose<'_>>) -> String {
    value.and_then(Loose::into_text).unwrap_or_default().into_owned()
}

impl Instance {
    /// Reads an instance; none if it is no instance. Missing parts are empty.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: Shape<'_> = serde_json::from_slice(body).ok()?;
        let agents = shape.agents.unwrap_or_default().into_iter().map(|agent| InstanceAgent {
            device: text(agent.device_id.or(agent.agent)),
            container: text(agent.container_id),
            master: agent.master_compss.or(agent.master_comps).unwrap_or(false),
            allow: agent.allow.unwrap_or(true),
        });
        Some(Self {
            id: id.to_owned(),
            agreement: text(shape.agreement),
            service: text(shape.service),
            service_type: text(shape.service_type),
            status: text(shape.status),
            agents: agents.collect(),
        })
    }

    /// The containers whose running is the instance's: of a COMPSs run the master's alone, if one is named.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        let compss = self.service_type == "compss" && self.agents.iter().any(|agent| agent.master);
        self.agents.iter().filter(move |agent| !compss || agent.master).filter_map(InstanceAgent::container)
    }

    /// All its containers, those of workers too: the first start among them is the beginning of the instance.
    pub fn every_container(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().filter_map(InstanceAgent::container)
    }
}

impl InstanceAgent {
    /// Its container, once there is one.
    fn container(&self) -> Option<&str> {
        Some(self.container.as_str()).filter(|container| !container.is_empty() && *container != "-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_of_instance_are_read() {
        let old = br#"{"status":"started","agreement":"agreement/1","service":"service/1","user":"u","agents":[
            {"agent":{"href":"agent/a"},"allow":true,"ports":[8081],"container_id":"10","master_comps":false,"status":"not-defined"}]}"#;
        let new =
            br#"{"agreement":"agreement/1","service":"service/1","service_type":"compss","status":"started","agents":[
            {"device_id":"device/a","container_id":"m","master_compss":true,"allow":true},
            {"device_id":"device/b","container_id":"w","allow":false}]}"#;
        let (old, new) = (Instance::read("i", old).unwrap(), Instance::read("i", new).unwrap());
        assert_eq!((old.agents[0].device.as_str(), old.containers().collect::<Vec<_>>()), ("agent/a", vec!["10"]));
        assert_eq!(new.containers().collect::<Vec<_>>(), ["m"]);
        assert_eq!(new.every_container().collect::<Vec<_>>(), ["m", "w"]);
        assert!(!new.agents[1].allow);
        assert!(Instance::read("i", br#"{"agents":null}"#).unwrap().agents.is_empty());
    }
}
