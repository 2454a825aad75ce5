//! A document as readers hold it.

use std::borrow::Cow;
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;

use crate::catalog::Row;
use crate::record::NodeId;

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
    pub(crate) source: Source,
    pub(crate) body: Body,
    pub(crate) row: Row,
}

/// One life of another agent's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) origin: NodeId,
    pub(crate) incarnation: u64,
}

/// Where a revision comes from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    /// None if the document is this agent's own, of whichever life of its store.
    pub(crate) life: Option<Arc<Life>>,
    /// The origin's number of the change; 0 if it does not travel.
    pub(crate) sequence: u64,
    /// The origin's time of it.
    pub(crate) time: HybridTime,
    /// What the origin says of the attributes that are observed here, as a JSON object, where that is another thing.
    pub(crate) theirs: Option<Box<[u8]>>,
}

impl Source {
    pub(crate) fn is_of(&self, life: &Life) -> bool {
        self.life.as_deref() == Some(life)
    }
}

/// Where the JSON of a document is.
#[derive(Debug)]
pub(crate) enum Body {
    /// In memory.
    Here(Arc<[u8]>),
    /// On disk, because the memory budget is used up or the type's documents always are.
    OnDisk,
}

/// Whether the type's documents are left on disk, however much memory there is.
pub(crate) fn is_left_on_disk(id: &ResourceId) -> bool {
    mf2c_domain::resource::find(id.kind()).is_some_and(|spec| spec.on_disk)
}

/// Whether changes of the document travel to other agents.
pub(crate) fn travels(id: &ResourceId) -> bool {
    mf2c_domain::resource::find(id.kind()).is_some_and(|spec| spec.travels)
}

impl Document {
    /// Whose document it is, if it is not this agent's own.
    #[must_use]
    pub fn origin(&self) -> Option<NodeId> {
        self.source.life.as_ref().map(|life| life.origin)
    }

    /// The origin's number of the change that made this revision; 0 if it does not travel.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.source.sequence
    }

    /// The origin's time of that change.
    #[must_use]
    pub fn time(&self) -> HybridTime {
        self.source.time
    }

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
