//! The values of one attribute of a collection, side by side in memory, so that a filter reads little and a sort
//! nothing else.
//!
//! A row's single value is kept in one of three arrays by what it is: a number, an instant, or an entry of a dictionary
//! (texts, booleans, and that there is an object). Rows with several values, nulls, or integers that a float cannot
//! hold are marked as odd and read from their documents. Each array exists once it has its first value.

use std::borrow::Cow;

use mf2c_domain::filter::{Comparison, Literal, Op};
use mf2c_domain::path::{Path, visit_values};
use mf2c_domain::scalar::Scalar;
use mf2c_domain::time::Timestamp;

use super::bitmap::Bitmap;
use super::compare::{retain_codes, retain_instants, retain_numbers};
use super::dictionary::Dictionary;
use super::rank::Ranks;
use super::sort::SortValue;

pub(super) const NO_INSTANT: i64 = i64::MIN;
/// Integers below this are exact as floats.
pub(super) const EXACT: i64 = 1 << 53;

/// Reads the document of a row.
type ReadRow<'a> = &'a dyn Fn(usize) -> Option<Cow<'a, [u8]>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Column {
    path: Path,
    length: usize,
    numbers: Vec<f64>,
    instants: Vec<i64>,
    codes: Vec<u32>,
    dictionary: Dictionary,
    /// The rows whose number is whole but was written with a fraction, such as `2.0`: sums tell the difference.
    floats: Bitmap,
    odd: Bitmap,
    any_odd: bool,
}

impl Column {
    /// A column of no rows.
    pub(crate) fn new(path: Path) -> Self {
        Self {
            path,
            length: 0,
            numbers: Vec::new(),
            instants: Vec::new(),
            codes: Vec::new(),
            dictionary: Dictionary::default(),
            floats: Bitmap::none(0),
            odd: Bitmap::none(0),
            any_odd: false,
        }
    }

    /// Whether so many dictionary entries are out of use that the column should be built anew.
    pub(crate) fn is_worn(&self) -> bool {
        self.dictionary.entries().len() > 2 * self.length + 4096
    }

    /// Adds a row for a document, or an empty one.
    pub(crate) fn push(&mut self, document: Option<&[u8]>) {
        self.length += 1;
        if !self.numbers.is_empty() {
            self.numbers.push(f64::NAN);
        }
        if !self.instants.is_empty() {
            self.instants.push(NO_INSTANT);
        }
        if !self.codes.is_empty() {
            self.codes.push(0);
        }
        self.floats.push(false);
        self.odd.push(false);
        if let Some(document) = document {
            self.fill(self.length - 1, document);
        }
    }

    /// Replaces the value of a row.
    pub(crate) fn set(&mut self, row: usize, document: Option<&[u8]>) {
        if let Some(number) = self.numbers.get_mut(row) {
            *number = f64::NAN;
        }
        if let Some(instant) = self.instants.get_mut(row) {
            *instant = NO_INSTANT;
        }
        if let Some(code) = self.codes.get_mut(row) {
            *code = 0;
        }
        self.floats.clear(row);
        self.odd.clear(row);
        if let Some(document) = document {
            self.fill(row, document);
        }
    }

    fn fill(&mut self, row: usize, document: &[u8]) {
        let mut count = 0;
        let mut first = None;
        visit_values(document, &self.path, &mut |value| {
            count += 1;
            if count == 1 {
                first = Some(own(value));
            }
        });
        match first {
            None => {}
            Some(value) if count == 1 => self.put(row, &value),
            Some(_) => self.mark_odd(row),
        }
    }

    fn mark_odd(&mut self, row: usize) {
        self.odd.set(row);
        self.any_odd = true;
    }

    fn put(&mut self, row: usize, value: &Scalar<'static>) {
        let length = self.length;
        match value {
            #[expect(clippy::cast_precision_loss, reason = "below 2^53 nothing is lost")]
            Scalar::Int(number) if -EXACT < *number && *number < EXACT => {
                at(&mut self.numbers, length, f64::NAN)[row] = *number as f64;
            }
            Scalar::Float(number) => {
                at(&mut self.numbers, length, f64::NAN)[row] = *number;
                if number.fract() == 0.0 {
                    self.floats.set(row);
                }
            }
            Scalar::Int(_) | Scalar::Null => self.mark_odd(row),
            Scalar::Text(text) => match instant(text) {
                Some(nanos) => at(&mut self.instants, length, NO_INSTANT)[row] = nanos,
                None => at(&mut self.codes, length, 0)[row] = self.dictionary.code(value),
            },
            Scalar::Bool(_) | Scalar::Composite => {
                at(&mut self.codes, length, 0)[row] = self.dictionary.code(value);
            }
        }
    }

    /// The rows that satisfy the comparison. `read` gives the document of an odd row.
    fn matching(&self, comparison: &Comparison, read: ReadRow<'_>) -> Bitmap {
        let (positive, negate) = match comparison.op {
            Op::Ne => (Comparison { op: Op::Eq, ..comparison.clone() }, true),
            _ => (comparison.clone(), false),
        };
        let mut rows = self.satisfying(&positive);
        if (Op::Eq, &Literal::Null) == (positive.op, &positive.value) {
            let present = self.present();
            rows = Bitmap::from_fn(self.length, |row| !present.contains(row));
        }
        if negate {
            rows = Bitmap::from_fn(self.length, |row| !rows.contains(row));
        }
        if self.any_odd {
            for row in self.odd.iter() {
                let document = read(row).unwrap_or_default();
                if comparison.holds(&values(&document, &self.path)) { rows.set(row) } else { rows.clear(row) }
            }
        }
        rows
    }

    /// Leaves those of `rows` that satisfy the comparison. `read` gives the document of an odd row.
    pub(crate) fn narrow(&self, rows: &mut Bitmap, comparison: &Comparison, read: ReadRow<'_>) {
        let plain = comparison.op != Op::Ne && comparison.value != Literal::Null && !self.any_odd;
        match (self.numbers.is_empty(), self.instants.is_empty(), self.codes.is_empty()) {
            (false, true, true) if plain => retain_numbers(rows, &self.numbers, comparison),
            (true, false, true) if plain => retain_instants(rows, &self.instants, comparison),
            (true, true, false) if plain => retain_codes(rows, &self.codes, self.dictionary.entries(), comparison),
            _ => rows.and(&self.matching(comparison, read)),
        }
    }

    /// The rows with a value that satisfies the positive comparison, odd rows left aside.
    fn satisfying(&self, comparison: &Comparison) -> Bitmap {
        let mut rows = Bitmap::none(self.length);
        let mut add = |retain: &dyn Fn(&mut Bitmap)| {
            let mut hit = Bitmap::all(self.length);
            retain(&mut hit);
            rows.or(&hit);
        };
        if !self.numbers.is_empty() {
            add(&|hit| retain_numbers(hit, &self.numbers, comparison));
        }
        if !self.instants.is_empty() {
            add(&|hit| retain_instants(hit, &self.instants, comparison));
        }
        if !self.codes.is_empty() {
            add(&|hit| retain_codes(hit, &self.codes, self.dictionary.entries(), comparison));
        }
        rows
    }

    /// The rows with a value of any kind but odd.
    fn present(&self) -> Bitmap {
        let mut rows = Bitmap::none(self.length);
        if !self.numbers.is_empty() {
            rows.or(&Bitmap::from_slice(&self.numbers, |number| !number.is_nan()));
        }
        if !self.instants.is_empty() {
            rows.or(&Bitmap::from_slice(&self.instants, |instant| instant != NO_INSTANT));
        }
        if !self.codes.is_empty() {
            rows.or(&Bitmap::from_slice(&self.codes, |code| code != 0));
        }
        rows
    }

    /// The values of a row.
    pub(crate) fn values(&self, row: usize, read: ReadRow<'_>) -> Vec<Scalar<'static>> {
        if self.odd.contains(row) {
            return values(&read(row).unwrap_or_default(), &self.path);
        }
        if let Some(number) = self.numbers.get(row).filter(|number| !number.is_nan()) {
            return vec![self.number_of(row, *number)];
        }
        if let Some(instant) = self.instants.get(row).filter(|instant| **instant != NO_INSTANT) {
            return vec![Scalar::Text(text_of(*instant).into())];
        }
        match self.codes.get(row) {
            None | Some(0) => Vec::new(),
            Some(code) => vec![self.dictionary.entries()[*code as usize].clone()],
        }
    }

    /// The number of a row as its document has it.
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers are below 2^53")]
    fn number_of(&self, row: usize, number: f64) -> Scalar<'static> {
        let whole = number.fract() == 0.0 && !self.floats.contains(row);
        if whole { Scalar::Int(number as i64) } else { Scalar::Float(number) }
    }

    /// What a row sorts by: its first value.
    pub(crate) fn sort_value(&self, row: usize, read: ReadRow<'_>) -> SortValue<'_> {
        if let Some(number) = self.numbers.get(row).filter(|number| !number.is_nan()) {
            return SortValue::Number(*number);
        }
        if let Some(instant) = self.instants.get(row).filter(|instant| **instant != NO_INSTANT) {
            return SortValue::Instant(i128::from(*instant));
        }
        match self.codes.get(row) {
            Some(code) if *code != 0 => SortValue::of(&self.dictionary.entries()[*code as usize]),
            _ => self.values(row, read).first().map_or(SortValue::Missing, |value| SortValue::of(value).into_owned()),
        }
    }

    /// The values as ranks, if one array holds them all.
    pub(crate) fn ranks(&self) -> Option<Ranks<'_>> {
        match (self.numbers.is_empty(), self.instants.is_empty(), self.codes.is_empty()) {
            _ if self.any_odd => None,
            (false, true, true) => Some(Ranks::Numbers(&self.numbers)),
            (true, false, true) => Some(Ranks::Instants(&self.instants)),
            (true, true, false) => Some(Ranks::Codes(&self.codes, self.dictionary.ranks())),
            _ => None,
        }
    }
}

/// The array with room for every row.
fn at<T: Copy>(array: &mut Vec<T>, length: usize, blank: T) -> &mut Vec<T> {
    if array.is_empty() {
        array.resize(length, blank);
    }
    array
}

/// The instant of a text that is written as we write timestamps, so that the text can be told from it again.
fn instant(text: &str) -> Option<i64> {
    let at = Timestamp::parse(text)?;
    let nanos = i64::try_from(at.nanos()).ok()?;
    (text_of(nanos) == text).then_some(nanos)
}

pub(super) fn text_of(nanos: i64) -> String {
    Timestamp::from_nanos(i128::from(nanos)).to_string()
}

pub(super) fn own(value: &Scalar<'_>) -> Scalar<'static> {
    match value {
        Scalar::Null => Scalar::Null,
        Scalar::Bool(value) => Scalar::Bool(*value),
        Scalar::Int(value) => Scalar::Int(*value),
        Scalar::Float(value) => Scalar::Float(*value),
        Scalar::Text(text) => Scalar::Text(text.clone().into_owned().into()),
        Scalar::Composite => Scalar::Composite,
    }
}

/// All values at `path` in a document.
pub(super) fn values(document: &[u8], path: &Path) -> Vec<Scalar<'static>> {
    let mut found = Vec::new();
    visit_values(document, path, &mut |value| found.push(own(value)));
    found
}
