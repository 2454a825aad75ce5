//! What a scenario may say: bounds of each value, and values that do not go together.

use std::time::Duration;

use mf2c_domain::quantity::HumanDuration;

use crate::scenario::{LineSpec, MOST_AGENTS, Scenario, ScenarioError, Topology};

/// The longest run, and the longest time between any two things.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// The shortest time between two things.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest way, to the moon and far beyond.
const FARTHEST: Duration = Duration::from_secs(60);
/// The widest line, in kilobytes a second.
const WIDEST: u64 = 1_000_000_000;
/// The most documents of an agent.
const MOST_DOCUMENTS: usize = 100_000;

fn wrong(key: &str, value: impl ToString, expected: &str) -> Result<(), ScenarioError> {
    Err(ScenarioError::Value { key: key.to_owned(), value: value.to_string(), expected: expected.to_owned() })
}

impl Scenario {
    /// Whether it can be run.
    ///
    /// # Errors
    /// [`ScenarioError::Value`].
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Topology { agents, areas, .. } = self.topology;
        if agents == 0 || agents > MOST_AGENTS {
            return wrong("topology.agents", agents, "expected 1 to 10000");
        }
        if areas == 0 || areas > agents || areas > 250 {
            return wrong("topology.areas", areas, "expected 1 to 250, and no more areas than agents");
        }
        self.check_areas()?;
        if self.duration.get() < Duration::from_secs(1) || self.duration.get() > LONGEST {
            return wrong("duration", self.duration, "expected `1s` to `366d`");
        }
        line(&self.network.near, |key| format!("network.near.{key}"))?;
        line(&self.network.far, |key| format!("network.far.{key}"))?;
        for area in &self.area {
            for (kind, spec) in [("near", &area.near), ("cloud", &area.cloud)] {
                let of = |key: &str| format!("{key}` of the `{kind}` line of `{}", area.name);
                spec.as_ref().map_or(Ok(()), |spec| line(spec, of))?;
            }
        }
        if self.load.documents == 0 || self.load.documents > MOST_DOCUMENTS {
            return wrong("load.documents", self.load.documents, "expected 1 to 100000");
        }
        self.check_times()?;
        self.check_leadership()?;
        self.check_faults()?;
        self.check_script()
    }

    fn check_times(&self) -> Result<(), ScenarioError> {
        let (load, faults) = (&self.load, &self.faults);
        let above = load.edit_from_above;
        for (key, value) in [
            ("load.sample", load.sample),
            ("load.publish", load.publish),
            ("load.write", load.write),
            ("load.edit_from_above", if above.get().is_zero() { load.write } else { above }),
            ("faults.every", faults.every),
            ("faults.lasts", faults.lasts),
            ("faults.storm", faults.storm),
            ("faults.calm", faults.calm),
            ("leadership.election", self.leadership.election),
        ] {
            if value.get() < SHORTEST || value.get() > LONGEST {
                return wrong(key, value, "expected `100ms` to `366d`");
            }
        }
        Ok(())
    }

    fn check_leadership(&self) -> Result<(), ScenarioError> {
        let (heartbeat, election) = (self.leadership.heartbeat, self.leadership.election);
        if heartbeat.get() < Duration::from_millis(10) || heartbeat.get() * 3 > election.get() {
            return wrong("leadership.heartbeat", heartbeat, "expected `10ms` to a third of `leadership.election`");
        }
        let nears = self.area.iter().filter_map(|area| area.near.as_ref()).chain([&self.network.near]);
        if nears.into_iter().any(|near| (near.latency.get() + near.jitter.get()) * 2 >= election.get()) {
            let expected =
                "expected more than it takes to cross `network.near` and come back: else nobody is ever elected";
            return wrong("leadership.election", election, expected);
        }
        Ok(())
    }

    fn check_faults(&self) -> Result<(), ScenarioError> {
        let faults = &self.faults;
        if faults.calm.get() < Duration::from_secs(30) {
            return wrong("faults.calm", faults.calm, "expected `30s` or more: agents must find together");
        }
        Ok(())
    }
}

fn line(line: &LineSpec, key: impl Fn(&str) -> String) -> Result<(), ScenarioError> {
    for (name, value) in [("latency", line.latency), ("jitter", line.jitter)] {
        let value: HumanDuration = value;
        if value.get() > FARTHEST {
            return wrong(&key(name), value, "expected at most `60s`");
        }
    }
    if line.kilobytes_per_second > WIDEST {
        let expected = "expected at most 1000000000, or 0 for no bound";
        return wrong(&key("kilobytes_per_second"), line.kilobytes_per_second, expected);
    }
    if !(0.0..=50.0).contains(&line.loss_percent) {
        return wrong(&key("loss_percent"), line.loss_percent, "expected 0 to 50");
    }
    Ok(())
}
