//! Faults that a scenario file names one by one, `[[fault]]`: what happens when to whom.

use std::time::Duration;

use mf2c_domain::quantity::HumanDuration;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::plan::{Fault, Victim, What};
use crate::scenario::{Scenario, ScenarioError};

/// The most of them.
const MOST_FAULTS: usize = 10_000;
/// The most that a clock jumps: beyond, links are refused, which is another matter than what is looked at here.
const FARTHEST_JUMP: Duration = Duration::from_secs(600);

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// When it begins.
    pub at: HumanDuration,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: HumanDuration,
    /// What happens.
    pub what: Deed,
    /// To whom: `everybody`, `cloud`, an area by its name, `leader of AREA`, or `agent N of AREA`, from 1 on.
    pub whom: String,
    /// How many packets are lost, in percent: of `loss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// How much later everything comes, or how far the clock jumps ahead: of `delay` and `clock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HumanDuration>,
    /// How much is read: of `slow-reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Nothing passes between these and all others.
    Cut,
    /// Packets are lost.
    Loss,
    /// Everything comes later.
    Delay,
    /// All connections break, once.
    Reset,
    /// The process is killed, and begins anew at the end.
    Kill,
    /// The machine loses its power, and has it again at the end.
    PowerOff,
    /// The process stands still.
    Pause,
    /// The wall clock is ahead.
    Clock,
    /// The disk is full.
    DiskFull,
    /// Syncs fail.
    BadSync,
    /// Reads fail.
    BadRead,
    /// Little is read from connections.
    SlowReader,
}

/// Whom a fault meets, as the file says it.
enum Whom {
    Everybody,
    Area(usize),
    One(Victim),
}

impl FaultSpec {
    fn whom(&self, fleet: &Fleet) -> Option<Whom> {
        let area = |name: &str| (0..fleet.areas()).find(|area| fleet.name_of(*area) == name);
        let words: Vec<&str> = self.whom.split_whitespace().collect();
        Some(match words.as_slice() {
            ["everybody"] => Whom::Everybody,
            ["cloud"] => Whom::One(Victim::Host(fleet.cloud()?)),
            ["leader", "of", name] => Whom::One(Victim::Leader(area(name)?)),
            ["agent", number, "of", name] => {
                let number = number.parse::<usize>().ok()?.checked_sub(1)?;
                Whom::One(Victim::Host(fleet.hosts_of(area(name)?).nth(number)?))
            }
            [name] => Whom::Area(area(name)?),
            _ => return None,
        })
    }

    /// What happens to one agent; what is wrong with the amount, where something is.
    fn to(&self, who: Victim) -> Result<What, (&'static str, &'static str)> {
        let given = [self.percent.is_some(), self.by.is_some(), self.bytes_per_second.is_some()];
        let takes = match self.what {
            Deed::Loss => [true, false, false],
            Deed::Delay | Deed::Clock => [false, true, false],
            Deed::SlowReader => [false, false, true],
            _ => [false; 3],
        };
        for ((key, given), takes) in ["percent", "by", "bytes_per_second"].into_iter().zip(given).zip(takes) {
            match (given, takes) {
                (true, false) => return Err((key, "expected nothing: this fault has no such amount")),
                (false, true) => return Err((key, "expected an amount: this fault needs it")),
                _ => {}
            }
        }
        let by = self.by.map(HumanDuration::get).unwrap_or_default();
        Ok(match self.what {
            Deed::Cut => What::Isolate(who),
            Deed::Loss => match self.percent.unwrap_or_default() {
                percent @ 1..=90 => What::Loss(who, percent),
                _ => return Err(("percent", "expected 1 to 90; nothing at all passes with `cut`")),
            },
            Deed::Delay if by.is_zero() || by > Duration::from_secs(60) => {
                return Err(("by", "expected `1ms` to `60s`"));
            }
            Deed::Delay => What::Spike(who, by),
            Deed::Reset => What::Reset(who),
            Deed::Kill => What::Kill(who),
            Deed::PowerOff => What::PowerOff(who),
            Deed::Pause => What::Pause(who),
            Deed::Clock if by.is_zero() || by > FARTHEST_JUMP => return Err(("by", "expected `1ms` to `10m`")),
            Deed::Clock => What::Jump(who, i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
            Deed::DiskFull => What::Full(who),
            Deed::BadSync => What::BadSync(who),
            Deed::BadRead => What::BadRead(who),
            Deed::SlowReader => match self.bytes_per_second.unwrap_or_default() {
                rate @ 1..=1_000_000_000 => What::LazyReader(who, rate),
                _ => return Err(("bytes_per_second", "expected 1 to 1000000000")),
            },
        })
    }

    /// All that happens, to each agent that it meets where it is not one thing for all of them.
    fn all(&self, fleet: &Fleet) -> Vec<What> {
        let each = |hosts: &mut dyn Iterator<Item = usize>| {
            hosts.filter_map(|host| self.to(Victim::Host(host)).ok()).collect::<Vec<_>>()
        };
        match (self.whom(fleet), self.what) {
            (None, _) => vec![],
            (Some(Whom::One(who)), _) => self.to(who).into_iter().collect(),
            (Some(Whom::Area(area)), Deed::Cut) => vec![What::Cut(fleet.hosts_of(area).collect())],
            (Some(Whom::Area(area)), Deed::PowerOff) => vec![What::Blackout(Some(area))],
            (Some(Whom::Everybody), Deed::PowerOff) => vec![What::Blackout(None)],
            (Some(Whom::Area(area)), _) => each(&mut fleet.hosts_of(area)),
            (Some(Whom::Everybody), _) => each(&mut (0..fleet.len())),
        }
    }
}

/// The faults that the scenario names, without numbers.
#[must_use]
pub(crate) fn faults(scenario: &Scenario, fleet: &Fleet) -> Vec<Fault> {
    let mut found = vec![];
    for spec in &scenario.fault {
        let (at, until) = (spec.at.get(), spec.at.get().saturating_add(spec.lasts.get()));
        found.extend(spec.all(fleet).into_iter().map(|what| Fault { number: 0, at, until, what }));
    }
    found
}

impl Scenario {
    /// Whether the named faults can happen.
    pub(crate) fn check_script(&self) -> Result<(), ScenarioError> {
        let fleet = Fleet::new(self);
        if self.fault.len() > MOST_FAULTS {
            let expected = format!("expected at most {MOST_FAULTS}");
            return Err(ScenarioError::Value { key: "fault".into(), value: self.fault.len().to_string(), expected });
        }
        for (at, fault) in self.fault.iter().enumerate() {
            let wrong = |key: &str, value: String, expected: String| {
                let key = format!("{key}` of the {}. `[[fault]]", at + 1);
                Err(ScenarioError::Value { key, value, expected })
            };
            let end = fault.at.get().saturating_add(fault.lasts.get());
            if fault.lasts.get() < Duration::from_millis(50) {
                return wrong("for", fault.lasts.to_string(), "expected `50ms` or more".to_owned());
            }
            if fault.whom(&fleet).is_none() {
                let names: Vec<&str> = (0..fleet.areas()).take(8).map(|area| fleet.name_of(area)).collect();
                let expected = format!(
                    "expected `everybody`, `cloud` where there is one, an area ({}), `leader of AREA`, or `agent N of AREA`, \
                     from 1 on",
                    names.join(", ")
                );
                return wrong("whom", format!("`{}`", fault.whom), expected);
            }
            if let Err((key, expected)) = fault.to(Victim::Host(0)) {
                let value = match key {
                    "percent" => fault.percent.map(|it| it.to_string()),
                    "by" => fault.by.map(|it| it.to_string()),
                    _ => fault.bytes_per_second.map(|it| it.to_string()),
                };
                return wrong(key, value.unwrap_or_else(|| "not there".to_owned()), expected.to_owned());
            }
            let storm = crate::run::storms(self)
                .into_iter()
                .find(|(begins, ends)| (*begins..*ends).contains(&fault.at.get()) && end <= *ends);
            if storm.is_none() {
                let expected = "expected it to end before the run does, and not to touch a calm, at whose end all must agree: see \
                                `duration`, `faults.storm` and `faults.calm`";
                let value = format!("{}, and it lasts for {}", fault.at, fault.lasts);
                return wrong("at", value, expected.to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    const FLEET: &str = "duration = '5m'\n[[area]]\nname = 'quay'\nagents = 3\n[[area]]\nname = 'gate'\nagents = 2\n[faults]\nkinds = []\n";

    fn plan_of(faults: &str) -> Vec<String> {
        let scenario = Scenario::parse(&format!("{FLEET}{faults}")).unwrap();
        assert_eq!(Scenario::parse(&scenario.print()).unwrap(), scenario);
        plan::draw(1, &scenario, &Fleet::new(&scenario)).iter().map(|fault| fault.what.to_string()).collect()
    }

    fn fault(rest: &str) -> String {
        format!("[[fault]]\nat = '1m'\nfor = '30s'\n{rest}\n")
    }

    #[test]
    fn what_happens_to_whom_is_as_the_file_says() {
        let of = |what: &str, whom: &str| plan_of(&fault(&format!("what = '{what}'\nwhom = '{whom}'")));
        assert_eq!(of("kill", "leader of gate"), ["the leader of area 2 is killed"]);
        assert_eq!(of("pause", "agent 2 of gate"), ["agent 4 stands still"]);
        assert_eq!(of("cut", "quay"), ["agents [0, 1, 2] are cut off from all others"]);
        assert_eq!(of("power-off", "gate"), ["all of area 2 lose their power"]);
        assert_eq!(of("power-off", "everybody"), ["everybody loses their power"]);
        assert_eq!(of("disk-full", "gate"), ["the disk of agent 3 is full", "the disk of agent 4 is full"]);
        assert_eq!(of("reset", "cloud"), ["all connections of agent 5 break"]);
        let loss = fault("what = 'loss'\nwhom = 'leader of quay'\npercent = 30");
        assert_eq!(plan_of(&loss), ["30 % of the packets of the leader of area 1 are lost"]);
        let both = format!("{}{}", loss.replace("1m", "2m"), fault("what = 'clock'\nwhom = 'cloud'\nby = '3m'"));
        assert!(plan_of(&both)[0].contains("jumps by 180000 ms"), "they come in the order of their times");
    }

    #[test]
    fn what_is_wrong_with_a_fault_is_told_with_what_was_expected() {
        let refused = |text: &str| Scenario::parse(&format!("{FLEET}{}", fault(text))).unwrap_err().to_string();
        let whom = refused("what = 'kill'\nwhom = 'leader of harbour'");
        assert!(whom.contains("`whom` of the 1. `[[fault]]` is `leader of harbour`") && whom.contains("(quay, gate)"));
        assert!(refused("what = 'kill'\nwhom = 'agent 3 of gate'").contains("`agent N of AREA`"));
        assert!(refused("what = 'kill'\nwhom = 'agent 0 of gate'").contains("from 1 on"));
        assert!(refused("what = 'flood'\nwhom = 'gate'").contains("unknown variant `flood`"));
        assert!(refused("what = 'loss'\nwhom = 'gate'").contains("`percent` of the 1. `[[fault]]` is not there"));
        assert!(refused("what = 'loss'\nwhom = 'gate'\npercent = 100").contains("expected 1 to 90"));
        assert!(
            refused("what = 'kill'\nwhom = 'gate'\nby = '1s'")
                .contains("`by` of the 1. `[[fault]]` is 1s: expected nothing")
        );
        assert!(refused("what = 'clock'\nwhom = 'gate'\nby = '1h'").contains("expected `1ms` to `10m`"));
        let late = fault("what = 'kill'\nwhom = 'gate'").replace("1m", "290s");
        assert!(
            Scenario::parse(&format!("{FLEET}{late}")).unwrap_err().to_string().contains("290s, and it lasts for 30s")
        );
    }

    #[test]
    fn besides_those_that_come_by_chance_a_fault_does_not_touch_a_calm() {
        let text = format!("{FLEET}{}", fault("what = 'kill'\nwhom = 'gate'"));
        let text = text.replace("kinds = []", "kinds = ['network']\nstorm = '80s'");
        assert!(Scenario::parse(&text).unwrap_err().to_string().contains("not to touch a calm"));
    }
}
