//! The areas of one's own fleet, one by one: how large each is, how many stand by in it, and which lines it has.

use std::collections::BTreeSet;

use mf2c_domain::area::spiffe::check_area;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::scenario::{LineSpec, Scenario, ScenarioError};

/// The most backups that an area can want.
const MOST_BACKUPS: usize = 7;
/// The cloud's area has this name.
pub const CLOUD: &str = "cloud";

/// One area: an `[[area]]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaSpec {
    /// What it is called.
    pub name: String,
    /// Its agents, the first leader among them.
    pub agents: usize,
    /// How many backups it wants, where so many are there.
    #[serde(default = "usual_backups")]
    pub backups: usize,
    /// Its line to the cloud and to other areas; `network.far` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<LineSpec>,
    /// The lines between its agents; `network.near` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<LineSpec>,
}

fn usual_backups() -> usize {
    mf2c_actors::leadership::Settings::default().backups
}

/// Reads `[[area]]` tables, and tells whoever has an `[area]` of old where its keys are now.
pub(crate) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<AreaSpec>, D::Error> {
    struct List;
    impl<'de> de::Visitor<'de> for List {
        type Value = Vec<AreaSpec>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an `[[area]]` table for each area; `heartbeat` and `election` stand in `[leadership]`")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut found = vec![];
            while let Some(area) = seq.next_element()? {
                found.push(area);
            }
            Ok(found)
        }
    }
    from.deserialize_seq(List)
}

/// What a file says itself of how many are there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    topology: Sizes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sizes {
    agents: Option<usize>,
    areas: Option<usize>,
}

/// Where the file names areas, they tell how many agents and areas there are.
pub(crate) fn count(scenario: &mut Scenario, Given { topology }: &Given) {
    if scenario.area.is_empty() {
        return;
    }
    if topology.agents.is_none() {
        scenario.topology.agents = scenario.area.iter().map(|area| area.agents).fold(0, usize::saturating_add);
    }
    if topology.areas.is_none() {
        scenario.topology.areas = scenario.area.len();
    }
}

impl Scenario {
    /// Whether the named areas can be run.
    pub(crate) fn check_areas(&self) -> Result<(), ScenarioError> {
        let wrong = |key: &str, value: &dyn ToString, expected: &str| {
            Err(ScenarioError::Value { key: key.to_owned(), value: value.to_string(), expected: expected.to_owned() })
        };
        if self.area.is_empty() {
            return Ok(());
        }
        let mut names = BTreeSet::new();
        for (at, area) in self.area.iter().enumerate() {
            let key = |key: &str| format!("{key}` of the {}. `[[area]]", at + 1);
            if area.name == CLOUD || check_area(&area.name).is_err() {
                let expected = "expected small letters, digits and hyphens, and another name than that of the cloud";
                return wrong(&key("name"), &format!("`{}`", area.name), expected);
            }
            if !names.insert(&area.name) {
                return wrong(&key("name"), &format!("`{}`", area.name), "expected a name that no other area has");
            }
            if area.agents == 0 {
                return wrong(&key("agents"), &0, "expected 1 or more");
            }
            if area.backups > MOST_BACKUPS {
                return wrong(&key("backups"), &area.backups, "expected 0 to 7");
            }
        }
        let agents = self.area.iter().map(|area| area.agents).fold(0, usize::saturating_add);
        if agents != self.topology.agents {
            let expected = format!("expected {agents}, as the `[[area]]` tables say, or nothing");
            return wrong("topology.agents", &self.topology.agents, &expected);
        }
        if self.area.len() != self.topology.areas {
            let expected = format!("expected {}, as there are `[[area]]` tables, or nothing", self.area.len());
            return wrong("topology.areas", &self.topology.areas, &expected);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "[[area]]\nname = 'quay'\nagents = 5\nbackups = 1\n[area.cloud]\nlatency = '300ms'\n[[area]]\nname = 'gate'\nagents = 2\n";

    #[test]
    fn named_areas_tell_how_many_agents_there_are_and_which_lines_they_have() {
        let scenario = Scenario::parse(TWO).unwrap();
        assert_eq!((scenario.topology.agents, scenario.topology.areas), (7, 2));
        let backups: Vec<usize> = scenario.area.iter().map(|area| area.backups).collect();
        assert_eq!(backups, [1, 2]);
        assert_eq!(scenario.area[0].cloud.as_ref().unwrap().latency.to_string(), "300ms");
        assert_eq!(Scenario::parse(&scenario.print()).unwrap(), scenario);
    }

    #[test]
    fn what_is_wrong_with_an_area_is_told_with_what_was_expected() {
        let refused = |text: &str| Scenario::parse(text).unwrap_err().to_string();
        assert!(
            refused(&TWO.replace("gate", "quay")).contains("`name` of the 2. `[[area]]` is `quay`: expected a name")
        );
        assert!(refused(&TWO.replace("gate", "cloud")).contains("another name than that of the cloud"));
        assert!(refused(&TWO.replace("gate", "The Gate")).contains("expected small letters"));
        assert!(refused(&TWO.replace("agents = 2", "agents = 0")).contains("`agents` of the 2. `[[area]]` is 0"));
        assert!(refused(&TWO.replace("backups = 1", "backups = 8")).contains("expected 0 to 7"));
        assert!(refused(&TWO.replace("agents = 2", "agent = 2")).contains("unknown field `agent`"));
        assert!(refused(&format!("[topology]\nagents = 9\n{TWO}")).contains("`topology.agents` is 9: expected 7, as"));
        assert!(refused(&format!("[topology]\nareas = 3\n{TWO}")).contains("`topology.areas` is 3: expected 2, as"));
        assert!(refused(&TWO.replace("'300ms'", "'2m'")).contains("`latency` of the `cloud` line of `quay` is 2m"));
        assert!(refused("[area]\nheartbeat = '200ms'").contains("`heartbeat` and `election` stand in `[leadership]`"));
    }
}
