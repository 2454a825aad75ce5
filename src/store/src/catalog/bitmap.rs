//! A set of rows.

/// One bit a row. All operands of an operation have the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
    length: usize,
}

impl Bitmap {
    /// A set of none of `length` rows.
    pub(crate) fn none(length: usize) -> Self {
        Self { words: vec![0; length.div_ceil(64)], length }
    }

    /// The rows for which `holds` says so.
    pub(crate) fn from_fn(length: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut words = Vec::with_capacity(length.div_ceil(64));
        let mut at = 0;
        while at < length {
            let end = (at + 64).min(length);
            let mut word = 0u64;
            for row in at..end {
                word |= u64::from(holds(row)) << (row - at);
            }
            words.push(word);
            at = end;
        }
        Self { words, length }
    }

    /// All of `length` rows.
    pub(crate) fn all(length: usize) -> Self {
        let mut words = vec![u64::MAX; length.div_ceil(64)];
        if let (Some(last), used @ 1..) = (words.last_mut(), length % 64) {
            *last = (1 << used) - 1;
        }
        Self { words, length }
    }

    /// The rows whose value in `column` satisfies `holds`.
    pub(crate) fn from_slice<T: Copy>(column: &[T], holds: impl Fn(T) -> bool) -> Self {
        let mut rows = Self::all(column.len());
        rows.retain(column, holds);
        rows
    }

    /// Leaves the members whose value in `column` satisfies `holds`. Written so that the compiler can use vector
    /// instructions; stretches without members are not looked at.
    pub(crate) fn retain<T: Copy>(&mut self, column: &[T], holds: impl Fn(T) -> bool) {
        for (word, values) in self.words.iter_mut().zip(column.chunks(64)).filter(|(word, _)| **word != 0) {
            *word &= values.iter().enumerate().fold(0u64, |hit, (bit, value)| hit | (u64::from(holds(*value)) << bit));
        }
    }

    pub(crate) fn set(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    pub(crate) fn clear(&mut self, row: usize) {
        self.words[row / 64] &= !(1 << (row % 64));
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// Adds a row at the end.
    pub(crate) fn push(&mut self, member: bool) {
        if self.length.is_multiple_of(64) {
            self.words.push(0);
        }
        self.length += 1;
        if member {
            self.set(self.length - 1);
        }
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= other);
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own |= other);
    }

    pub(crate) fn and_not(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(own, other)| *own &= !other);
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bitmap_is_the_set_of_its_members(members in proptest::collection::vec(any::<bool>(), 0..300)) {
            let by_rows = Bitmap::from_fn(members.len(), |row| members[row]);
            let by_slice = Bitmap::from_slice(&members, |member| member);
            let mut pushed = Bitmap::none(0);
            members.iter().for_each(|member| pushed.push(*member));
            prop_assert_eq!(&by_rows, &by_slice);
            prop_assert_eq!(&by_rows, &pushed);
            let expected: Vec<usize> = (0..members.len()).filter(|row| members[*row]).collect();
            prop_assert_eq!(by_rows.count(), expected.len());
            prop_assert_eq!(by_rows.iter().collect::<Vec<_>>(), expected);
        }
    }
}
