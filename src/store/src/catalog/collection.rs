//! The documents of one type in their natural order, with the columns that queries have asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use mf2c_domain::acl::Acl;
use mf2c_domain::path::Path;
use parking_lot::RwLock;

use super::bitmap::Bitmap;
use super::column::Column;
use super::reader::Reader;
use crate::document::Document;

/// The most columns that one collection keeps; the one not used for longest makes room.
const MAX_COLUMNS: usize = 48;
/// Collections smaller than this are read through; columns would cost more than they save.
const MIN_ROWS: usize = 64;

/// From this size on, reading through a collection is work for a thread of its own.
const MANY_ROWS: usize = 20_000;

/// One type's documents. Readers share the lock; the writer holds it only while it puts a committed batch in.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(super) state: RwLock<State>,
    uses: AtomicU64,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rows: Vec<Option<Arc<Document>>>,
    pub(super) live: Bitmap,
    /// For each row the number of its access control list.
    pub(super) acl_of_row: Vec<u32>,
    pub(super) acls: Vec<Arc<Acl>>,
    acl_numbers: HashMap<Arc<Acl>, u32>,
    pub(super) columns: HashMap<Path, Kept>,
    dead: usize,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) column: Column,
    last_use: AtomicU64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            live: Bitmap::none(0),
            acl_of_row: Vec::new(),
            acls: Vec::new(),
            acl_numbers: HashMap::new(),
            columns: HashMap::new(),
            dead: 0,
        }
    }
}

/// A committed change to one document, with the JSON of its new revision.
pub(crate) struct Published<'a> {
    pub(crate) old: Option<Arc<Document>>,
    pub(crate) new: Option<(Arc<Document>, &'a [u8])>,
}

impl Collection {
    /// The number of documents.
    pub(crate) fn len(&self) -> usize {
        let state = self.state.read();
        state.rows.len() - state.dead
    }

    /// Whether reading through it takes no more than a moment.
    pub(crate) fn is_small(&self) -> bool {
        self.state.read().rows.len() < MANY_ROWS
    }

    /// Whether there is a column for the attribute.
    pub(crate) fn has_column(&self, path: &Path) -> bool {
        self.state.read().columns.contains_key(path)
    }

    /// The first document in the natural order for which `wanted` holds.
    pub(crate) fn first(&self, wanted: impl Fn(&Document) -> bool) -> Option<Arc<Document>> {
        self.state.read().rows.iter().flatten().find(|document| wanted(document)).cloned()
    }

    /// All documents in the natural order.
    pub(crate) fn documents(&self) -> Vec<Arc<Document>> {
        self.state.read().rows.iter().flatten().cloned().collect()
    }

    /// Puts committed changes in.
    pub(crate) fn publish(&self, changes: &[Published<'_>]) {
        let mut state = self.state.write();
        for change in changes {
            match (&change.old, &change.new) {
                (Some(old), Some((new, body))) => state.replace(old.row(), new, body),
                (None, Some((new, body))) => state.append(new, body),
                (Some(old), None) => state.remove(old.row()),
                (None, None) => {}
            }
        }
        state.columns.retain(|_, kept| !kept.column.is_worn());
        let mostly_dead = state.dead > 1024 && state.dead * 2 > state.rows.len();
        if mostly_dead || state.acls.len() > 2 * state.rows.len() + 1024 {
            state.compact();
        }
    }

    /// Builds the columns for `paths` that are not there yet, without holding up readers or the writer.
    pub(crate) fn ensure_columns<'a>(&self, paths: impl Iterator<Item = &'a Path>, read: &Reader<'_>) {
        for path in paths {
            let rows = {
                let state = self.state.read();
                if let Some(kept) = state.columns.get(path) {
                    kept.last_use.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
                    continue;
                }
                if state.rows.len() < MIN_ROWS {
                    continue;
                }
                state.rows.clone()
            };
            let mut column = Column::new(path.clone());
            for row in &rows {
                push(&mut column, row.as_ref(), read);
            }
            if !read.has_failed() {
                self.install(column, path, &rows, read);
            }
        }
    }

    /// Brings a column up to what has been written while it was built, and keeps it.
    fn install(&self, mut column: Column, path: &Path, built_from: &[Option<Arc<Document>>], read: &Reader<'_>) {
        let mut state = self.state.write();
        if state.rows.len() < built_from.len() {
            // The rows were renumbered meanwhile; the next query builds the column.
            return;
        }
        for (row, document) in state.rows.iter().enumerate() {
            match built_from.get(row) {
                None => push(&mut column, document.as_ref(), read),
                Some(old) if same(old.as_ref(), document.as_ref()) => {}
                Some(_) => column.set(row, body(document.as_ref(), read).as_deref()),
            }
        }
        if read.has_failed() {
            return;
        }
        if state.columns.len() >= MAX_COLUMNS {
            let oldest = state.columns.iter().min_by_key(|(_, kept)| kept.last_use.load(Ordering::Relaxed));
            if let Some(path) = oldest.map(|(path, _)| path.clone()) {
                state.columns.remove(&path);
            }
        }
        let last_use = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        state.columns.insert(path.clone(), Kept { column, last_use });
    }
}

fn same(a: Option<&Arc<Document>>, b: Option<&Arc<Document>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn body<'d>(document: Option<&'d Arc<Document>>, read: &Reader<'_>) -> Option<Cow<'d, [u8]>> {
    document.and_then(|document| read.read(document))
}

fn push(column: &mut Column, document: Option<&Arc<Document>>, read: &Reader<'_>) {
    column.push(body(document, read).as_deref());
}

impl State {
    fn append(&mut self, document: &Arc<Document>, body: &[u8]) {
        document.set_row(self.rows.len());
        self.rows.push(Some(Arc::clone(document)));
        self.live.push(true);
        let acl = self.acl_number(&document.acl);
        self.acl_of_row.push(acl);
        self.columns.values_mut().for_each(|kept| kept.column.push(Some(body)));
    }

    fn replace(&mut self, row: usize, document: &Arc<Document>, body: &[u8]) {
        document.set_row(row);
        self.acl_of_row[row] = self.acl_number(&document.acl);
        self.rows[row] = Some(Arc::clone(document));
        self.columns.values_mut().for_each(|kept| kept.column.set(row, Some(body)));
    }

    fn remove(&mut self, row: usize) {
        self.rows[row] = None;
        self.live.clear(row);
        self.dead += 1;
        self.columns.values_mut().for_each(|kept| kept.column.set(row, None));
    }

    fn acl_number(&mut self, acl: &Arc<Acl>) -> u32 {
        if let Some(number) = self.acl_numbers.get(acl) {
            return *number;
        }
        let number = u32::try_from(self.acls.len()).unwrap_or(u32::MAX);
        self.acls.push(Arc::clone(acl));
        self.acl_numbers.insert(Arc::clone(acl), number);
        number
    }

    /// Renumbers the rows without the removed ones. Columns and unused lists go, and come back when asked for.
    fn compact(&mut self) {
        let documents: Vec<_> = std::mem::take(&mut self.rows).into_iter().flatten().collect();
        *self = Self::default();
        for document in documents {
            document.set_row(self.rows.len());
            let acl = self.acl_number(&document.acl);
            self.acl_of_row.push(acl);
            self.live.push(true);
            self.rows.push(Some(document));
        }
    }
}

/// Where a document stands in its collection; only the collection changes it, under its lock.
#[derive(Debug, Default)]
pub(crate) struct Row(AtomicU32);

impl Row {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set(&self, row: usize) {
        self.0.store(u32::try_from(row).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}
