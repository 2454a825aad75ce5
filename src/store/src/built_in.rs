//! Documents that are made from descriptions instead of being stored: the types' metadata and the templates. They stand
//! in the catalog like any other, so that they are read and queried like any other.

use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, BuiltIn, TypeSpec};
use mf2c_domain::time::Timestamp;

use crate::catalog::{Catalog, Published, Row};
use crate::command::tail;
use crate::document::{Body, Document, Source};
use crate::writer::assemble;

/// Puts all of them into the catalog; how many there are.
pub(crate) fn publish(catalog: &Catalog, now: Timestamp) -> usize {
    let documents: Vec<Arc<Document>> = resource::all()
        .iter()
        .flat_map(|spec| (spec.documents)().into_iter().filter_map(|built_in| document(spec, built_in, now)))
        .collect();
    let changes = documents.iter().map(|document| {
        let body = match &document.body {
            Body::Here(body) => &**body,
            Body::OnDisk => &[],
        };
        Published { old: None, new: Some((Arc::clone(document), body)) }
    });
    catalog.publish(changes.collect());
    documents.len()
}

fn document(spec: &TypeSpec, built_in: BuiltIn, now: Timestamp) -> Option<Arc<Document>> {
    let id = ResourceId::new(spec.name, built_in.name).ok()?;
    let acl = built_in.acl.with_admin();
    let now = now.to_string();
    let body = assemble(&id, spec, &now, &now, &acl, &tail(&built_in.attributes)).ok()?;
    let body = Body::Here(body.into());
    Some(Arc::new(Document {
        id,
        born: 0,
        revision: 0,
        acl: Arc::new(acl),
        source: Source::default(),
        body,
        row: Row::default(),
    }))
}
