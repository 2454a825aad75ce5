//! When the changes of a sampled document are published: a noticeable one at once, all of them at an interval.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::change::{apply, delta, noticeable};

/// Pause between two samples.
pub const DEFAULT_SAMPLING: Duration = Duration::from_secs(5);
/// Pause between two publications of everything that changed.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// How far a value moves before it is worth a publication of its own, in percent.
pub const DEFAULT_THRESHOLD_PERCENT: f64 = 5.0;

/// Remembers what was published and decides what of a new sample must be.
///
/// Changes add up against what was published, so that a slow drift is noticed too. Time is given as the time since any
/// fixed moment.
#[derive(Debug, Clone)]
pub struct Publisher {
    interval: Duration,
    threshold_percent: f64,
    published: Option<Published>,
}

#[derive(Debug, Clone)]
struct Published {
    attributes: Map<String, Value>,
    /// When all changes were last published.
    complete_at: Duration,
}

impl Publisher {
    /// Publishes a value that moved by more than `threshold_percent` at once, and all changes every `interval`.
    #[must_use]
    pub fn new(interval: Duration, threshold_percent: f64) -> Self {
        Self { interval, threshold_percent, published: None }
    }

    /// Takes a sample and returns the changes to publish now: the whole at first, then merge patches, never an empty one.
    pub fn observe(&mut self, now: Duration, sample_attributes: Map<String, Value>) -> Option<Map<String, Value>> {
        let Some(published) = &mut self.published else {
            self.published = Some(Published { attributes: sample_attributes.clone(), complete_at: now });
            return (!sample_attributes.is_empty()).then_some(sample_attributes);
        };
        if now.saturating_sub(published.complete_at) >= self.interval {
            let change = delta(&published.attributes, &sample_attributes);
            *published = Published { attributes: sample_attributes, complete_at: now };
            return (!change.is_empty()).then_some(change);
        }
        let change = noticeable(&published.attributes, &sample_attributes, self.threshold_percent)?;
        apply(&mut published.attributes, &change);
        Some(change)
    }

    /// Forgets what was published, so that the next sample is published whole: after a reconnection, after somebody else
    /// changed the document, or when a publication failed.
    pub fn restart(&mut self) {
        self.published = None;
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new(DEFAULT_INTERVAL, DEFAULT_THRESHOLD_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sample(cpu: f64, sent: u64) -> Map<String, Value> {
        json!({"cpuFreePercent": cpu, "interfaces": [{"name": "eth0", "bytesSent": sent}], "status": "connected"})
            .as_object()
            .unwrap()
            .clone()
    }

    fn observed(publisher: &mut Publisher, at: u64, cpu: f64, sent: u64) -> Option<Value> {
        publisher.observe(Duration::from_secs(at), sample(cpu, sent)).map(Value::Object)
    }

    #[test]
    fn the_first_is_whole_a_jump_goes_at_once_and_the_rest_waits_for_the_interval() {
        let mut publisher = Publisher::default();
        assert_eq!(observed(&mut publisher, 0, 90.0, 1), Some(sample(90.0, 1).into()));
        assert_eq!(observed(&mut publisher, 5, 88.0, 2), None);
        assert_eq!(observed(&mut publisher, 10, 84.0, 3), Some(json!({"cpuFreePercent": 84.0})));
        assert_eq!(observed(&mut publisher, 25, 83.0, 4), None);
        let rest = json!({"cpuFreePercent": 83.0, "interfaces": [{"name": "eth0", "bytesSent": 5}]});
        assert_eq!(observed(&mut publisher, 30, 83.0, 5), Some(rest));
        assert_eq!(observed(&mut publisher, 60, 83.0, 5), None);
        assert_eq!(observed(&mut publisher, 89, 83.0, 6), None);
        assert!(observed(&mut publisher, 90, 83.0, 6).is_some());
    }

    #[test]
    fn a_slow_drift_adds_up_until_it_is_noticed() {
        let mut publisher = Publisher::new(Duration::from_secs(3600), 5.0);
        observed(&mut publisher, 0, 90.0, 1);
        let published: Vec<u64> =
            (1..=12).filter(|at| observed(&mut publisher, *at, 90.0 - *at as f64, 1).is_some()).collect();
        assert_eq!(published, [6, 12]);
    }

    #[test]
    fn after_a_restart_the_whole_goes_out_again_and_a_clock_that_steps_back_does_no_harm() {
        let mut publisher = Publisher::default();
        observed(&mut publisher, 100, 90.0, 1);
        assert_eq!(observed(&mut publisher, 50, 90.0, 2), None);
        publisher.restart();
        assert_eq!(observed(&mut publisher, 51, 90.0, 2), Some(sample(90.0, 2).into()));
    }

    fn samples() -> impl Strategy<Value = Vec<(u64, Map<String, Value>)>> {
        let one = (0u64..12, 0.0..100.0f64, 0u64..3, any::<bool>(), any::<bool>()).prop_map(
            |(pause, cpu, sent, battery, plugged)| {
                let mut attributes = sample(cpu, sent);
                attributes.insert("powerPlugged".into(), plugged.into());
                if battery {
                    attributes.insert("battery".into(), json!({"percent": cpu, "secondsLeft": sent}));
                }
                (pause, attributes)
            },
        );
        prop::collection::vec(one, 1..60)
    }

    proptest! {
        #[test]
        fn whoever_applies_the_changes_has_the_newest_sample_at_each_interval(samples in samples()) {
            let mut publisher = Publisher::default();
            let (mut now, mut complete_at) = (0, None);
            let mut received = Map::new();
            for (pause, attributes) in samples {
                now += pause;
                let change = publisher.observe(Duration::from_secs(now), attributes.clone());
                prop_assert!(change.as_ref().is_none_or(|change| !change.is_empty()));
                let stale = received != attributes;
                if let Some(change) = &change {
                    apply(&mut received, change);
                }
                if complete_at.is_none_or(|at| now - at >= 30) {
                    complete_at = Some(now);
                    prop_assert_eq!(change.is_some(), stale);
                    prop_assert_eq!(&received, &attributes);
                }
                prop_assert_eq!(noticeable(&received, &attributes, DEFAULT_THRESHOLD_PERCENT), None);
            }
        }
    }
}
