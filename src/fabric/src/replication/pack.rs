//! Log entries into items: what is superfluous is left out, and edits become patches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use serde_json::{Map, Value};

use super::Origin;
use super::bounds::DEEPEST;
use super::cost::of_value;
use super::dictionary::Speaker;
use super::words::Content;

/// What a change did to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There was none before.
    Created,
    /// There is a new revision.
    Edited,
    /// There is none any more.
    Deleted,
}

/// One entry of the log of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub position: u64,
    /// Whose change.
    pub origin: Origin,
    /// Which life.
    pub incarnation: u64,
    /// Its number among the origin's changes; 0 where it does not travel.
    pub sequence: u64,
    /// When: a hybrid time.
    pub time: u64,
    /// The resource.
    pub id: ResourceId,
    /// What was done.
    pub kind: Kind,
    /// The document.
    pub document: Arc<[u8]>,
    /// For an edit, the attributes that differ from the revision before; none where that is not known.
    pub differs: Option<Vec<String>>,
}

/// Leaves out revisions that a later one of the same document makes superfluous, where the type allows it. The later one
/// then differs in all that any of them changed. The order of the others stays.
#[must_use]
pub fn coalesced(entries: Vec<Entry>) -> Vec<Entry> {
    let mut kept: Vec<Option<Entry>> = Vec::with_capacity(entries.len());
    let mut newest: BTreeMap<ResourceId, usize> = BTreeMap::new();
    for mut entry in entries {
        if resource::find(entry.id.kind()).is_some_and(|spec| spec.coalesces) {
            let before = newest.get(&entry.id).and_then(|at| kept.get_mut(*at));
            if let Some(slot) = before
                && entry.kind == Kind::Edited
                && slot.as_ref().is_some_and(|old| old.kind != Kind::Deleted && old.incarnation == entry.incarnation)
                && let Some(old) = slot.take()
            {
                entry.differs = match (old.kind, old.differs, entry.differs) {
                    (Kind::Edited, Some(old), Some(new)) => {
                        let all: BTreeSet<String> = old.into_iter().chain(new).collect();
                        Some(all.into_iter().collect())
                    }
                    _ => None,
                };
            }
            newest.insert(entry.id.clone(), kept.len());
        }
        kept.push(Some(entry));
    }
    kept.into_iter().flatten().collect()
}

/// What an entry says, as it goes into a message: a patch where that is known and shorter.
pub fn content(entry: Entry, whole: bool, words: &mut Speaker, sum: impl Fn(&ResourceId, &[u8]) -> u64) -> Content {
    if entry.kind == Kind::Deleted {
        return Content::Deleted;
    }
    let patch = entry.differs.as_ref().filter(|_| entry.kind == Kind::Edited && !whole);
    if let Some((changed, removed)) = patch.and_then(|differs| difference(&entry.document, differs)) {
        let sum = sum(&entry.id, &entry.document);
        let changed = changed.into_iter().map(|(name, value)| (words.say(&name), value)).collect();
        let removed = removed.iter().map(|name| words.say(name)).collect();
        return Content::Patch { changed, removed, sum };
    }
    Content::Whole(entry.document.to_vec().into())
}

/// The attributes to set and to remove; none where the whole document is shorter, or its values are nested too deep.
fn difference(document: &[u8], differs: &[String]) -> Option<(Map<String, Value>, Vec<String>)> {
    let mut document_of: BTreeMap<&str, &serde_json::value::RawValue> = serde_json::from_slice(document).ok()?;
    let (mut changed, mut removed) = (Map::new(), Vec::new());
    let mut size = 24;
    // `updated` follows from the time of the change.
    for name in differs.iter().filter(|name| *name != "updated") {
        match document_of.remove(name.as_str()) {
            Some(raw) => {
                let value: Value = serde_json::from_str(raw.get()).ok()?;
                if depth(&value) > DEEPEST {
                    return None;
                }
                size += of_value(&value) + 4;
                changed.insert(name.clone(), value);
            }
            None => removed.push(name.clone()),
        }
        if size > document.len() as u64 {
            return None;
        }
    }
    Some((changed, removed))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
