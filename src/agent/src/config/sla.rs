//! `[sla]`: how reports are held against agreements.

use mf2c_actors::sla_assessor::SlaSettings;
use mf2c_facade::sla::SlaRules;
use mf2c_sla::Tolerance;
use mf2c_sla::expression::TimeUnit;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;
use super::words::ReportUnit;

/// `[sla]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sla {
    /// Whether this agent assesses agreements.
    pub enabled: bool,
    /// The unit of `execution_length` in reports, and so of `execution_time` in constraints.
    pub execution_time_unit: ReportUnit,
    /// How late a report may be and still count in windows.
    pub max_lateness: HumanDuration,
    /// How far ahead of its arrival an operation may have ended.
    pub max_future_skew: HumanDuration,
    /// Where the original's SLA endpoints answer besides at the API's address, if anywhere; the original's port is 46030.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// Whether an agreement with a constraint that cannot be assessed is refused.
    pub strict_expressions: bool,
    /// Whether the agent makes the ids of what is created at the original's endpoints; else the body brings them.
    pub external_ids: bool,
}

impl Default for Sla {
    fn default() -> Self {
        let execution_time_unit = ReportUnit::default();
        let (max_lateness, max_future_skew) = (HumanDuration::from_secs(120), HumanDuration::from_secs(5));
        Self {
            enabled: true,
            execution_time_unit,
            max_lateness,
            max_future_skew,
            listen: None,
            strict_expressions: true,
            external_ids: true,
        }
    }
}

impl Sla {
    /// The unit of times in reports.
    #[must_use]
    pub const fn unit(&self) -> TimeUnit {
        match self.execution_time_unit {
            ReportUnit::Seconds => TimeUnit::Seconds,
            ReportUnit::Milliseconds => TimeUnit::Milliseconds,
        }
    }

    /// What the assessor is told.
    #[must_use]
    pub const fn settings(&self) -> SlaSettings {
        let tolerance = Tolerance { lateness: self.max_lateness.get(), skew: self.max_future_skew.get() };
        SlaSettings { unit: self.unit(), tolerance }
    }

    /// What agreements must hold, whoever edits them.
    #[must_use]
    pub const fn agreements(&self) -> mf2c_sla::Rules {
        mf2c_sla::Rules { strict: self.strict_expressions, unit: self.unit() }
    }

    /// What the facade is told.
    #[must_use]
    pub const fn rules(&self) -> SlaRules {
        SlaRules { strict: self.strict_expressions, external_ids: self.external_ids, unit: self.unit() }
    }
}

impl Check<'_> {
    pub(super) fn sla(&mut self, config: &Config) {
        self.alone(config, "sla.listen");
        self.time("sla.max_lateness", config.sla.max_lateness, 1000, 3600);
        self.time("sla.max_future_skew", config.sla.max_future_skew, 0, 3600);
    }
}
