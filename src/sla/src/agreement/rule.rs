//! Where the values of a constraint come from: a report, a window, or how long containers ran.

use std::sync::Arc;

use super::body::VariableShape;
use super::guarantee::{Exclusion, Filter, Rule, Trigger};
use super::limits::MAX_WINDOWS;
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

impl<'a> Binder<'a> {
    pub(super) fn new(shared: &'a mut Expressions, variables: &'a [VariableShape<'a>]) -> Self {
        Self { shared, variables, windows: Vec::new(), exclusions: Arc::default() }
    }

    /// As [`Binder::rule`], of what a client sent: no placeholder, no text where a number belongs, and something to measure.
    pub(super) fn checked(&mut self, text: &str, filter: &Filter) -> Result<Rule, Arc<Fault>> {
        if let Some(at) = text.find("{{") {
            return Err(Arc::new(placeholder(text, at)));
        }
        let variables = self.variables;
        let is_text = |name: &str| {
            let (metric, windowed) = declared(variables, name);
            is_text(metric) && !matches!(windowed, Some((Some(_), _)))
        };
        Expression::typed(text, self.shared.grammar(), self.shared.unit(), &is_text).map_err(Arc::new)?;
        self.rule(text, filter)
    }

    pub(super) fn rule(&mut self, text: &str, filter: &Filter) -> Result<Rule, Arc<Fault>> {
        let expression = self.shared.constraint(text)?;
        let variables: Result<Vec<_>, _> = expression
            .variables()
            .iter()
            .map(|name| self.source(name, filter).map_err(|why| refused(text, &why, name, "")))
            .collect();
        let calls: Result<Vec<_>, _> =
            (0..expression.calls().len()).map(|slot| self.call(&expression, slot, filter)).collect();
        let (variables, calls) = (variables?, calls?);
        let span = self.span(&variables, &calls);
        let trigger = trigger(&variables, &calls);
        Ok(Rule { expression, variables: variables.into(), calls: calls.into(), span, trigger })
    }

    fn source(&mut self, name: &str, filter: &Filter) -> Result<Source, String> {
        let (metric, windowed) = declared(self.variables, name);
        let metric = metric.to_owned();
        if metric == "availability" {
            return match windowed {
                Some((Some(function), _)) if function != Function::Average => Err(only_average(function)),
                _ => Ok(Source::Availability { window: windowed.map_or(0, |(_, window)| window) }),
            };
        }
        if let Some((Some(function), window)) = windowed {
            if is_text(&metric) {
                return Err(format!("`{function}` of `{metric}`, which is a text"));
            }
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
        let (metric, _) = declared(self.variables, &call.variable);
        let from = format!("{}({}", call.function, call.variable);
        let fault = |why: String| refused(expression.text(), &why, &call.variable, &from);
        if metric == "availability" {
            return match call.function {
                Function::Average => Ok(CallSource::Availability { window: length }),
                other => Err(fault(only_average(other))),
            };
        }
        if is_text(metric) {
            return Err(fault(format!("`{}` of `{metric}`, which is a text", call.function)));
        }
        Ok(CallSource::Window(self.window(metric, length, call.function, filter).map_err(fault)?))
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

/// What a name in a constraint stands for: the metric, and how its values become one over how many milliseconds. The function is none
/// where only availability has a use for the window.
fn declared<'v>(variables: &'v [VariableShape<'_>], name: &'v str) -> (&'v str, Option<(Option<Function>, i64)>) {
    let declared = variables.iter().find(|variable| variable.name == name);
    let metric = declared.and_then(|variable| variable.metric.as_deref()).filter(|metric| !metric.is_empty());
    let aggregated = declared.and_then(|variable| variable.aggregation.as_ref()).filter(|how| how.window > 0.0);
    let windowed = aggregated.map(|how| (aggregation(&how.kind).ok().flatten(), (how.window * 1000.0) as i64));
    (metric.unwrap_or(name), windowed)
}

/// What of a report is a text; all else is a number.
fn is_text(metric: &str) -> bool {
    matches!(metric, "operation" | "operation_name" | "result")
}

fn only_average(function: Function) -> String {
    format!("its `{function}`, but it has only an `avg`")
}

/// What cannot be had of a variable, told at the place in the text where it is asked for.
fn refused(text: &str, why: &str, variable: &str, from: &str) -> Arc<Fault> {
    let found = text.find(from).filter(|_| !from.is_empty()).or_else(|| text.find(variable));
    let expected = "a value of a report, or an `avg` or another function of its numbers over 1s to 366d";
    let message = format!("`{variable}` asks for {why}");
    let hint = "numbers have functions over windows, as in `p95(execution_time, 5m)`, and availability has `avg`";
    Arc::new(Fault::new(text, found.unwrap_or(0), message, expected).hint(hint))
}

fn placeholder(text: &str, at: usize) -> Fault {
    let rest = text.get(at..).unwrap_or_default();
    let shown: String = rest.split_inclusive("}}").next().unwrap_or(rest).chars().take(40).collect();
    let fault = Fault::new(text, at, format!("an agreement has no placeholders such as `{shown}`"), "a value");
    fault.hint("write the value, or make it an `sla-template`, whose parameters fill placeholders")
}

/// The function of an aggregation's type; none for `none` and the words that the original's list has by accident.
///
/// # Errors
/// Where it is no type.
pub(super) fn aggregation(kind: &str) -> Result<Option<Function>, ()> {
    match kind {
        "" | "none" | "agreement" | "template" => Ok(None),
        named => Function::named(named).map(Some).ok_or(()),
    }
}
