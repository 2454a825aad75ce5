//! What is remembered of one guarantee for each service instance that it is held against: an instance breaks a promise, and keeps it
//! again, by itself. What a window over all instances shows is about none of them.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::episode::Open;
use super::standing::Last;

/// The most instances remembered of one guarantee; those that were idle for the longest go first.
pub(super) const MOST: usize = 4096;
/// So many go at a time.
const CROWD: usize = MOST / 8;

/// What is remembered of one instance.
#[derive(Debug, Default)]
pub(super) struct Subject {
    /// Its id; empty where it is about all instances.
    pub(super) instance: Box<str>,
    /// The last value of each metric that a report may lack, by slot.
    pub(super) values: Vec<Last>,
    /// The last window that was broken, of a promise about windows or availability.
    pub(super) broken: Option<Broken>,
    /// The same of the warning.
    pub(super) warned: Option<Broken>,
    pub(super) episode: Open,
    touched: u64,
}

/// The last window in which a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Broken {
    /// Its number.
    pub(super) window: i64,
    /// When, in milliseconds.
    pub(super) at: i64,
    /// Whether it still is.
    pub(super) broken: bool,
    /// It is known from before a restart: what is older does not mend it.
    pub(super) restored: bool,
}

/// All of them, by digests of their ids.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    known: BTreeMap<u64, Subject>,
    touches: u64,
}

/// By what an instance is known.
pub(super) fn digest(instance: &str) -> u64 {
    xxh3_64(instance.as_bytes())
}

impl Subject {
    /// Whether there is a breach: one that is told of, or a window that is broken.
    pub(super) fn is_broken(&self) -> bool {
        self.episode.told().is_some() || self.broken.is_some_and(|known| known.broken)
    }

    fn is_idle(&self) -> bool {
        self.values.is_empty() && self.broken.is_none() && self.warned.is_none() && self.episode.breach.is_none()
    }

    /// The last value of a slot.
    pub(super) fn last(&self, slot: usize) -> Option<f64> {
        self.values.iter().find(|last| usize::from(last.slot) == slot).map(|last| last.value)
    }
}

impl Subjects {
    pub(super) fn get(&self, digest: u64) -> Option<&Subject> {
        self.known.get(&digest)
    }

    pub(super) fn get_mut(&mut self, digest: u64) -> Option<&mut Subject> {
        self.known.get_mut(&digest)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Subject> {
        self.known.values()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Subject> {
        self.known.values_mut()
    }

    /// What is remembered of an instance, or will be.
    pub(super) fn enter(&mut self, digest: u64, instance: &str) -> &mut Subject {
        self.touches += 1;
        let subject =
            self.known.entry(digest).or_insert_with(|| Subject { instance: instance.into(), ..Subject::default() });
        subject.touched = self.touches;
        subject
    }

    /// Forgets an instance of which there is nothing to remember.
    pub(super) fn tidy(&mut self, digest: u64) {
        if self.known.get(&digest).is_some_and(Subject::is_idle) {
            self.known.remove(&digest);
        }
    }

    /// Those that are too many, taken out.
    pub(super) fn crowd(&mut self) -> Vec<Subject> {
        if self.known.len() <= MOST {
            return Vec::new();
        }
        let mut by_age: Vec<(u64, u64)> =
            self.known.iter().map(|(digest, subject)| (subject.touched, *digest)).collect();
        by_age.sort_unstable();
        by_age.iter().take(CROWD).filter_map(|(_, digest)| self.known.remove(digest)).collect()
    }

    /// Those that do not stay, taken out.
    pub(super) fn leave(&mut self, stays: impl Fn(u64) -> bool) -> Vec<Subject> {
        let gone: Vec<u64> = self.known.keys().copied().filter(|digest| !stays(*digest)).collect();
        gone.iter().filter_map(|digest| self.known.remove(digest)).collect()
    }
}
