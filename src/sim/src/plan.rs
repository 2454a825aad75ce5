//! Which fault happens when, to whom: drawn from the seed before anything runs, so that some can be left out and the rest stays
//! the same.

use std::fmt;
use std::time::Duration;

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::scenario::{FaultKind, Scenario};
use crate::script;

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its number, by which it can be kept or left out.
    pub number: usize,
    /// When it begins.
    pub at: Duration,
    /// When it is mended.
    pub until: Duration,
    /// What happens.
    pub what: What,
}

/// To whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// A host.
    Host(usize),
    /// Whoever leads an area at that moment; its first agent where nobody does.
    Leader(usize),
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Everything that the victim sends or gets takes longer.
    Spike(Victim, Duration),
    /// Packets of the victim are lost with this probability, in percent.
    Loss(Victim, u32),
    /// Nothing passes between these hosts and all others.
    Cut(Vec<usize>),
    /// The victim is cut off from everybody.
    Isolate(Victim),
    /// Nothing passes from the first to the second.
    OneWay(Victim, usize),
    /// All connections of the victim break.
    Reset(Victim),
    /// The process is killed and begins anew when the fault is mended.
    Kill(Victim),
    /// The machine loses its power.
    PowerOff(Victim),
    /// All machines of an area, or of all areas, lose their power.
    Blackout(Option<usize>),
    /// The wall clock jumps by so many milliseconds, and back at the end.
    Jump(Victim, i64),
    /// The wall clock gains so many microseconds a second.
    Drift(Victim, i64),
    /// The disk is full.
    Full(Victim),
    /// Syncs fail.
    BadSync(Victim),
    /// Reads fail.
    BadRead(Victim),
    /// It reads no more than so many bytes a second.
    LazyReader(Victim, u64),
    /// The process stands still (SIGSTOP).
    Pause(Victim),
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "agent {host}"),
            Self::Leader(area) => write!(f, "the leader of area {}", area + 1),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spike(who, by) => write!(f, "{} ms more on the lines of {who}", by.as_millis()),
            Self::Loss(who, percent) => write!(f, "{percent} % of the packets of {who} are lost"),
            Self::Cut(hosts) => write!(f, "agents {hosts:?} are cut off from all others"),
            Self::Isolate(who) => write!(f, "{who} is cut off from everybody"),
            Self::OneWay(who, to) => write!(f, "nothing passes from {who} to agent {to}"),
            Self::Reset(who) => write!(f, "all connections of {who} break"),
            Self::Kill(who) => write!(f, "{who} is killed"),
            Self::PowerOff(who) => write!(f, "{who} loses its power"),
            Self::Blackout(None) => write!(f, "everybody loses their power"),
            Self::Blackout(Some(area)) => write!(f, "all of area {} lose their power", area + 1),
            Self::Jump(who, by) => write!(f, "the wall clock of {who} jumps by {by} ms"),
            Self::Drift(who, by) => write!(f, "the wall clock of {who} gains {by} us a second"),
            Self::Full(who) => write!(f, "the disk of {who} is full"),
            Self::BadSync(who) => write!(f, "syncs of {who} fail"),
            Self::BadRead(who) => write!(f, "reads of {who} fail"),
            Self::LazyReader(who, rate) => write!(f, "{who} reads {rate} bytes a second"),
            Self::Pause(who) => write!(f, "{who} stands still"),
        }
    }
}

impl What {
    /// Whom it meets, where that is one agent.
    #[must_use]
    pub const fn victim(&self) -> Option<Victim> {
        match self {
            Self::Cut(_) | Self::Blackout(_) => None,
            Self::Spike(who, _)
            | Self::Loss(who, _)
            | Self::Isolate(who)
            | Self::OneWay(who, _)
            | Self::Reset(who)
            | Self::Kill(who)
            | Self::PowerOff(who)
            | Self::Jump(who, _)
            | Self::Drift(who, _)
            | Self::Full(who)
            | Self::BadSync(who)
            | Self::BadRead(who)
            | Self::LazyReader(who, _)
            | Self::Pause(who) => Some(*who),
        }
    }

    /// Of which kind it is.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Spike(..) | Self::Loss(..) | Self::Cut(_) | Self::Isolate(_) | Self::OneWay(..) | Self::Reset(_) => {
                FaultKind::Network
            }
            Self::Kill(_) | Self::PowerOff(_) | Self::Blackout(_) => FaultKind::Crash,
            Self::Jump(..) | Self::Drift(..) => FaultKind::Clock,
            Self::Full(_) | Self::BadSync(_) | Self::BadRead(_) => FaultKind::Disk,
            Self::LazyReader(..) | Self::Pause(_) => FaultKind::Slow,
        }
    }
}

/// Draws the faults of a run, and adds those that the scenario names. Storms and calms alternate; a fault ends with its storm at the latest.
#[must_use]
pub fn draw(seed: u64, scenario: &Scenario, fleet: &Fleet) -> Vec<Fault> {
    let faults = &scenario.faults;
    let mut found = vec![];
    let areas = if faults.kinds.is_empty() { 0 } else { fleet.areas() };
    for area in 0..areas {
        let mut dice = Dice::new(seed, "faults", area as u64);
        let mut begins = Duration::ZERO;
        while begins < scenario.duration.get() {
            let end = begins + faults.storm.get();
            // Agents need a moment to find together.
            let mut at = begins + Duration::from_secs(10) + dice.pause(faults.every.get());
            while at < end {
                let at_millis = Duration::from_millis(at.as_millis() as u64);
                let lasts = dice.pause(faults.lasts.get()).max(Duration::from_millis(50));
                let what = draw_one(&mut dice, &faults.kinds, area, fleet);
                let until = Duration::from_millis((at + lasts).min(end).as_millis() as u64);
                found.push(Fault { number: 0, at: at_millis, until, what });
                at += dice.pause(faults.every.get());
            }
            begins = end + faults.calm.get();
        }
    }
    found.retain(|fault| fault.at < scenario.duration.get());
    found.extend(script::faults(scenario, fleet));
    found.sort_by_key(|fault| fault.at);
    for (number, fault) in found.iter_mut().enumerate() {
        fault.number = number;
    }
    found
}

fn draw_one(dice: &mut Dice, kinds: &[FaultKind], area: usize, fleet: &Fleet) -> What {
    let hosts = fleet.hosts_of(area);
    let host = hosts.start + dice.index(hosts.len());
    let victim = match dice.below(10) {
        0..=3 => Victim::Leader(area),
        4 if fleet.cloud().is_some() => Victim::Host(fleet.cloud().unwrap_or(host)),
        _ => Victim::Host(host),
    };
    let kind = kinds.get(dice.index(kinds.len())).copied().unwrap_or(FaultKind::Network);
    let roll = dice.below(100);
    match kind {
        FaultKind::Network => match roll {
            0..=14 => What::Spike(victim, dice.between(Duration::from_millis(50), Duration::from_secs(3))),
            15..=34 => What::Loss(victim, 5 + dice.below(40) as u32),
            35..=49 => What::Cut(hosts.filter(|_| dice.hits(0.5)).collect()),
            50..=59 => What::Cut(hosts.collect()),
            60..=74 => What::Isolate(victim),
            75..=89 => What::OneWay(victim, host),
            _ => What::Reset(victim),
        },
        FaultKind::Crash => match roll {
            0..=54 => What::Kill(victim),
            55..=89 => What::PowerOff(victim),
            90..=97 => What::Blackout(Some(area)),
            _ => What::Blackout(None),
        },
        FaultKind::Clock => match roll {
            // Beyond ten minutes links are refused, which is another test.
            0..=69 => What::Jump(victim, dice.below(600_000) as i64 - 300_000),
            _ => What::Drift(victim, dice.below(1000) as i64 - 500),
        },
        FaultKind::Disk => match roll {
            0..=44 => What::Full(victim),
            45..=84 => What::BadSync(victim),
            _ => What::BadRead(victim),
        },
        FaultKind::Slow => match roll {
            0..=44 => What::LazyReader(victim, 200 + dice.below(5000)),
            _ => What::Pause(victim),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(kinds: &[FaultKind]) -> Scenario {
        let mut scenario = Scenario::default();
        scenario.faults.kinds = kinds.to_vec();
        scenario
    }

    #[test]
    fn a_plan_repeats_keeps_to_its_storms_and_has_only_the_kinds_that_were_asked_for() {
        let scenario = scenario(&[FaultKind::Crash, FaultKind::Clock]);
        let fleet = Fleet::new(&scenario);
        let plan = draw(5, &scenario, &fleet);
        assert_eq!(plan, draw(5, &scenario, &fleet));
        assert_ne!(plan, draw(6, &scenario, &fleet));
        assert!(plan.len() > 20, "{}", plan.len());
        let round = (scenario.faults.storm.get() + scenario.faults.calm.get()).as_millis();
        for (number, fault) in plan.iter().enumerate() {
            assert_eq!(fault.number, number);
            assert!(matches!(fault.what.kind(), FaultKind::Crash | FaultKind::Clock), "{}", fault.what);
            let began = fault.at.as_millis() % round;
            let lasted = (fault.until - fault.at).as_millis();
            assert!(began + lasted <= scenario.faults.storm.get().as_millis(), "{fault:?}");
        }
    }

    #[test]
    fn without_kinds_nothing_goes_wrong() {
        let scenario = scenario(&[]);
        assert_eq!(draw(5, &scenario, &Fleet::new(&scenario)), []);
    }
}
