//! What matters here of documents: reports, violations, instances and services.

use std::borrow::Cow;

use mf2c_domain::time::Timestamp;
use mf2c_sla::qos::Leanings;
use serde::Deserialize;

/// What stands in the place of a name that is not known.
const PLACEHOLDERS: [&str; 3] = ["", "-", "not-defined"];

/// A longer name, in bytes, is none: names are kept.
const LONGEST_NAME: usize = 256;

/// A link.
#[derive(Debug, Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    href: Cow<'a, str>,
}

/// A run, or the beginning of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) id: String,
    pub(super) instance: String,
    pub(super) operation: String,
    /// Where it ran; empty where that is not known.
    pub(super) node: String,
    /// How long it took; 0 while it goes on.
    pub(super) seconds: f64,
    /// How long it should take.
    pub(super) expected: f64,
    pub(super) ended: Timestamp,
}

impl Report {
    pub(super) fn read(id: &str, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            requesting_application_id: Link<'a>,
            operation_name: String,
            compute_node_id: String,
            execution_length: f64,
            start_time: String,
            expected_end_time: String,
        }
        let body: Body<'_> = serde_json::from_slice(body).ok()?;
        let start = Timestamp::parse(&body.start_time)?.nanos();
        let expected = Timestamp::parse(&body.expected_end_time)?.nanos();
        let length = body.execution_length.max(0.0);
        Some(Self {
            id: id.to_owned(),
            instance: body.requesting_application_id.href.into_owned(),
            operation: body.operation_name,
            node: body.compute_node_id,
            seconds: length,
            expected: expected.saturating_sub(start) as f64 / 1e9,
            ended: Timestamp::from_nanos(start.saturating_add((length * 1e9) as i128)),
        })
    }
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Violation {
    pub(super) id: String,
    pub(super) agreement: String,
    pub(super) report: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) at: Timestamp,
}

impl Violation {
    pub(super) fn read(id: &str, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            agreement_id: Link<'a>,
            #[serde(borrow)]
            report: Option<Link<'a>>,
            #[serde(borrow)]
            instance: Option<Link<'a>>,
            datetime: String,
        }
        let body: Body<'_> = serde_json::from_slice(body).ok()?;
        let href = |link: Option<Link<'_>>| link.map(|link| link.href.into_owned());
        Some(Self {
            id: id.to_owned(),
            agreement: body.agreement_id.href.into_owned(),
            report: href(body.report),
            instance: href(body.instance),
            at: Timestamp::parse(&body.datetime).unwrap_or_default(),
        })
    }
}

/// An instance, as far as it matters who runs what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    /// `service/…`.
    pub(super) service: String,
    /// `agreement/…`.
    pub(super) agreement: String,
    pub(super) agents: Vec<Agent>,
    /// How many agents it should have, as far as somebody has said so.
    pub(super) num_agents: Option<u64>,
}

/// An agent that runs an instance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Agent {
    /// The device, or what else it is known by; empty where it has no name.
    pub(super) device: String,
    url: String,
    pub(super) allow: bool,
}

impl Instance {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            service: String,
            agreement: String,
            #[serde(borrow)]
            agents: Vec<AgentBody<'a>>,
            num_agents: Option<u64>,
        }
        #[derive(Deserialize)]
        struct AgentBody<'a> {
            device_id: Option<String>,
            #[serde(borrow)]
            agent: Option<Link<'a>>,
            #[serde(default)]
            url: String,
            #[serde(default = "yes")]
            allow: bool,
        }
        fn yes() -> bool {
            true
        }
        let body: Body<'_> = serde_json::from_slice(body).ok()?;
        let agent = |agent: AgentBody<'_>| {
            let known = |name: &String| !PLACEHOLDERS.contains(&name.as_str()) && name.len() <= LONGEST_NAME;
            let device = agent.device_id.filter(known).map(|device| id("device", &device));
            let link = agent.agent.map(|link| link.href.into_owned()).filter(known);
            let device = device.or(link).or_else(|| Some(agent.url.clone()).filter(known)).unwrap_or_default();
            Agent { device, url: agent.url, allow: agent.allow }
        };
        Some(Self {
            service: id("service", &body.service),
            agreement: id("agreement", &body.agreement),
            agents: body.agents.into_iter().map(agent).collect(),
            num_agents: body.num_agents,
        })
    }

    /// The devices that an operation ran on: the one that its report names, or all of the instance where it names none of them.
    pub(super) fn ran_on(&self, node: &str) -> Vec<&str> {
        let named = self.agents.iter().filter(|agent| {
            let is_device = agent.device.strip_prefix("device/") == Some(node);
            !node.is_empty() && (agent.device == node || is_device || agent.url == node)
        });
        let mut found: Vec<&str> = named.map(|agent| agent.device.as_str()).collect();
        if found.is_empty() {
            found = self.agents.iter().map(|agent| agent.device.as_str()).collect();
        }
        found.retain(|device| !device.is_empty());
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// An id that was perhaps written without its type.
fn id(kind: &str, text: &str) -> String {
    let whole = text.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'));
    if whole { text.to_owned() } else { format!("{kind}/{text}") }
}

/// A service, as far as it has a category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Service {
    pub(super) leanings: Leanings,
    pub(super) category: u64,
    pub(super) num_agents: u64,
}

impl Service {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Body {
            cpu_recommended: f64,
            memory_recommended: f64,
            disk_recommended: f64,
            network_recommended: f64,
            category: u64,
            num_agents: u64,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        let leanings = Leanings {
            cpu: body.cpu_recommended,
            memory: body.memory_recommended,
            disk: body.disk_recommended,
            network: body.network_recommended,
        };
        Some(Self { leanings, category: body.category, num_agents: body.num_agents })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn instance(agents: Value) -> Instance {
        let body = json!({"service": "s1", "agreement": "agreement/a1", "agents": agents});
        Instance::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn agents_of_both_generations_have_a_name_and_placeholders_are_none() {
        let found = instance(json!([
            {"device_id": "x", "url": "10.0.0.1", "allow": false},
            {"device_id": "device/y", "url": "10.0.0.2"},
            {"agent": {"href": "agent/default-value"}, "url": "192.168.252.41"},
            {"device_id": "-", "url": "10.0.0.4"},
            {"device_id": "-", "url": "-"},
        ]));
        let names: Vec<&str> = found.agents.iter().map(|agent| agent.device.as_str()).collect();
        assert_eq!(names, ["device/x", "device/y", "agent/default-value", "10.0.0.4", ""]);
        assert_eq!((found.service.as_str(), found.agents[0].allow, found.agents[1].allow), ("service/s1", false, true));
    }

    #[test]
    fn an_operation_ran_where_its_report_says_or_everywhere() {
        let found = instance(json!([
            {"device_id": "x", "url": "10.0.0.1"}, {"device_id": "y", "url": "10.0.0.2"}, {"url": "-"},
        ]));
        for node in ["x", "device/x", "10.0.0.1"] {
            assert_eq!(found.ran_on(node), ["device/x"], "{node}");
        }
        for node in ["", "elsewhere", "-"] {
            let expected: &[&str] = if node == "-" { &[] } else { &["device/x", "device/y"] };
            assert_eq!(found.ran_on(node), expected, "{node}");
        }
    }

    #[test]
    fn a_report_that_says_only_how_long_it_took_has_all_times() {
        let body = json!({
            "requesting_application_id": {"href": "service-instance/i"}, "operation_name": "main", "compute_node_id": "",
            "execution_length": 50.0, "start_time": "2030-01-01T00:00:00Z", "expected_end_time": "2030-01-01T00:01:00Z",
        });
        let report = Report::read("service-operation-report/r", body.to_string().as_bytes()).unwrap();
        assert!((report.seconds - 50.0).abs() < 1e-9 && (report.expected - 60.0).abs() < 1e-9);
        assert_eq!(Some(report.ended), Timestamp::parse("2030-01-01T00:00:50Z"));
        assert_eq!(Report::read("x", b"[]"), None);
    }
}
