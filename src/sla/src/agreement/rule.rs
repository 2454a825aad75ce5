//! Where the values of a constraint come from: a report, a window, or how long containers ran.

use std::sync::Arc;

use super::MAX_WINDOWS;
use super::body::VariableShape;
use super::guarantee::{Exclusion, Filter, Rule, Trigger};
use crate::expression::{Expression, Fault, Function};
use crate::expressions::Expressions;

/// The length of a window must be at least this, in milliseconds.
const SHORTEST: i64 = 1000;
/// And at most this: 366 days.
const LONGEST: i64 = 366 * 86_400_000;

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    ExecutionTime,
    Error,
    Operation,
    Outcome,
    /// Of the last so many milliseconds; 0 is since the beginning.
    Availability {
        window: i64,
    },
    Metric(Arc<str>),
    Window(Reading),
}

/// Where the value of a call comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CallSource {
    Window(Reading),
    Availability { window: i64 },
}

/// One function of what is in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    /// Which of the agreement's windows.
    pub(crate) window: u16,
    pub(crate) function: Function,
}

/// A window over one metric of those reports that a filter takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowSpec {
    pub(crate) filter: Filter,
    pub(crate) metric: Arc<str>,
    /// Milliseconds.
    pub(crate) length: i64,
    /// Whether percentiles are asked of it.
    pub(crate) sketch: bool,
    /// What does not enter it.
    pub(crate) exclusions: Arc<[Exclusion]>,
}

impl WindowSpec {
    /// Whether a report of this operation and time enters it.
    pub(crate) fn takes(&self, operation: &str, at: i64) -> bool {
        self.filter.takes(operation) && !self.exclusions.iter().any(|exclusion| exclusion.covers(at))
    }
}

/// Binds the names of constraints to their sources, and gathers the windows.
pub(super) struct Binder<'a> {
    pub(super) shared: &'a mut Expressions,
    pub(super) variables: &'a [VariableShape<'a>],
    pub(super) windows: Vec<WindowSpec>,
    /// Of the guarantee at hand.
    pub(super) exclusions: Arc<[Exclusion]>,
}

impl Binder<'_> {
    pub(super) fn rule(&mut self, text: &str, filter: &Filter) -> Result<Rule, Arc<Fault>> {
        let expression = self.shared.constraint(text)?;
        let variables: Result<Vec<_>, _> = expression
            .variables()
            .iter()
            .map(|name| self.source(name, filter).map_err(|why| refused(why, name)))
            .collect();
        let calls: Result<Vec<_>, _> =
            (0..expression.calls().len()).map(|slot| self.call(&expression, slot, filter)).collect();
        let (variables, calls) = (variables?, calls?);
        let span = self.span(&variables, &calls);
        let trigger = trigger(&variables, &calls);
        Ok(Rule { expression, variables: variables.into(), calls: calls.into(), span, trigger })
    }

    fn source(&mut self, name: &str, filter: &Filter) -> Result<Source, String> {
        let declared = self.variables.iter().find(|variable| variable.name == name);
        let metric = declared.and_then(|variable| variable.metric.as_deref()).filter(|metric| !metric.is_empty());
        let metric = metric.unwrap_or(name).to_owned();
        let aggregation = declared.and_then(|variable| variable.aggregation.as_ref());
        let aggregation = aggregation.filter(|aggregation| aggregation.window > 0.0);
        let window = aggregation.map(|aggregation| (aggregation.window * 1000.0) as i64);
        if metric == "availability" {
            return Ok(Source::Availability { window: window.unwrap_or(0) });
        }
        let function = aggregation.and_then(|aggregation| function(&aggregation.kind));
        if let (Some(function), Some(window)) = (function, window) {
            return Ok(Source::Window(self.window(&metric, window, function, filter)?));
        }
        Ok(match metric.as_str() {
            "execution_time" => Source::ExecutionTime,
            "error" => Source::Error,
            "operation" | "operation_name" => Source::Operation,
            "result" => Source::Outcome,
            _ => Source::Metric(self.shared.name(&metric)),
        })
    }

    fn call(&mut self, expression: &Expression, slot: usize, filter: &Filter) -> Result<CallSource, Arc<Fault>> {
        let Some(call) = expression.calls().get(slot) else { return Ok(CallSource::Availability { window: 0 }) };
        let length = i64::try_from(call.window.as_millis()).unwrap_or(i64::MAX);
        let declared = self.variables.iter().find(|variable| *variable.name == *call.variable);
        let metric = declared.and_then(|variable| variable.metric.as_deref()).unwrap_or(&call.variable);
        if metric == "availability" {
            return match call.function {
                Function::Average => Ok(CallSource::Availability { window: length }),
                other => Err(refused(format!("its `{other}`, but it has only an `avg`"), "availability")),
            };
        }
        let reading = self.window(metric, length, call.function, filter).map_err(|why| refused(why, &call.variable))?;
        Ok(CallSource::Window(reading))
    }

    pub(super) fn window(
        &mut self,
        metric: &str,
        length: i64,
        function: Function,
        filter: &Filter,
    ) -> Result<Reading, String> {
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(format!("a window of {length} ms, but one second to 366 days are possible"));
        }
        let sketch = matches!(function, Function::Percentile(_));
        let exclusions = Arc::clone(&self.exclusions);
        let same = |spec: &WindowSpec| {
            *spec.metric == *metric && spec.length == length && spec.filter == *filter && spec.exclusions == exclusions
        };
        let window = match self.windows.iter().position(same) {
            Some(known) => known,
            None if self.windows.len() == MAX_WINDOWS => {
                return Err(format!("more than {MAX_WINDOWS} windows in one agreement: split it"));
            }
            None => {
                let metric = self.shared.name(metric);
                self.windows.push(WindowSpec { filter: filter.clone(), metric, length, sketch, exclusions });
                self.windows.len() - 1
            }
        };
        if let Some(spec) = self.windows.get_mut(window) {
            spec.sketch |= sketch;
        }
        Ok(Reading { window: u16::try_from(window).unwrap_or(u16::MAX), function })
    }

    fn span(&self, variables: &[Source], calls: &[CallSource]) -> i64 {
        let of = |reading: &Reading| self.windows.get(usize::from(reading.window)).map_or(0, |spec| spec.length);
        let variables = variables.iter().map(|source| match source {
            Source::Window(reading) => of(reading),
            Source::Availability { window } => *window,
            _ => 0,
        });
        let calls = calls.iter().map(|source| match source {
            CallSource::Window(reading) => of(reading),
            CallSource::Availability { window } => *window,
        });
        variables.chain(calls).max().unwrap_or(0)
    }
}

/// A value of a single report makes each report count by itself.
fn trigger(variables: &[Source], calls: &[CallSource]) -> Trigger {
    let timed = |source: &Source| matches!(source, Source::Availability { .. });
    let windows = variables.iter().any(|source| matches!(source, Source::Window(_)))
        || calls.iter().any(|call| matches!(call, CallSource::Window(_)));
    if variables.is_empty() && calls.is_empty() {
        Trigger::Never
    } else if variables.iter().any(|source| !timed(source) && !matches!(source, Source::Window(_))) {
        Trigger::Report
    } else if windows {
        Trigger::Window
    } else {
        Trigger::Time
    }
}

fn refused(message: String, variable: &str) -> Arc<Fault> {
    let expected = "windows that can be kept".to_owned();
    let message = format!("`{variable}` asks for {message}");
    Arc::new(Fault { position: 0, line: 1, column: 1, message, expected, hint: None })
}

/// The function of an aggregation's type; none for `none` and the words that the original's list has by accident.
fn function(kind: &str) -> Option<Function> {
    Some(match kind {
        "average" | "avg" => Function::Average,
        "sum" => Function::Sum,
        "min" => Function::Min,
        "max" => Function::Max,
        "last" => Function::Last,
        "count" => Function::Count,
        "rate" => Function::Rate,
        "ratio" => Function::Ratio,
        _ => Function::Percentile(kind.strip_prefix('p')?.parse().ok().filter(|rank| *rank > 0.0 && *rank < 100.0)?),
    })
}
