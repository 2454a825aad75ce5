//! The distinct texts and booleans of a column, numbered.

use std::collections::HashMap;
use std::sync::OnceLock;

use mf2c_domain::scalar::Scalar;

use super::sort::SortValue;

/// Entry 0 stands for no value.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    entries: Vec<Scalar<'static>>,
    texts: HashMap<Box<str>, u32>,
    others: [u32; 3],
    /// For each entry its place among all in their order; made when a query sorts by the column.
    ranks: OnceLock<Vec<u32>>,
}

impl Dictionary {
    /// The entries by number.
    pub(super) fn entries(&self) -> &[Scalar<'static>] {
        &self.entries
    }

    /// The number of a value, which is added if it is new.
    pub(super) fn code(&mut self, value: &Scalar<'_>) -> u32 {
        let slot = match value {
            Scalar::Text(text) => {
                if let Some(code) = self.texts.get(&**text) {
                    return *code;
                }
                let code = self.add(Scalar::Text(text.clone().into_owned().into()));
                self.texts.insert((&**text).into(), code);
                return code;
            }
            Scalar::Bool(false) => 0,
            Scalar::Bool(true) => 1,
            _ => 2,
        };
        if self.others[slot] == 0 {
            self.others[slot] = self.add(match slot {
                0 => Scalar::Bool(false),
                1 => Scalar::Bool(true),
                _ => Scalar::Composite,
            });
        }
        self.others[slot]
    }

    fn add(&mut self, value: Scalar<'static>) -> u32 {
        self.ranks = OnceLock::new();
        if self.entries.is_empty() {
            self.entries.push(Scalar::Null);
        }
        self.entries.push(value);
        u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
    }

    /// For each entry its place in the order of a query; equal values share one, what sorts as missing has `u32::MAX`.
    pub(super) fn ranks(&self) -> &[u32] {
        self.ranks.get_or_init(|| {
            let mut order: Vec<usize> = (0..self.entries.len()).collect();
            let value = |entry: usize| SortValue::of(&self.entries[entry]);
            order.sort_unstable_by(|a, b| value(*a).compare(&value(*b), false));
            let mut ranks = vec![u32::MAX; self.entries.len()];
            let mut rank = 0;
            for (at, entry) in order.iter().enumerate() {
                if at > 0 && value(order[at - 1]).compare(&value(*entry), false).is_ne() {
                    rank += 1;
                }
                if value(*entry) != SortValue::Missing {
                    ranks[*entry] = rank;
                }
            }
            ranks
        })
    }
}
