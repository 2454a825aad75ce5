//! The tag of the configuration: another one whenever something in it is another.

use std::fmt::Write as _;

use actix_web::http::StatusCode;
use mf2c_actors::flocker::documents::Dataset;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::refusal::Refusal;
use super::{Call, containers, datasets};

/// The header that tells it.
pub(super) const TAG: &str = "x-configuration-tag";
/// The header that asks for one.
const CONDITION: &str = "x-if-configuration-matches";

impl Call<'_> {
    /// The tag of what the caller may see of the configuration: 32 digits.
    pub(super) fn tag(&self) -> String {
        let mut sum = Sha256::new();
        let mut add = |value: serde_json::Value| {
            sum.update(value.to_string());
            sum.update([0]);
        };
        for container in self.configured() {
            add(containers::shown(&container.is));
        }
        for (id, dataset) in self.known_datasets() {
            add(datasets::shown(&id, &dataset));
        }
        for lease in self.known_leases() {
            add(json!([lease.document.id.name(), lease.is.node, lease.is.until]));
        }
        sum.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Refuses a change that is based on another configuration.
    pub(super) fn unless_changed(&self) -> Result<(), Refusal> {
        let wanted = self.exchange.request.headers().get_all(CONDITION);
        let wanted: Vec<String> = wanted.map(|tag| String::from_utf8_lossy(tag.as_bytes()).trim().to_owned()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let current = self.tag();
        if wanted.contains(&current) {
            return Ok(());
        }
        let text = format!("Tag doesn't match. Required: {}, current: {current}", wanted.join(", "));
        Err(Refusal::new(StatusCode::PRECONDITION_FAILED, text))
    }

    /// The datasets that the caller may see, in the order of their ids.
    pub(super) fn known_datasets(&self) -> Vec<(String, Dataset)> {
        let found = self.seen(mf2c_actors::flocker::documents::DATASET).into_iter();
        let mut found: Vec<(String, Dataset)> =
            found.map(|found| (found.document.id.name().to_owned(), found.is)).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found
    }
}
