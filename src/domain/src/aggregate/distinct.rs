//! How many different values there are, and which are the most frequent.

use std::{
    borrow::Cow,
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BTreeSet},
};

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::json_number;
use crate::scalar::{Number, Scalar};

/// Up to so many different values the count is exact.
const MAX_DISTINCT: usize = 100_000;
/// So many different values are counted one by one.
const MAX_TERMS: usize = 10_000;
/// Longer texts, in bytes, are counted among the others and not shown.
const MAX_TERM_BYTES: usize = 256;
/// How many values are shown.
const SHOWN: usize = 10;

/// A value as a key: numbers that are equal have one key, whether they are written `3` or `3.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'t> {
    Bool(bool),
    Int(i64),
    /// The bits of a number that is not whole or beyond 64 bits.
    Float(u64),
    Text(Cow<'t, str>),
}

impl<'t> Key<'t> {
    /// None for what has no value of its own: `null`, objects and nested arrays.
    fn of(value: &'t Scalar<'_>) -> Option<Self> {
        Some(match value {
            Scalar::Bool(value) => Self::Bool(*value),
            Scalar::Int(value) => Self::Int(*value),
            Scalar::Float(value) => {
                let whole = *value as i64;
                let is_whole = Number::Int(whole).compare(Number::Float(*value)) == Some(Ordering::Equal);
                if is_whole { Self::Int(whole) } else { Self::Float(value.to_bits()) }
            }
            Scalar::Text(text) => Self::Text(text.as_ref().into()),
            Scalar::Null | Scalar::Composite => return None,
        })
    }

    fn into_owned(self) -> Key<'static> {
        match self {
            Key::Bool(value) => Key::Bool(value),
            Key::Int(value) => Key::Int(value),
            Key::Float(bits) => Key::Float(bits),
            Key::Text(text) => Key::Text(text.into_owned().into()),
        }
    }

    fn shown(&self) -> Value {
        match self {
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Float(bits) => json_number(f64::from_bits(*bits)),
            Self::Text(text) => json!(text),
        }
    }

    /// Sixteen bytes in place of the value, so that long texts need no more room than short ones.
    fn digest(&self) -> [u8; 16] {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Bool(value) => (0, &[u8::from(*value)]),
            Self::Int(value) => (1, &value.to_be_bytes()),
            Self::Float(bits) => (2, &bits.to_be_bytes()),
            Self::Text(text) => (3, text.as_bytes()),
        };
        Md5::new().chain_update([kind]).chain_update(bytes).finalize().into()
    }
}

/// Counts different values.
#[derive(Debug, Default)]
pub(super) struct Cardinality {
    seen: BTreeSet<[u8; 16]>,
    overflowed: bool,
}

impl Cardinality {
    pub(super) fn add(&mut self, value: &Scalar<'_>) {
        let Some(digest) = Key::of(value).map(|key| key.digest()) else { return };
        if self.seen.len() < MAX_DISTINCT {
            self.seen.insert(digest);
        } else if !self.overflowed {
            self.overflowed = !self.seen.contains(&digest);
        }
    }

    /// Past the bound the count says so: it is then the least that there are.
    pub(super) fn finish(&self) -> Value {
        let mut result = json!({ "value": self.seen.len() });
        if self.overflowed {
            result["lower_bound"] = json!(true);
        }
        result
    }
}

/// Counts the documents that have each value.
#[derive(Debug, Default)]
pub(super) struct Terms {
    counts: BTreeMap<Key<'static>, u64>,
    /// Documents counted under values for which there was no room.
    uncounted: u64,
}

impl Terms {
    /// Adds one document by its values; one that it has twice counts once.
    pub(super) fn add(&mut self, values: &[Scalar<'_>]) {
        let distinct: BTreeSet<Key<'_>> = values.iter().filter_map(Key::of).collect();
        for key in distinct {
            let too_long = matches!(&key, Key::Text(text) if text.len() > MAX_TERM_BYTES);
            let key = key.into_owned();
            if let Some(count) = self.counts.get_mut(&key) {
                *count += 1;
            } else if too_long || self.counts.len() == MAX_TERMS {
                self.uncounted += 1;
            } else {
                self.counts.insert(key, 1);
            }
        }
    }

    /// The most frequent first, and of equally frequent ones the smaller.
    pub(super) fn finish(self) -> Value {
        let total: u64 = self.counts.values().sum::<u64>() + self.uncounted;
        let mut buckets: Vec<(Key<'static>, u64)> = self.counts.into_iter().collect();
        buckets.sort_by_key(|(_, count)| Reverse(*count));
        buckets.truncate(SHOWN);
        let shown: u64 = buckets.iter().map(|(_, count)| count).sum();
        let buckets: Vec<Value> =
            buckets.iter().map(|(key, count)| json!({ "key": key.shown(), "doc_count": count })).collect();
        json!({
            "doc_count_error_upper_bound": self.uncounted,
            "sum_other_doc_count": total - shown,
            "buckets": buckets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_most_frequent_are_shown_and_the_rest_summed() {
        let mut terms = Terms::default();
        for n in 0..12i64 {
            (0..=n)
                .for_each(|_| terms.add(&[Scalar::Int(n), Scalar::Float(n as f64), Scalar::Null, Scalar::Composite]));
        }
        let result = terms.finish();
        assert_eq!(result["buckets"][0], json!({"key": 11, "doc_count": 12}));
        assert_eq!((result["buckets"].as_array().unwrap().len(), &result["sum_other_doc_count"]), (10, &json!(3)));
    }

    #[test]
    fn past_the_bounds_the_results_say_so() {
        let mut terms = Terms::default();
        let mut cardinality = Cardinality::default();
        for n in 0..=MAX_DISTINCT as i64 {
            terms.add(&[Scalar::Int(n)]);
            cardinality.add(&Scalar::Int(n));
        }
        let result = terms.finish();
        assert_eq!(result["doc_count_error_upper_bound"], json!(MAX_DISTINCT + 1 - MAX_TERMS));
        assert_eq!(result["sum_other_doc_count"], json!(MAX_DISTINCT + 1 - SHOWN));
        assert_eq!(cardinality.finish(), json!({"value": MAX_DISTINCT, "lower_bound": true}));
    }

    #[test]
    fn values_of_different_kinds_differ() {
        let mut cardinality = Cardinality::default();
        for value in [
            Scalar::Int(1),
            Scalar::Float(1.0),
            Scalar::Float(1.5),
            Scalar::Bool(true),
            Scalar::Text("1".into()),
            Scalar::Null,
        ] {
            cardinality.add(&value);
        }
        assert_eq!(cardinality.finish(), json!({"value": 4}));
    }
}
