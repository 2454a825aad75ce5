//! Finds the first rows of an order without sorting the others.

use std::cmp::Ordering;

/// The rank of a row without a value: last in both directions.
const MISSING: u64 = u64::MAX;

/// The values of a column as numbers that sort like them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ranks<'a> {
    /// NaN is missing.
    Numbers(&'a [f64]),
    /// `i64::MIN` is missing.
    Instants(&'a [i64]),
    /// Dictionary codes and the rank of each; `u32::MAX` is missing.
    Codes(&'a [u32], &'a [u32]),
}

impl Ranks<'_> {
    /// The rank of a row: the lower comes first.
    pub(super) fn of(&self, row: usize, descending: bool) -> u64 {
        let rank = match self {
            Self::Numbers(numbers) if !numbers[row].is_nan() => {
                let bits = numbers[row].to_bits();
                if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
            }
            Self::Instants(instants) if instants[row] != i64::MIN => instants[row].cast_unsigned() ^ (1 << 63),
            Self::Codes(codes, ranks) if ranks[codes[row] as usize] != u32::MAX => {
                u64::from(ranks[codes[row] as usize]) + 1
            }
            _ => return MISSING,
        };
        // No rank is 0, so its complement is never that of a missing value.
        if descending { !rank } else { rank }
    }
}

/// The first `end` of `rows` (which come in ascending order), sorted by rank, then by `ties`, then by row; and whether
/// there are more. `ties` is none where the rank says everything.
pub(super) fn first_rows(
    rows: impl Iterator<Item = usize>,
    end: usize,
    rank: impl Fn(usize) -> u64,
    ties: Option<&dyn Fn(usize, usize) -> Ordering>,
) -> (Vec<usize>, bool) {
    let compare = |a: &(u64, usize), b: &(u64, usize)| {
        a.0.cmp(&b.0).then_with(|| ties.map_or(Ordering::Equal, |ties| ties(a.1, b.1))).then(a.1.cmp(&b.1))
    };
    let room = end.saturating_mul(2).saturating_add(64);
    let mut best: Vec<(u64, usize)> = Vec::with_capacity(room.min(32_768));
    let (mut count, mut worst) = (0usize, None);
    for row in rows {
        count += 1;
        let own = rank(row);
        // A later row of the same rank comes behind, unless further keys decide.
        if end == 0 || worst.is_some_and(|worst| own > worst || own == worst && ties.is_none()) {
            continue;
        }
        best.push((own, row));
        if best.len() == room {
            best.select_nth_unstable_by(end - 1, compare);
            best.truncate(end);
            worst = Some(best[end - 1].0);
        }
    }
    best.sort_unstable_by(compare);
    best.truncate(end);
    (best.into_iter().map(|(_, row)| row).collect(), count > end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_rows_are_those_of_a_full_sort(values in proptest::collection::vec(-3.0f64..3.0, 0..400), end in 0usize..50, descending: bool) {
            let rounded: Vec<f64> = values.iter().map(|value| if *value > 2.5 { f64::NAN } else { value.round() }).collect();
            let ranks = Ranks::Numbers(&rounded);
            let (found, more) = first_rows(0..rounded.len(), end, |row| ranks.of(row, descending), None);
            let mut expected: Vec<usize> = (0..rounded.len()).collect();
            expected.sort_by(|a, b| match (rounded[*a].is_nan(), rounded[*b].is_nan()) {
                (false, false) if descending => rounded[*b].total_cmp(&rounded[*a]),
                (false, false) => rounded[*a].total_cmp(&rounded[*b]),
                (a, b) => a.cmp(&b),
            });
            expected.truncate(end);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(more, rounded.len() > end);
        }

        #[test]
        fn any_end_is_safe(end: usize) {
            let (found, more) = first_rows(0..3, end, |row| row as u64, None);
            prop_assert_eq!((found.len(), more), (end.min(3), end < 3));
        }

        #[test]
        fn instants_rank_like_themselves(a: i64, b: i64) {
            let instants = [a.max(i64::MIN + 1), b.max(i64::MIN + 1), i64::MIN];
            let ranks = Ranks::Instants(&instants);
            prop_assert_eq!(ranks.of(0, false).cmp(&ranks.of(1, false)), instants[0].cmp(&instants[1]));
            prop_assert_eq!(ranks.of(0, true).cmp(&ranks.of(1, true)), instants[1].cmp(&instants[0]));
            prop_assert!(ranks.of(2, false) > ranks.of(0, false) && ranks.of(2, true) > ranks.of(0, true));
        }
    }
}
