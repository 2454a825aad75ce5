//! The share of a time during which a service could be reached: the union of the intervals in which its containers ran.

use mf2c_domain::time::Timestamp;

use crate::agreement::Guarantee;
use crate::document::{ContainerMetric, Instance};
use crate::window::millis;

/// The most intervals remembered of one instance; the oldest go first.
const MAX_INTERVALS: usize = 4096;

/// The most instances remembered of one agreement; who was heard of first goes first.
const MAX_RUNS: usize = 4096;

/// When the containers of an agreement's instances ran.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
}

/// When the containers of one instance ran.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) instance: Box<str>,
    /// The first start of any of its containers, workers included: before it, it was not there at all.
    since: i64,
    /// Disjoint and in order.
    up: Vec<(i64, i64)>,
}

impl Runs {
    /// Replaces what is known of an instance.
    pub(crate) fn set(&mut self, instance: &Instance, metrics: &[ContainerMetric]) {
        self.remove(&instance.id);
        let any = |metric: &&ContainerMetric| instance.every_container().any(|container| container == metric.container);
        let Some(since) = metrics.iter().filter(any).map(|metric| millis(metric.start)).min() else { return };
        let counted = |metric: &&ContainerMetric| instance.containers().any(|container| container == metric.container);
        let interval = |metric: &ContainerMetric| (millis(metric.start), metric.stop.map_or(i64::MAX, millis));
        let mut up = union(metrics.iter().filter(counted).map(interval).collect());
        let all = up.len();
        up.drain(..up.len().saturating_sub(MAX_INTERVALS));
        // Before the first one that is remembered nothing is known.
        let since = if all > up.len() { up.first().map_or(since, |(start, _)| *start) } else { since };
        if self.runs.len() >= MAX_RUNS {
            self.runs.remove(0);
        }
        self.runs.push(Run { instance: instance.id.as_str().into(), since, up });
    }

    /// Forgets an instance.
    pub(crate) fn remove(&mut self, instance: &str) {
        self.runs.retain(|run| *run.instance != *instance);
    }

    pub(crate) fn of(&self, instance: &str) -> Option<&Run> {
        self.runs.iter().find(|run| *run.instance == *instance)
    }

    pub(crate) fn all(&self) -> &[Run] {
        &self.runs
    }
}

impl Run {
    /// The percentage of the last `window` milliseconds (0: of all the time since the beginning) in which it was up, without what
    /// the guarantee excludes. None before a whole window has passed since the agreement and the instance began (A18).
    pub(crate) fn availability(
        &self,
        window: i64,
        creation: Timestamp,
        guarantee: &Guarantee,
        now: i64,
    ) -> Option<f64> {
        let beginning = self.since.max(millis(creation));
        let from = if window == 0 { beginning } else { now.saturating_sub(window) };
        if from < beginning || from >= now {
            return None;
        }
        let mut excluded = Vec::new();
        // What cannot be counted whole is not known.
        if !guarantee.exclusions().iter().all(|exclusion| exclusion.within(from, now, &mut excluded)) {
            return None;
        }
        let excluded = union(excluded);
        let whole = now - from - length(&excluded, from, now);
        let mut up = 0;
        for (start, end) in &self.up {
            let (start, end) = ((*start).max(from), (*end).min(now));
            if start < end {
                up += end - start - length(&excluded, start, end);
            }
        }
        (whole > 0).then(|| 100.0 * up as f64 / whole as f64)
    }
}

/// The intervals without overlaps, in order.
fn union(mut intervals: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    intervals.retain(|(start, end)| start < end);
    intervals.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::with_capacity(intervals.len());
    for (start, end) in intervals {
        match joined.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// How much of `from` to `to` disjoint intervals cover.
fn length(intervals: &[(i64, i64)], from: i64, to: i64) -> i64 {
    intervals.iter().map(|(start, end)| ((*end).min(to) - (*start).max(from)).max(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_union_covers_what_its_intervals_cover(intervals in proptest::collection::vec((0i64..200, 0i64..200), 0..20)) {
            let joined = union(intervals.clone());
            let covers = |set: &[(i64, i64)], at: i64| set.iter().any(|(start, end)| (*start..*end).contains(&at));
            for at in 0..200 {
                prop_assert_eq!(covers(&joined, at), covers(&intervals, at));
            }
            prop_assert_eq!(length(&joined, 0, 200), (0..200).filter(|at| covers(&intervals, *at)).count() as i64);
        }
    }
}
