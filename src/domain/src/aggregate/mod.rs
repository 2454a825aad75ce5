//! Numbers computed over all documents that a query chooses (`$aggregation`, `spec/cimi.md` 7.7).

mod distinct;
mod moments;
mod percentiles;

use serde_json::{Value, json};

use self::{
    distinct::{Cardinality, Terms},
    moments::Moments,
    percentiles::Percentiles,
};
use crate::{path::Path, scalar::Scalar};

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// The smallest number.
    Min,
    /// The largest number.
    Max,
    /// The sum of the numbers.
    Sum,
    /// Their mean.
    Avg,
    /// All four of these, and how many numbers there are.
    Stats,
    /// The same with the variance and the standard deviation.
    ExtendedStats,
    /// How many values there are, of any kind.
    Count,
    /// The numbers below which 1, 5, 25, 50, 75, 95 and 99 percent of them lie.
    Percentiles,
    /// How many different values there are.
    Cardinality,
    /// How many documents have no value.
    Missing,
    /// The ten values that most documents have.
    Terms,
}

/// One aggregation of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregation {
    /// What is computed.
    pub algorithm: Algorithm,
    /// Over which attribute.
    pub path: Path,
    /// The key of the result: `<algorithm>:<attribute>`, as the client wrote it.
    pub label: String,
}

impl Algorithm {
    /// Finds an algorithm by the name that CIMI has for it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "min" => Self::Min,
            "max" => Self::Max,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "stats" => Self::Stats,
            "extendedstats" => Self::ExtendedStats,
            "count" => Self::Count,
            "percentiles" => Self::Percentiles,
            "cardinality" => Self::Cardinality,
            "missing" => Self::Missing,
            "terms" => Self::Terms,
            _ => return None,
        })
    }
}

impl Aggregation {
    /// Reads `<algorithm>:<attribute>`; the attribute may hold `/` and `:` but no blanks. None for anything else.
    #[must_use]
    pub fn parse(entry: &str) -> Option<Self> {
        let (name, attribute) = entry.split_once(':')?;
        if attribute.contains(char::is_whitespace) {
            return None;
        }
        Some(Self { algorithm: Algorithm::parse(name)?, path: Path::parse(attribute)?, label: entry.to_owned() })
    }
}

/// An aggregation at work. Its memory is bounded, however many documents there are.
#[derive(Debug)]
pub struct Aggregator(State);

#[derive(Debug)]
enum State {
    Moments(Algorithm, Moments),
    Count(u64),
    Percentiles(Percentiles),
    Cardinality(Cardinality),
    Missing(u64),
    Terms(Terms),
}

impl Aggregator {
    /// Starts with no documents.
    #[must_use]
    pub fn new(aggregation: &Aggregation) -> Self {
        Self(match aggregation.algorithm {
            Algorithm::Count => State::Count(0),
            Algorithm::Percentiles => State::Percentiles(Percentiles::default()),
            Algorithm::Cardinality => State::Cardinality(Cardinality::default()),
            Algorithm::Missing => State::Missing(0),
            Algorithm::Terms => State::Terms(Terms::default()),
            numeric => State::Moments(numeric, Moments::default()),
        })
    }

    /// Adds one document, by all its values at the path. Values that are no numbers do not count among numbers.
    pub fn add(&mut self, values: &[Scalar<'_>]) {
        let present = || values.iter().filter(|value| value.is_present());
        match &mut self.0 {
            State::Moments(_, moments) => values.iter().filter_map(Scalar::number).for_each(|n| moments.add(n)),
            State::Count(count) => *count += present().count() as u64,
            State::Percentiles(samples) => {
                values.iter().filter_map(Scalar::number).for_each(|n| samples.add(n.as_f64()))
            }
            State::Cardinality(distinct) => present().for_each(|value| distinct.add(value)),
            State::Missing(count) => *count += u64::from(present().next().is_none()),
            State::Terms(terms) => terms.add(values),
        }
    }

    /// The result, as it stands in the answer.
    #[must_use]
    pub fn finish(self) -> Value {
        match self.0 {
            State::Moments(algorithm, moments) => moments.finish(algorithm),
            State::Count(count) => json!({ "value": count }),
            State::Percentiles(samples) => samples.finish(),
            State::Cardinality(distinct) => distinct.finish(),
            State::Missing(count) => json!({ "doc_count": count }),
            State::Terms(terms) => terms.finish(),
        }
    }
}

/// A number as JSON: without a fraction where it has none, `null` where there is no such number.
fn json_number(value: f64) -> Value {
    /// 2⁵³: up to here floating point holds every whole number.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= WHOLE { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::visit_values;

    fn aggregate(entry: &str, documents: &[Value]) -> Value {
        let aggregation = Aggregation::parse(entry).unwrap();
        let mut aggregator = Aggregator::new(&aggregation);
        for document in documents {
            let mut values = Vec::new();
            let text = document.to_string();
            visit_values(text.as_bytes(), &aggregation.path, &mut |value| values.push(value.clone().into_owned()));
            aggregator.add(&values);
        }
        aggregator.finish()
    }

    /// The documents of T79: `number` from 0 to 18, a `flag` on the even ones.
    fn numbered() -> Vec<Value> {
        let document = |n: i64| {
            if n % 2 == 0 {
                json!({"number": n, "even-odd": "even", "flag": true})
            } else {
                json!({"number": n, "even-odd": "odd"})
            }
        };
        (0..19).map(document).collect()
    }

    #[test]
    fn the_results_are_those_of_the_original() {
        let rows = [
            ("min:number", json!({"value": 0})),
            ("max:number", json!({"value": 18})),
            ("sum:number", json!({"value": 171})),
            ("avg:number", json!({"value": 9})),
            ("count:even-odd", json!({"value": 19})),
            ("cardinality:even-odd", json!({"value": 2})),
            ("missing:flag", json!({"doc_count": 9})),
            ("stats:number", json!({"count": 19, "min": 0, "max": 18, "avg": 9, "sum": 171})),
            (
                "terms:even-odd",
                json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0,
                    "buckets": [{"key": "even", "doc_count": 10}, {"key": "odd", "doc_count": 9}]}),
            ),
            (
                "percentiles:number",
                json!({"values": {"1.0": 0.18, "5.0": 0.9, "25.0": 4.5, "50.0": 9, "75.0": 13.5, "95.0": 17.1, "99.0": 17.82}}),
            ),
        ];
        for (entry, expected) in rows {
            assert_eq!(aggregate(entry, &numbered()), expected, "{entry}");
        }
    }

    #[test]
    fn without_numbers_there_are_no_moments() {
        let texts = [json!({"a": "x"}), json!({"a": null}), json!({})];
        assert_eq!(aggregate("min:a", &texts), json!({"value": null}));
        assert_eq!(aggregate("sum:a", &texts), json!({"value": 0}));
        assert_eq!(aggregate("avg:a", &texts), json!({"value": null}));
        assert_eq!(aggregate("percentiles:a", &texts)["values"]["50.0"], Value::Null);
        assert_eq!(aggregate("count:a", &texts), json!({"value": 1}));
        assert_eq!(aggregate("missing:a", &texts), json!({"doc_count": 2}));
    }

    #[test]
    fn every_element_of_an_array_counts() {
        let documents = [json!({"o": [{"n": 1}, {"n": 2.5}]}), json!({"o": [{"n": 1.0}]})];
        assert_eq!(aggregate("sum:o/n", &documents), json!({"value": 4.5}));
        assert_eq!(aggregate("cardinality:o/n", &documents), json!({"value": 2}));
    }
}
