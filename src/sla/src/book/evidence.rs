//! What shows that a promise was broken: values by their names, and the violation made of them.

use std::sync::Arc;

use super::judge::too_quiet;
use super::scope::Values;
use crate::agreement::{Trigger, WarningRule};
use crate::expression::{Bound, Scope as _, Value, Verdict};
use crate::finding::{Key, Violation};

/// A warning that does not hold, and the values that show it.
pub(super) type Warned = (Arc<str>, Vec<(Arc<str>, f64)>);

/// The names without values.
pub(super) fn missing(values: &Values<'_>) -> String {
    let expression = &values.rule.expression;
    let variables = expression.variables().iter().enumerate().filter(|(slot, _)| values.variable(*slot).is_none());
    let calls = expression.calls().iter().enumerate().filter(|(slot, _)| values.called(*slot).is_none());
    let names: Vec<String> =
        variables.map(|(_, name)| format!("`{name}`")).chain(calls.map(|(_, call)| format!("`{call}`"))).collect();
    format!("no value of {}", names.join(", "))
}

/// The values of variables and calls that are numbers, by name. JSON has no infinities, and no document would take one.
pub(super) fn numbers(values: &Values<'_>) -> Vec<(Arc<str>, f64)> {
    let expression = &values.rule.expression;
    let variables =
        expression.variables().iter().enumerate().filter_map(|(slot, name)| match values.variable(slot)? {
            Value::Number(number) => Some((Arc::from(&**name), number)),
            _ => None,
        });
    let calls = expression
        .calls()
        .iter()
        .enumerate()
        .filter_map(|(slot, call)| Some((call.to_string().into(), values.called(slot)?)));
    variables.chain(calls).filter(|(_, number)| number.is_finite()).collect()
}

/// The value that passes its bound; else the first.
pub(super) fn worst(values: &Values<'_>) -> Option<(Arc<str>, f64, Bound)> {
    let expression = &values.rule.expression;
    let variables =
        expression.variables().iter().enumerate().filter_map(|(slot, name)| match values.variable(slot)? {
            Value::Number(number) => Some((Arc::from(&**name), number, expression.threshold(name))),
            _ => None,
        });
    let calls = expression.calls().iter().enumerate().filter_map(|(slot, call)| {
        Some((Arc::from(call.to_string()), values.called(slot)?, expression.call_threshold(slot)))
    });
    let all: Vec<_> = variables.chain(calls).filter(|(_, number, _)| number.is_finite()).collect();
    let beyond = all.iter().find(|(_, number, threshold)| {
        threshold.is_some_and(|threshold| match threshold.bound {
            Bound::Upper => *number >= threshold.value,
            Bound::Lower => *number <= threshold.value,
        })
    });
    let (name, number, threshold) = beyond.or_else(|| all.first())?;
    Some((Arc::clone(name), *number, threshold.map_or(Bound::Upper, |threshold| threshold.bound)))
}

/// The violation, but for its key.
pub(super) fn violation(values: &Values<'_>) -> Violation {
    let (agreement, guarantee, moment) = (values.agreement, values.guarantee, values.moment);
    Violation {
        key: Key(0),
        agreement: Arc::clone(&agreement.id),
        guarantee: Arc::clone(&guarantee.name),
        datetime: moment.datetime,
        constraint: Arc::clone(&guarantee.constraint),
        values: numbers(values),
        report: moment.report.map(|report| report.id.to_owned()),
        instance: moment.instance.map(str::to_owned),
        skewed: moment.skewed,
        late: moment.late,
    }
}

/// The warning that does not hold, with its values.
pub(super) fn warning(values: &Values<'_>) -> Option<Warned> {
    let WarningRule { text, rule: Ok(rule) } = values.guarantee.extras.as_ref()?.warning.as_ref()? else { return None };
    let values = Values { rule, subject: None, ..*values };
    let broken =
        rule.trigger != Trigger::Never && rule.expression.holds(&values) == Ok(Verdict::Broken) && !too_quiet(&values);
    broken.then(|| (Arc::clone(text), numbers(&values)))
}
