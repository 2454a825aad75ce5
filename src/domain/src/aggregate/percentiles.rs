//! Percentiles of numbers, by linear interpolation between the closest ranks.

use serde_json::{Map, Value, json};

use super::json_number;

/// How many numbers are kept at most.
const MAX_SAMPLES: usize = 100_000;

const RANKS: [(&str, usize); 7] =
    [("1.0", 1), ("5.0", 5), ("25.0", 25), ("50.0", 50), ("75.0", 75), ("95.0", 95), ("99.0", 99)];

/// The numbers so far: all up to [`MAX_SAMPLES`], then every second, every fourth and so on.
#[derive(Debug)]
pub(super) struct Percentiles {
    samples: Vec<f64>,
    /// One number in so many is kept.
    stride: u64,
    seen: u64,
}

impl Default for Percentiles {
    fn default() -> Self {
        Self { samples: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Percentiles {
    pub(super) fn add(&mut self, number: f64) {
        if self.seen.is_multiple_of(self.stride) {
            if self.samples.len() == MAX_SAMPLES {
                self.thin();
            }
            if self.seen.is_multiple_of(self.stride) {
                self.samples.push(number);
            }
        }
        self.seen += 1;
    }

    fn thin(&mut self) {
        let mut at = 0u64;
        self.samples.retain(|_| {
            at += 1;
            at % 2 == 1
        });
        self.stride *= 2;
    }

    pub(super) fn finish(mut self) -> Value {
        self.samples.sort_by(f64::total_cmp);
        let values: Map<String, Value> =
            RANKS.iter().map(|(label, percent)| ((*label).to_owned(), self.at(*percent))).collect();
        json!({ "values": values })
    }

    fn at(&self, percent: usize) -> Value {
        let Some(last) = self.samples.len().checked_sub(1) else { return Value::Null };
        let (below, hundredths) = (percent * last / 100, percent * last % 100);
        match (self.samples.get(below), self.samples.get((below + 1).min(last))) {
            (Some(low), Some(high)) => json_number(low + (high - low) * (hundredths as f64 / 100.0)),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_interpolated() {
        let mut percentiles = Percentiles::default();
        [40.0, 15.0, 35.0, 20.0, 50.0].into_iter().for_each(|number| percentiles.add(number));
        let values = percentiles.finish()["values"].clone();
        assert_eq!((&values["25.0"], &values["50.0"], &values["75.0"]), (&json!(20), &json!(35), &json!(40)));
        assert_eq!(values["5.0"], json!(16));
    }

    #[test]
    fn very_many_numbers_are_sampled_evenly() {
        let mut percentiles = Percentiles::default();
        (0..1_000_000).for_each(|number| percentiles.add(f64::from(number)));
        assert!(percentiles.samples.len() <= MAX_SAMPLES);
        let median = percentiles.finish()["values"]["50.0"].as_f64().unwrap();
        assert!((median - 500_000.0).abs() < 100.0, "{median}");
    }
}
