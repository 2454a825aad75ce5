//! Finds the word that somebody probably meant.

/// The known word most like `word`, if any is near enough to be worth suggesting.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_a_foreign_word_none() {
        let known = ["physicalCores", "logicalCores", "memory"];
        assert_eq!(nearest("phisicalCores", known), Some("physicalCores"));
        assert_eq!(nearest("Memory", known), Some("memory"));
        assert_eq!(nearest("zzz", known), None);
    }
}
