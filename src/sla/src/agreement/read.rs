//! From the stored document to the compiled agreement.

use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::time::Timestamp;
use serde_json::Value;

use super::body::{Body, ExclusionShape, GuaranteeShape, PenaltyShape, SloShape};
use super::guarantee::{Absent, Budgeting, Exclusion, Extras, Filter, Guarantee, Penalty, Slo, WarningRule};
use super::rule::Binder;
use super::{Agreement, AgreementError, limits};
use crate::expression::Function;
use crate::expressions::Expressions;
use crate::period::Period;
use crate::state::State;

/// The window of a penalty that falls due once a window and names none: an hour.
const PENALTY_WINDOW: u32 = 3600;
/// The slice of a budget of slices that names none: a minute.
const SLICE: u32 = 60;
/// An exclusion comes again after an hour at the earliest, in milliseconds.
const OFTENEST: i64 = 3_600_000;

pub(super) fn agreement(id: &str, bytes: &[u8], shared: &mut Expressions) -> Result<Agreement, AgreementError> {
    let shape = |source| AgreementError::Shape { id: id.to_owned(), source };
    let body: Body<'_> = serde_json::from_slice(bytes).map_err(shape)?;
    let details = body.details;
    if let Some(excess) = limits::excesses(&details).first() {
        return Err(AgreementError::TooLarge {
            id: id.to_owned(),
            place: excess.place.clone(),
            what: excess.message(),
        });
    }
    let mut binder = Binder::new(shared, &details.variables);
    let mut guarantees: Vec<Guarantee> = Vec::with_capacity(details.guarantees.len());
    for shape in &details.guarantees {
        let namesake = guarantees.iter().filter(|earlier| *earlier.name == *shape.name).count();
        guarantees.push(guarantee(shape, u32::try_from(namesake).unwrap_or(u32::MAX), &mut binder));
    }
    let windows = binder.windows.into();
    let name = body.name.or(details.name).unwrap_or_default();
    Ok(Agreement {
        id: id.into(),
        name: shared.name(&name),
        client: shared.name(details.client.as_ref().map_or("", |client| &client.id)),
        state: State::of(body.state.as_deref().unwrap_or_default()),
        creation: details.creation.as_deref().and_then(Timestamp::parse).unwrap_or_default(),
        expiration: details.expiration.as_deref().and_then(Timestamp::parse),
        made: body.created.as_deref().and_then(Timestamp::parse),
        lateness: millis(shared.tolerance().lateness),
        skew: millis(shared.tolerance().skew),
        updated: body.updated.as_deref().and_then(Timestamp::parse),
        guarantees: guarantees.into(),
        windows,
        assessed: body.assessment.map(Box::new),
    })
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn guarantee(shape: &GuaranteeShape<'_>, namesake: u32, binder: &mut Binder<'_>) -> Guarantee {
    let filter = filter(shape, binder);
    if !shape.exclusions.is_empty() || !binder.exclusions.is_empty() {
        binder.exclusions = exclusions_of(shape);
    }
    let rule = binder.rule(&shape.constraint, &filter);
    let constraint = binder.shared.name(&shape.constraint);
    let plain = shape.warning.is_none()
        && shape.penalties.is_empty()
        && shape.slo.is_none()
        && shape.exclusions.is_empty()
        && shape.absent.is_none()
        && shape.hysteresis.is_none()
        && shape.minimum.is_none();
    let extras = (!plain).then(|| Box::new(extras(shape, &filter, binder)));
    Guarantee { name: binder.shared.name(&shape.name), namesake, constraint, rule, filter, extras }
}

pub(super) fn filter(shape: &GuaranteeShape<'_>, binder: &mut Binder<'_>) -> Filter {
    let scope = shape.scope.as_deref().filter(|scope| !scope.is_empty()).unwrap_or(&shape.name);
    match scope {
        "*" => Filter::All,
        // A name may hold any character; only a scope is a pattern.
        pattern if shape.scope.is_some() && pattern.contains('*') => Filter::Glob(binder.shared.name(pattern)),
        name => Filter::Named(binder.shared.name(name)),
    }
}

fn extras(shape: &GuaranteeShape<'_>, filter: &Filter, binder: &mut Binder<'_>) -> Extras {
    let warning = shape.warning.as_deref().filter(|warning| !warning.trim().is_empty());
    let warning = warning.map(|text| WarningRule { text: binder.shared.name(text), rule: binder.rule(text, filter) });
    let minimum = shape.minimum.as_ref().and_then(|minimum| {
        let length = i64::from(minimum.window) * 1000;
        Some((minimum.count, binder.window("execution_time", length, Function::Count, filter).ok()?))
    });
    let hysteresis = shape.hysteresis.as_ref();
    Extras {
        warning,
        penalties: shape.penalties.iter().filter_map(|penalty_shape| penalty(penalty_shape, binder.shared)).collect(),
        slo: shape.slo.as_ref().and_then(|shape| slo(shape).ok()),
        exclusions: binder.exclusions.iter().copied().collect(),
        absent: match shape.absent.as_deref() {
            Some("violation") => Absent::Violation,
            Some("warning") => Absent::Warning,
            _ => Absent::Undetermined,
        },
        breach: hysteresis.and_then(|hysteresis| hysteresis.breach).unwrap_or(1).max(1),
        recover: hysteresis.and_then(|hysteresis| hysteresis.recover).unwrap_or(1).max(1),
        minimum,
    }
}

/// The original's values are texts.
pub(super) fn amount(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite() && *number >= 0.0)
}

fn penalty(shape: &PenaltyShape, shared: &mut Expressions) -> Option<Penalty> {
    let windowed = shape.per.as_deref() == Some("window");
    let window = windowed.then(|| i64::from(shape.window.unwrap_or(PENALTY_WINDOW).max(1)) * 1000);
    Some(Penalty {
        kind: shared.name(&shape.kind),
        value: amount(&shape.value)?,
        unit: shared.name(&shape.unit),
        window,
        cap: shape.cap.filter(|cap| *cap >= 0.0),
        period: shape.period.map(|period| i64::from(period.max(1)) * 1000),
    })
}

pub(super) fn slo(shape: &SloShape) -> Result<Slo, &'static str> {
    let share = |share: f64| share > 0.0 && share < 1.0;
    if !share(shape.objective) {
        return Err("`objective` is not a number between 0 and 1, such as 0.99");
    }
    let target = shape.slice_target.unwrap_or(shape.objective);
    if !(target > 0.0 && target <= 1.0) {
        return Err("`slice_target` is not a number above 0, and at most 1");
    }
    let window = Period::parse(&shape.window).map(Period::millis).filter(|window| *window >= 60_000);
    let window = window.ok_or("`window` is not a period of at least a minute, such as 28d")?;
    let slice = i64::from(shape.slice.unwrap_or(SLICE).max(1)) * 1000;
    let budgeting = match shape.budgeting.as_deref() {
        None | Some("occurrences") => Budgeting::Occurrences,
        Some("timeslices") => Budgeting::Timeslices { slice, target },
        Some("ratio_timeslices") => Budgeting::RatioTimeslices { slice },
        Some(_) => return Err("`budgeting` is not one of occurrences, timeslices, ratio_timeslices"),
    };
    if slice > window / 10 && !matches!(budgeting, Budgeting::Occurrences) {
        return Err("`slice` is longer than a tenth of `window`");
    }
    Ok(Slo { objective: shape.objective, window, budgeting })
}

pub(super) fn exclusions_of(shape: &GuaranteeShape<'_>) -> Arc<[Exclusion]> {
    shape.exclusions.iter().filter_map(exclusion).collect()
}

/// None where it makes no sense, and where it comes again before it is over or so often that the times between are not worth a look.
pub(super) fn exclusion(shape: &ExclusionShape) -> Option<Exclusion> {
    let millis = |text: &str| Timestamp::parse(text).map(crate::window::millis);
    let every = match shape.every.as_deref() {
        Some(every) => Some(Period::parse(every)?.millis()),
        None => None,
    };
    let exclusion = Exclusion { start: millis(&shape.start)?, end: millis(&shape.end)?, every };
    let length = exclusion.end.checked_sub(exclusion.start).filter(|length| *length > 0)?;
    exclusion.every.is_none_or(|every| every >= length.max(OFTENEST)).then_some(exclusion)
}
