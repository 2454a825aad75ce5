//! How large an agreement may be. One report costs work and disk for each guarantee that is about it and for each penalty of a broken
//! one, and whoever may write agreements chooses how much of that others pay: so each of it has a bound.

use super::body::Details;

/// The most guarantees of one agreement.
pub(crate) const MAX_GUARANTEES: usize = 1000;
/// The most penalties of one guarantee.
pub(crate) const MAX_PENALTIES: usize = 16;
/// The most penalties of all guarantees of one agreement.
pub(crate) const MAX_ALL_PENALTIES: usize = 256;
/// The most declared variables of one agreement.
pub(crate) const MAX_VARIABLES: usize = 256;
/// The most exclusions of one guarantee.
pub(crate) const MAX_EXCLUSIONS: usize = 16;
/// The most exclusions of all guarantees of one agreement.
pub(crate) const MAX_ALL_EXCLUSIONS: usize = 256;
/// The most windows of one agreement; equal ones of several guarantees are one.
pub(crate) const MAX_WINDOWS: usize = 64;

/// More of something than there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excess {
    /// Where: `details.guarantees[3].penalties`.
    pub(super) place: String,
    /// Of what: `penalties of one guarantee`.
    pub(super) what: &'static str,
    pub(super) found: usize,
    pub(super) most: usize,
}

impl Excess {
    /// What was found, what is allowed, and what to do.
    pub(super) fn message(&self) -> String {
        let Self { what, found, most, .. } = self;
        format!("{found} {what} are too many, expected at most {most}: split the agreement")
    }
}

/// Where an agreement is too large. With too many guarantees these alone are told of.
pub(super) fn excesses(details: &Details<'_>) -> Vec<Excess> {
    let guarantees = details.guarantees.len();
    if guarantees > MAX_GUARANTEES {
        let place = format!("details.guarantees[{MAX_GUARANTEES}]");
        return vec![Excess { place, what: "guarantees", found: guarantees, most: MAX_GUARANTEES }];
    }
    let mut found = Vec::new();
    let variables = details.variables.len();
    if variables > MAX_VARIABLES {
        let place = format!("details.variables[{MAX_VARIABLES}]");
        found.push(Excess { place, what: "variables", found: variables, most: MAX_VARIABLES });
    }
    let penalties = details.guarantees.iter().map(|guarantee| guarantee.penalties.len());
    let words = ("penalties", "penalties of one guarantee", "penalties in all");
    found.extend(crowded(words, penalties, MAX_PENALTIES, MAX_ALL_PENALTIES));
    let exclusions = details.guarantees.iter().map(|guarantee| guarantee.exclusions.len());
    let words = ("exclusions", "exclusions of one guarantee", "exclusions in all");
    found.extend(crowded(words, exclusions, MAX_EXCLUSIONS, MAX_ALL_EXCLUSIONS));
    found
}

/// The first guarantee with more than `most` of something, and the one with which all have more than `most_in_all`.
fn crowded(
    (field, of_one, in_all): (&str, &'static str, &'static str),
    counts: impl Iterator<Item = usize> + Clone,
    most: usize,
    most_in_all: usize,
) -> Vec<Excess> {
    let place = |at: usize| format!("details.guarantees[{at}].{field}");
    let single = counts.clone().enumerate().find(|(_, count)| *count > most);
    let single = single.map(|(at, found)| Excess { place: place(at), what: of_one, found, most });
    let found: usize = counts.clone().sum();
    let mut so_far = 0;
    let over = counts.enumerate().find(|(_, count)| {
        so_far += count;
        so_far > most_in_all
    });
    let all = over.map(|(at, _)| Excess { place: place(at), what: in_all, found, most: most_in_all });
    single.into_iter().chain(all).collect()
}
