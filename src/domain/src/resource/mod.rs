//! The CIMI resource types: one description each, from which everything else about a type follows.
//!
//! [`types`] holds the descriptions, written in the language of [`kind`]. What clients send is held against them
//! (`prepare_add`, `prepare_edit`), and they are published as `resource-metadata` and as an OpenAPI document.

mod form;
pub mod kept;
pub mod kind;
mod metadata;
mod openapi;
mod openapi_lifecycle;
mod openapi_operators;
mod openapi_parts;
mod openapi_qos;
mod openapi_sla;
mod prepare;
mod repeat;
mod schema;
mod spec;
#[cfg(test)]
mod tests;
pub mod types;
mod validate;
mod values;

pub use form::Asked;
pub use metadata::metadata;
pub use openapi::openapi;
pub use openapi_lifecycle::openapi_of_lifecycle;
pub use prepare::Draft;
pub use repeat::takes_idempotency_key;
pub use spec::{Action, BuiltIn, COMMON, Form, Names, Naming, Offered, SERVER_OWNED, Served, TypeSpec, Verbs};
pub use validate::{MAX_FAULTS, MAX_ITEMS, SchemaError};

/// All collections, in the order of their names. The entry point is none.
#[must_use]
pub fn all() -> &'static [&'static TypeSpec] {
    types::ALL
}

/// The type of this name, be it a collection's or the entry point's. A search by halves: it is done for every request.
#[must_use]
pub fn find(name: &str) -> Option<&'static TypeSpec> {
    if name == types::entry_point::SPEC.name {
        return Some(&types::entry_point::SPEC);
    }
    let at = types::ALL.binary_search_by(|spec| spec.name.cmp(name)).ok()?;
    types::ALL.get(at).copied()
}
