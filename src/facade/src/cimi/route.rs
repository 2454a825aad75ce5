//! Where a path leads.

use std::borrow::Cow;

use mf2c_domain::resource::{self, TypeSpec, types::entry_point};
use percent_encoding::percent_decode_str;

use crate::error::ApiError;
use crate::front::refusal;

/// The meaning of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route<'p> {
    /// `/`, `/api`: sent on to the entry point.
    Root,
    /// `/api/cloud-entry-point`.
    EntryPoint,
    /// `/openapi.json`, `/api/openapi.json`.
    OpenApi,
    /// `/api/<type>`.
    Collection(&'static TypeSpec),
    /// `/api/<type>/<name>`.
    Member(&'static TypeSpec, &'p str),
    /// `/api/<type>/<name>/<action>`.
    Action(&'static TypeSpec, &'p str, &'p str),
    /// `/api/hook/reset-password`.
    ResetPassword,
    /// Below `/api`, but of no type we know.
    UnknownType,
    /// What the network front has put in the place of a request that it refused.
    Refused(&'p str),
    /// Nothing.
    Unknown,
}

/// The path without percent escapes.
pub(crate) fn decoded(path: &str) -> Result<Cow<'_, str>, ApiError> {
    percent_decode_str(path).decode_utf8().map_err(|_| {
        ApiError::bad_request("the path holds percent escapes that are not UTF-8; expected a path such as /api/device")
    })
}

impl<'p> Route<'p> {
    /// Finds the meaning of a decoded path.
    pub(super) fn of(path: &'p str) -> Self {
        if let Some(refused) = path.strip_prefix(refusal::PREFIX) {
            return Self::Refused(refused.rsplit('/').next().unwrap_or_default());
        }
        let Some(below) = path.strip_prefix("/api") else {
            return match path {
                "/" => Self::Root,
                "/openapi.json" => Self::OpenApi,
                _ => Self::Unknown,
            };
        };
        match below.strip_prefix('/') {
            None if below.is_empty() => Self::Root,
            None => Self::Unknown,
            Some("") => Self::Root,
            Some("cloud-entry-point" | "cloud-entry-point/") => Self::EntryPoint,
            Some("openapi.json") => Self::OpenApi,
            Some("hook/reset-password") => Self::ResetPassword,
            Some(rest) => Self::resource(rest),
        }
    }

    fn resource(rest: &'p str) -> Self {
        let (kind, name) = rest.split_once('/').unwrap_or((rest, ""));
        // The entry point is a document, not a collection.
        let Some(spec) = resource::find(kind).filter(|spec| spec.name != entry_point::SPEC.name) else {
            return Self::UnknownType;
        };
        match name.split_once('/') {
            None if name.is_empty() => Self::Collection(spec),
            None => Self::Member(spec, name),
            // The names of users may hold slashes: what follows the last one is an action only if there is such.
            Some(_) if spec.name == "user" => match name.rsplit_once('/') {
                Some((name, action)) if spec.action(action).is_some() => Self::Action(spec, name, action),
                _ => Self::Member(spec, name),
            },
            Some((name, action)) => Self::Action(spec, name, action),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        match Route::of(path) {
            Route::Collection(spec) => format!("collection {}", spec.name),
            Route::Member(spec, name) => format!("member {} {name}", spec.name),
            Route::Action(spec, name, action) => format!("action {} {name} {action}", spec.name),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_lead_where_the_specification_says() {
        for (path, meaning) in [
            ("/", "Root"),
            ("/api/", "Root"),
            ("/api/cloud-entry-point", "EntryPoint"),
            ("/openapi.json", "OpenApi"),
            ("/api/openapi.json", "OpenApi"),
            ("/api/hook/reset-password", "ResetPassword"),
            ("/api/user/jane/change-password", "action user jane change-password"),
            ("/api/user/github/jane/change-password", "action user github/jane change-password"),
            ("/api/device", "collection device"),
            ("/api/device/", "collection device"),
            ("/api/device/a-b", "member device a-b"),
            ("/api/event/x/foo", "action event x foo"),
            ("/api/user/github/jane", "member user github/jane"),
            ("/api/invalid-collection", "UnknownType"),
            ("/api/Device", "UnknownType"),
            ("/api/cloud-entry-point/x", "UnknownType"),
            ("/apix", "Unknown"),
            ("/nothing", "Unknown"),
        ] {
            assert_eq!(shown(path), meaning, "{path}");
        }
    }
}
