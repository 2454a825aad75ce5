//! Where an expression finds its values at one moment.

use crate::agreement::{Agreement, CallSource, Guarantee, Reading, Rule, Source};
use crate::availability::{Run, Runs};
use crate::expression::{Scope, Value};
use crate::window::Window;

use super::judge::Moment;
use super::subject::Subject;

/// The values of one rule at one moment. A variable that the report lacks has its last value of the same instance.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) agreement: &'a Agreement,
    pub(super) guarantee: &'a Guarantee,
    pub(super) rule: &'a Rule,
    pub(super) moment: &'a Moment<'a>,
    pub(super) windows: &'a [Window],
    pub(super) runs: &'a Runs,
    /// None for warnings: the slots of the last values are those of the constraint.
    pub(super) subject: Option<&'a Subject>,
}

impl Values<'_> {
    /// What this report or the containers say of a variable now.
    pub(super) fn measured(&self, slot: usize) -> Option<f64> {
        let report = self.moment.report;
        match self.rule.variables.get(slot)? {
            Source::ExecutionTime => report.map(|report| report.execution_time),
            Source::Error => report.and_then(|report| report.metric("error")),
            Source::Metric(name) => report.and_then(|report| report.metric(name)),
            Source::Availability { window } => self.availability(*window),
            Source::Window(reading) => self.window(*reading),
            Source::Operation | Source::Outcome => None,
        }
    }

    pub(super) fn called(&self, slot: usize) -> Option<f64> {
        match self.rule.calls.get(slot)? {
            CallSource::Window(reading) => self.window(*reading),
            CallSource::Availability { window } => self.availability(*window),
        }
    }

    fn window(&self, reading: Reading) -> Option<f64> {
        let place = usize::from(reading.window);
        self.windows.get(place)?.read(reading.function, self.agreement.windows.get(place)?.length)
    }

    fn availability(&self, window: i64) -> Option<f64> {
        let run: &Run = self.runs.of(self.moment.instance?)?;
        run.availability(window, self.agreement.creation, self.guarantee, self.moment.at)
    }
}

impl Scope for Values<'_> {
    fn variable(&self, slot: usize) -> Option<Value<'_>> {
        match (self.rule.variables.get(slot)?, self.moment.report) {
            (Source::Operation, Some(report)) => Some(Value::text(&report.operation)),
            (Source::Outcome, Some(report)) => Some(Value::text(&report.result)),
            // A window that is empty is not what it was.
            (Source::Window(_) | Source::Availability { .. }, _) => self.measured(slot).map(Value::Number),
            _ => self.measured(slot).or_else(|| self.subject?.last(slot)).map(Value::Number),
        }
    }

    fn call(&self, slot: usize) -> Option<f64> {
        self.called(slot)
    }
}
