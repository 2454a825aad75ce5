//! Documents, their change log and queries over them.
//!
//! One [`Writer`] orders all changes and commits them in batches through an [`engine::Engine`]; readers take documents
//! and columns from memory through the [`Store`] and never wait for it.

mod backup;
mod built_in;
mod catalog;
mod command;
mod cursors;
mod document;
pub mod engine;
mod error;
mod feed;
mod identity;
mod load;
mod measure;
mod origins;
pub mod record;
mod relay;
pub mod replica;
mod state;
mod store;
mod top_level;
mod writer;

pub use backup::{BackupError, BackupSummary, read_backup, restore, write_backup};
pub use catalog::{CursorError, Found};
pub use command::{Command, Delete, Edit, IfMatch, MAX_DOCUMENT_BYTES, NewDocument, NewDocumentError, Written};
pub use document::Document;
pub use engine::{Repaired, repair};
pub use error::StoreError;
pub use identity::{Identity, node_name};
pub use measure::{Histogram, Spread};
pub use record::ChangeKind;
pub use store::{Change, Changes, Counters, Store, StoreOptions};
pub use writer::{Done, Work, Writer};
