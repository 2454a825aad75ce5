//! A map that remembers only so many entries: the one that was longest unused goes first.

use std::collections::BTreeMap;

/// At most `limit` entries by key.
#[derive(Debug, Clone)]
pub(super) struct Recent<K, V> {
    limit: usize,
    uses: u64,
    entries: BTreeMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V: Default> Recent<K, V> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, uses: 0, entries: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    /// The entry without counting it as used.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The entry to change, without counting it as used.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// The entry to change, made if it is not there; now the one used last.
    pub(super) fn used(&mut self, key: &K) -> &mut V {
        if !self.entries.contains_key(key)
            && self.entries.len() >= self.limit
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        let entry = self.entries.entry(key.clone()).or_default();
        self.by_use.remove(&entry.0);
        entry.0 = self.uses;
        self.by_use.insert(self.uses, key.clone());
        &mut entry.1
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((used, _)) = self.entries.remove(key) {
            self.by_use.remove(&used);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.by_use.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_longest_unused_is_forgotten_first() {
        let mut recent: Recent<&str, u8> = Recent::new(2);
        *recent.used(&"a") = 1;
        *recent.used(&"b") = 2;
        recent.used(&"a");
        recent.used(&"c");
        assert_eq!((recent.get(&"a"), recent.get(&"b"), recent.len()), (Some(&1), None, 2));
        recent.remove(&"a");
        assert!(recent.get_mut(&"a").is_none() && recent.len() == 1);
    }
}
