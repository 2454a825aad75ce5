//! Writes the text format of Prometheus, version 0.0.4: each family once, with its help and type before its samples.

use std::fmt::{Display, Write as _};

use mf2c_store::Spread;

/// The content type of the page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that grows.
pub(super) struct Exposition {
    out: String,
}

impl Exposition {
    pub(super) fn new() -> Self {
        Self { out: String::with_capacity(16 * 1024) }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// Begins a family; its samples must follow.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample. `labels` is empty, or `a="b",c="d"` with values that need no escape.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.out, "{name} {value}"),
            _ => writeln!(self.out, "{name}{{{labels}}} {value}"),
        };
    }

    /// A counter without labels.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, "", value);
    }

    /// A gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// The samples of one histogram of a family that has begun; bounds and sum are divided by `unit`.
    #[expect(clippy::cast_precision_loss, reason = "a sum above 2^53 may lose its last digits")]
    pub(super) fn spread(&mut self, name: &str, labels: &str, spread: &Spread, unit: f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, count) in spread.bounds.iter().zip(&spread.counts) {
            below += count;
            let bound = *bound as f64 / unit;
            let _ = writeln!(self.out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        let all = spread.count();
        let _ = writeln!(self.out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {all}");
        self.sample(&format!("{name}_sum"), labels, spread.sum as f64 / unit);
        self.sample(&format!("{name}_count"), labels, all);
    }
}

#[cfg(test)]
mod tests {
    use mf2c_store::Histogram;

    use super::*;

    #[test]
    fn a_histogram_counts_upwards_and_ends_with_infinity() {
        let histogram = Histogram::new(&[500, 1000]);
        for value in [1, 600, 5000] {
            histogram.add(value);
        }
        let mut page = Exposition::new();
        page.spread("x_seconds", "route=\"/\"", &histogram.read(), 1e6);
        let expected = "x_seconds_bucket{route=\"/\",le=\"0.0005\"} 1\n\
            x_seconds_bucket{route=\"/\",le=\"0.001\"} 2\n\
            x_seconds_bucket{route=\"/\",le=\"+Inf\"} 3\n\
            x_seconds_sum{route=\"/\"} 0.005601\n\
            x_seconds_count{route=\"/\"} 3\n";
        assert_eq!(page.finish(), expected);
    }
}
