//! `[sla]`: how reports are held against agreements.

use mf2c_actors::sla_assessor::SlaSettings;
use mf2c_sla::expression::TimeUnit;
use serde::{Deserialize, Serialize};

use super::words::ReportUnit;

/// `[sla]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sla {
    /// Whether this agent assesses agreements.
    pub enabled: bool,
    /// The unit of `execution_length` in reports, and so of `execution_time` in constraints.
    pub execution_time_unit: ReportUnit,
}

impl Default for Sla {
    fn default() -> Self {
        Self { enabled: true, execution_time_unit: ReportUnit::default() }
    }
}

impl Sla {
    /// What the assessor is told.
    #[must_use]
    pub const fn settings(&self) -> SlaSettings {
        let unit = match self.execution_time_unit {
            ReportUnit::Seconds => TimeUnit::Seconds,
            ReportUnit::Milliseconds => TimeUnit::Milliseconds,
        };
        SlaSettings { unit }
    }
}
