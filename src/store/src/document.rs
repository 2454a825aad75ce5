//! A document as readers hold it.

use std::borrow::Cow;
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;

use crate::catalog::Row;

/// One revision of one document. It never changes; an edit makes another.
#[derive(Debug)]
pub struct Document {
    /// Its identifier.
    pub id: ResourceId,
    /// The position of the change that created it: the natural order of its collection.
    pub born: u64,
    /// The position of the change that made this revision.
    pub revision: u64,
    /// Who may do what with it; shared among documents with the same list.
    pub acl: Arc<Acl>,
    pub(crate) body: Body,
    pub(crate) row: Row,
}

/// Where the JSON of a document is.
#[derive(Debug)]
pub(crate) enum Body {
    /// In memory.
    Here(Box<[u8]>),
    /// On disk, because the memory budget is used up or the type's documents always are.
    OnDisk,
}

/// Whether the type's documents are left on disk, however much memory there is.
pub(crate) fn is_left_on_disk(id: &ResourceId) -> bool {
    mf2c_domain::resource::find(id.kind()).is_some_and(|spec| spec.on_disk)
}

impl Document {
    /// The JSON bytes, if they are in memory. [`crate::Store::body`] finds them wherever they are.
    #[must_use]
    pub(crate) fn bytes_in_memory(&self) -> Option<Cow<'_, [u8]>> {
        match &self.body {
            Body::Here(bytes) => Some(Cow::Borrowed(bytes)),
            Body::OnDisk => None,
        }
    }

    /// Its place in its collection.
    pub(crate) fn row(&self) -> usize {
        self.row.get()
    }

    pub(crate) fn set_row(&self, row: usize) {
        self.row.set(row);
    }
}
