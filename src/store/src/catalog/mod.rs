//! What readers see: every document by id, and every collection with its columns.

mod bitmap;
mod collection;
mod column;
mod compare;
mod dictionary;
mod find;
mod rank;
mod reader;
mod sort;

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;

use crate::document::Document;
pub(crate) use collection::{Collection, Published, Row};
pub use find::Found;
pub(crate) use reader::{Bodies, Reader};
pub use sort::CursorError;

/// The committed state.
#[derive(Debug)]
pub(crate) struct Catalog {
    by_id: DashMap<ResourceId, Arc<Document>>,
    collections: HashMap<&'static str, Collection>,
}

impl Catalog {
    pub(crate) fn new() -> Self {
        let types = resource::all().iter().copied().chain([&resource::types::entry_point::SPEC]);
        let collections = types.map(|spec| (spec.name, Collection::default())).collect();
        Self { by_id: DashMap::new(), collections }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Document>> {
        // The guard lives no longer than this line: nothing else is touched while it is held.
        self.by_id.get(id).map(|found| Arc::clone(&found))
    }

    pub(crate) fn collection(&self, kind: &str) -> Option<&Collection> {
        self.collections.get(kind)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The collections with the number of their documents.
    pub(crate) fn sizes(&self) -> Vec<(&'static str, usize)> {
        let mut sizes: Vec<_> = self.collections.iter().map(|(kind, collection)| (*kind, collection.len())).collect();
        sizes.sort_unstable();
        sizes
    }

    /// Puts the committed changes of a batch in: by id first, then collection by collection.
    pub(crate) fn publish(&self, changes: Vec<Published<'_>>) {
        let mut by_kind: Vec<(&str, Vec<Published<'_>>)> = Vec::new();
        for change in changes {
            match (&change.old, &change.new) {
                (_, Some((new, _))) => drop(self.by_id.insert(new.id.clone(), Arc::clone(new))),
                (Some(old), None) => drop(self.by_id.remove(old.id.as_str())),
                (None, None) => continue,
            }
            let kind =
                change.new.as_ref().map(|(new, _)| new.id.kind()).or(change.old.as_ref().map(|old| old.id.kind()));
            let Some((kind, _)) = kind.and_then(|kind| self.collections.get_key_value(kind)) else { continue };
            match by_kind.iter_mut().find(|(known, _)| known == kind) {
                Some((_, list)) => list.push(change),
                None => by_kind.push((kind, vec![change])),
            }
        }
        for (kind, changes) in by_kind {
            if let Some(collection) = self.collections.get(kind) {
                collection.publish(&changes);
            }
        }
    }
}
