//! Breaches as stretches of time: from the first bad measurement to the recovery, however many lie between.

use std::sync::Arc;

use super::judge::Bad;
use crate::agreement::{Agreement, Guarantee};
use crate::expression::Bound;
use crate::finding::{Episode, Finding, Key};
use crate::window::instant;

/// A breach that goes on or may begin.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// So many good ones in a row since the last bad one.
    good: u32,
    /// The bad ones since the beginning; below the number that opens an episode it is none yet.
    pub(super) breach: Option<Box<Breach>>,
}

/// What is known of a breach.
#[derive(Debug)]
pub(super) struct Breach {
    pub(super) key: Key,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: u64,
    pub(super) variable: Option<Arc<str>>,
    pub(super) worst: Option<f64>,
    pub(super) told: bool,
    /// What was measured until then is counted already, in milliseconds: it is known from before a restart.
    pub(super) counted: i64,
}

impl Open {
    /// The episode that goes on.
    pub(super) fn told(&self) -> Option<&Breach> {
        self.breach.as_deref().filter(|breach| breach.told)
    }

    fn is_counted(&self, at: i64) -> bool {
        self.breach.as_deref().is_some_and(|breach| at <= breach.counted)
    }

    /// A bad measurement.
    pub(super) fn bad(
        &mut self,
        agreement: &Agreement,
        guarantee: &Guarantee,
        instance: &str,
        bad: &Bad,
        out: &mut Vec<Finding>,
    ) {
        if self.is_counted(bad.at) {
            return;
        }
        self.good = 0;
        let breach = self.breach.get_or_insert_with(|| {
            let key = Key::of(&[b"episode", &bad.key.0.to_be_bytes()]);
            let (first, last) = (bad.at, bad.at);
            Box::new(Breach { key, first, last, count: 0, variable: None, worst: None, told: false, counted: i64::MIN })
        });
        breach.first = breach.first.min(bad.at);
        breach.last = breach.last.max(bad.at);
        breach.count += 1;
        if let Some((variable, value, bound)) = &bad.worst {
            let worse =
                breach.worst.is_none_or(|worst| if *bound == Bound::Lower { *value < worst } else { *value > worst });
            if worse {
                breach.worst = Some(*value);
                breach.variable = Some(Arc::clone(variable));
            }
        }
        let needed = guarantee.extras.as_ref().map_or(1, |extras| u64::from(extras.breach));
        if breach.told {
            out.push(Finding::EpisodeChanged(breach.episode(agreement, guarantee, instance, None)));
        } else if breach.count >= needed {
            breach.told = true;
            out.push(Finding::EpisodeOpened(breach.episode(agreement, guarantee, instance, None)));
        }
    }

    /// A good measurement.
    pub(super) fn good(
        &mut self,
        agreement: &Agreement,
        guarantee: &Guarantee,
        instance: &str,
        at: i64,
        out: &mut Vec<Finding>,
    ) {
        if self.is_counted(at) {
            return;
        }
        let Some(breach) = &self.breach else { return };
        self.good += 1;
        let needed = guarantee.extras.as_ref().map_or(1, |extras| extras.recover);
        // Bad ones must come in a row to open an episode, too.
        if !breach.told {
            self.breach = None;
        } else if self.good >= needed {
            self.end(agreement, guarantee, instance, at, out);
        }
    }

    /// The breach is over, or nobody looks any more: the agreement was stopped, has expired or is gone, or the instance is.
    pub(super) fn end(
        &mut self,
        agreement: &Agreement,
        guarantee: &Guarantee,
        instance: &str,
        at: i64,
        out: &mut Vec<Finding>,
    ) {
        if let Some(breach) = self.breach.take().filter(|breach| breach.told) {
            let resolved = Some(at.max(breach.last));
            out.push(Finding::EpisodeEnded(breach.episode(agreement, guarantee, instance, resolved)));
        }
    }
}

impl Breach {
    fn episode(&self, agreement: &Agreement, guarantee: &Guarantee, instance: &str, resolved: Option<i64>) -> Episode {
        Episode {
            key: self.key,
            agreement: Arc::clone(&agreement.id),
            guarantee: Arc::clone(&guarantee.name),
            instance: (!instance.is_empty()).then(|| instance.to_owned()),
            constraint: Arc::clone(&guarantee.constraint),
            first_seen: instant(self.first),
            last_seen: instant(self.last),
            resolved_at: resolved.map(instant),
            count: self.count,
            variable: self.variable.clone(),
            worst: self.worst,
        }
    }
}
