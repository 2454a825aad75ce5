//! What is to be written: documents that are not stored yet, told in a way that can be tried again.

use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{Draft, TypeSpec};
use mf2c_store::{IfMatch, NewDocument};
use serde_json::{Map, Value};

use crate::ports::World;
use crate::resource_store::EditResource;

/// One write.
#[derive(Debug, Clone)]
pub(super) enum Note {
    /// A new document with a name of its own; it may be there already. Without a name chance gives one.
    Add { spec: &'static TypeSpec, name: Option<String>, attributes: Map<String, Value>, acl: Acl },
    /// Some attributes of a document; it may be gone already.
    Edit { id: ResourceId, changes: Map<String, Value>, if_match: Option<IfMatch> },
    /// A document that another agent has too.
    Delete { id: ResourceId },
}

impl Note {
    /// The document of an addition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn document(
        spec: &'static TypeSpec,
        (name, attributes, acl): (Option<String>, Map<String, Value>, Acl),
        world: &World,
    ) -> Result<NewDocument, String> {
        let draft =
            spec.prepare_add(attributes, world.clock.now(), &*world.entropy).map_err(|error| error.to_string())?;
        let draft = Draft { name: name.or(draft.name), acl: Some(acl), attributes: draft.attributes };
        NewDocument::new(spec, draft, &Caller::agent(), &*world.entropy).map_err(|error| error.to_string())
    }

    /// The message of an edit.
    pub(super) fn edit(id: ResourceId, changes: Map<String, Value>, if_match: Option<IfMatch>) -> EditResource {
        EditResource { id, changes, removed: Vec::new(), if_match, by: Caller::agent() }
    }
}
