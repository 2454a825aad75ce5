//! Holds comparisons against the arrays of a column: each function leaves the rows of a set that satisfy one.

use mf2c_domain::filter::{Comparison, Literal, Op};
use mf2c_domain::scalar::Scalar;

use super::bitmap::Bitmap;
use super::column::{EXACT, NO_INSTANT, text_of};

/// Leaves the rows whose number satisfies the positive comparison.
pub(super) fn retain_numbers(rows: &mut Bitmap, numbers: &[f64], comparison: &Comparison) {
    let against = match &comparison.value {
        #[expect(clippy::cast_precision_loss, reason = "the numbers of a column are below 2^53, where nothing is lost")]
        Literal::Int(value) if -EXACT < *value && *value < EXACT => Some(*value as f64),
        Literal::Float(value) => Some(*value),
        _ => None,
    };
    match (comparison.op, against) {
        (Op::Eq, Some(value)) => rows.retain(numbers, |own| own == value),
        (Op::Lt, Some(value)) => rows.retain(numbers, |own| own < value),
        (Op::Le, Some(value)) => rows.retain(numbers, |own| own <= value),
        (Op::Ge, Some(value)) => rows.retain(numbers, |own| own >= value),
        (Op::Gt, Some(value)) => rows.retain(numbers, |own| own > value),
        _ => rows.retain(numbers, |own| !own.is_nan() && comparison.satisfied_by(&Scalar::Float(own))),
    }
}

/// Leaves the rows whose instant satisfies the positive comparison.
pub(super) fn retain_instants(rows: &mut Bitmap, instants: &[i64], comparison: &Comparison) {
    let against = match &comparison.value {
        Literal::Date { at, .. } | Literal::Text { at: Some(at), .. } => i64::try_from(at.nanos()).ok(),
        _ => None,
    };
    match (comparison.op, against) {
        (Op::Eq, Some(value)) => rows.retain(instants, |own| own == value),
        (Op::Lt, Some(value)) => rows.retain(instants, |own| own < value && own != NO_INSTANT),
        (Op::Le, Some(value)) => rows.retain(instants, |own| own <= value && own != NO_INSTANT),
        (Op::Ge, Some(value)) => rows.retain(instants, |own| own >= value),
        (Op::Gt, Some(value)) => rows.retain(instants, |own| own > value),
        _ => rows
            .retain(instants, |own| own != NO_INSTANT && comparison.satisfied_by(&Scalar::Text(text_of(own).into()))),
    }
}

/// Leaves the rows whose dictionary entry satisfies the positive comparison; each entry is asked once.
pub(super) fn retain_codes(rows: &mut Bitmap, codes: &[u32], entries: &[Scalar<'static>], comparison: &Comparison) {
    let table: Vec<bool> =
        entries.iter().enumerate().map(|(code, entry)| code > 0 && comparison.satisfied_by(entry)).collect();
    let mut holding = table.iter().enumerate().filter(|(_, holds)| **holds).map(|(code, _)| code);
    match (holding.next(), holding.next()) {
        (None, _) => *rows = Bitmap::none(codes.len()),
        (Some(code), None) => {
            let code = u32::try_from(code).unwrap_or(0);
            rows.retain(codes, |own| own == code);
        }
        _ => rows.retain(codes, |code| table[code as usize]),
    }
}
