//! What is told: one change as a receiver may see it, and the body of the delivery that tells of it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::MAX_BODY;
use crate::acl::Acl;
use crate::id::ResourceId;
use crate::resource;
use crate::time::Timestamp;

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Created,
    /// It has another content.
    Updated,
    /// It is gone.
    Deleted,
}

impl What {
    /// The word of the format.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// One change to one document, without its secrets.
#[derive(Debug, Clone)]
pub struct News {
    /// Its place in the change log.
    pub position: u64,
    /// When it happened.
    pub time: Timestamp,
    /// Which document.
    pub id: ResourceId,
    /// What happened to it.
    pub what: What,
    /// Who may see the document; the one that it had last, if it is gone.
    pub acl: Acl,
    /// The document, or as it was last.
    pub document: Vec<u8>,
}

#[derive(Deserialize)]
struct Guarded {
    acl: Acl,
}

impl News {
    /// What a change says: `document` is what it led to, or what was there last if it was deleted.
    ///
    /// None where nobody can know who may be told.
    #[must_use]
    pub fn read(position: u64, time: Timestamp, id: ResourceId, what: What, document: &[u8]) -> Option<Self> {
        let Guarded { acl } = serde_json::from_slice(document).ok()?;
        let document = without_secrets(&id, document)?;
        Some(Self { position, time, id, what, acl, document })
    }

    /// The body of the delivery: `type`, `timestamp` and `data`, as the Standard Webhooks specification has them.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let whole: Option<&RawValue> = serde_json::from_slice(&self.document).ok();
        let fits = self.document.len() + 1024 <= MAX_BODY;
        let mut data = json!({
            "change": self.what.word(), "id": self.id.as_str(), "type": self.id.kind(), "time": self.time.to_string(),
            "position": self.position,
        });
        if !fits {
            data["omitted"] = true.into();
        }
        let mut data = data.to_string();
        if let Some(document) = whole.filter(|_| fits) {
            data.pop();
            data.push_str(",\"resource\":");
            data.push_str(document.get());
            data.push('}');
        }
        let kind = format!("{}.{}", self.id.kind(), self.what.word());
        format!(r#"{{"type":"{kind}","timestamp":"{}","data":{data}}}"#, self.time).into_bytes()
    }
}

/// The body that says that changes are missing: those between what the receiver knows and `position`, from which on it
/// is told again.
#[must_use]
pub fn reset(time: Timestamp, position: u64) -> Vec<u8> {
    let (time, data) = (time.to_string(), json!({"change": "reset", "time": time.to_string(), "position": position}));
    json!({"type": "reset", "timestamp": time, "data": data}).to_string().into_bytes()
}

/// The document as anybody may get it: no answer, event or filter touches a secret.
fn without_secrets(id: &ResourceId, document: &[u8]) -> Option<Vec<u8>> {
    let mut secrets = resource::find(id.kind())?.secrets().peekable();
    if secrets.peek().is_none() {
        return Some(document.to_vec());
    }
    let mut whole: Map<String, Value> = serde_json::from_slice(document).ok()?;
    for secret in secrets {
        whole.remove(secret);
    }
    serde_json::to_vec(&whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_560_535_584_203);

    fn document(more: Value) -> Vec<u8> {
        let mut whole =
            json!({"created": "a", "updated": "a", "acl": {"owner": {"principal": "jane", "type": "USER"}}});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        whole.to_string().into_bytes()
    }

    fn news(kind: &str, what: What, document: &[u8]) -> Option<News> {
        News::read(9, NOW, ResourceId::new(kind, "a1").unwrap(), what, document)
    }

    fn told(news: &News) -> Value {
        serde_json::from_slice(&news.body()).unwrap()
    }

    #[test]
    fn a_delivery_holds_what_happened_and_the_document() {
        let created = document(json!({"os": "linux"}));
        let body = told(&news("device", What::Created, &created).unwrap());
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("device.created"), &json!("2019-06-14T18:06:24.203Z")));
        let data = &body["data"];
        assert_eq!(
            (&data["change"], &data["id"], &data["type"], &data["position"], &data["resource"]["os"]),
            (&json!("created"), &json!("device/a1"), &json!("device"), &json!(9), &json!("linux"))
        );
        assert_eq!(told(&news("device", What::Updated, &created).unwrap())["type"], "device.updated");
    }

    #[test]
    fn a_deletion_is_told_to_whom_the_document_was_visible_and_shows_it_as_it_was() {
        let gone = news("device", What::Deleted, &document(json!({"os": "linux"}))).unwrap();
        assert_eq!(gone.acl.owner.principal.as_ref(), "jane");
        let body = told(&gone);
        assert_eq!((&body["type"], &body["data"]["resource"]["os"]), (&json!("device.deleted"), &json!("linux")));
        assert!(news("device", What::Deleted, b"").is_none());
    }

    #[test]
    fn secrets_are_not_there_to_be_told_or_filtered_by() {
        let hook = document(json!({"url": "https://example.org", "secret": "whsec_AAAA"}));
        let news = news("webhook", What::Created, &hook).unwrap();
        assert!(!String::from_utf8(news.document.clone()).unwrap().contains("whsec"));
        assert!(!String::from_utf8(news.body()).unwrap().contains("whsec"));
    }

    #[test]
    fn a_document_that_is_too_large_is_told_of_without_it() {
        let large = document(json!({"os": "x".repeat(MAX_BODY)}));
        let news = news("device", What::Created, &large).unwrap();
        assert!(news.body().len() < 1024);
        assert_eq!(told(&news)["data"]["omitted"], true);
    }

    #[test]
    fn a_reset_says_from_where_it_goes_on() {
        let body: Value = serde_json::from_slice(&reset(NOW, 77)).unwrap();
        assert_eq!((&body["type"], &body["data"]["position"]), (&json!("reset"), &json!(77)));
    }
}
