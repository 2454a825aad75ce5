//! Reads the documents that a query must look into, and remembers if one could not be read.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::document::Document;
use crate::error::StoreError;

/// Where documents are read.
pub(crate) trait Bodies {
    /// A document's JSON wherever it is; none if it has been deleted meanwhile.
    fn body<'d>(&self, document: &'d Document) -> Result<Option<Cow<'d, [u8]>>, StoreError>;
}

/// For one query.
pub(crate) struct Reader<'a> {
    bodies: &'a dyn Bodies,
    fault: RefCell<Option<StoreError>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bodies: &'a dyn Bodies) -> Self {
        Self { bodies, fault: RefCell::new(None) }
    }

    /// The JSON of a document. After a failure everything that was found is worth nothing: ask [`Reader::fault`].
    pub(crate) fn read<'d>(&self, document: &'d Document) -> Option<Cow<'d, [u8]>> {
        self.bodies.body(document).unwrap_or_else(|error| {
            self.fault.borrow_mut().get_or_insert(error);
            None
        })
    }

    /// Whether a document could not be read.
    pub(crate) fn has_failed(&self) -> bool {
        self.fault.borrow().is_some()
    }

    /// Why a document could not be read.
    pub(crate) fn fault(self) -> Option<StoreError> {
        self.fault.into_inner()
    }
}
