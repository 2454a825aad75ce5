//! Cleaning up: accounts that nobody has proved, and links that are of no use any more.

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_store::Document;
use serde_json::{Map, Value};

use super::accounts::{Accounts, after};
use super::error::AccountError;

/// How many times as long as a link holds its account is kept, and the link itself.
const KEPT_FOR: u32 = 7;
/// The most documents of one type that are removed in one sweep; the rest goes in the next.
const AT_ONCE: usize = 1000;

impl Accounts {
    pub(super) async fn sweep(&self) {
        for swept in [self.sweep_users().await, self.sweep_callbacks().await] {
            match swept {
                Ok((_, 0)) => {}
                Ok((kind, count)) => tracing::info!(kind, count, "removed what nobody needs any more"),
                Err(error) => tracing::warn!(%error, "what nobody needs any more could not be removed"),
            }
        }
    }

    /// Accounts that people have made for themselves and never proved.
    async fn sweep_users(&self) -> Result<(&'static str, usize), AccountError> {
        let (_, documents) = self.found("user", "state='NEW' and method='self-registration'")?;
        let old = self.old(&documents, |user| text(user, "created"))?;
        for id in &old {
            // Whoever has validated it meanwhile keeps it.
            if self.user(id).is_ok_and(|(_, user)| user.state == "NEW") {
                self.delete(id).await?;
                self.forget_links(id).await?;
                self.forget_papers(id).await?;
            }
        }
        Ok(("user", old.len()))
    }

    /// Callbacks that have come to an end: executed, failed or expired. Those without an end are somebody's own.
    async fn sweep_callbacks(&self) -> Result<(&'static str, usize), AccountError> {
        let (_, documents) = self.found("callback", "state!='WAITING' or expires!=null")?;
        let old = self.old(&documents, |callback| match text(callback, "state") {
            Some("WAITING") => text(callback, "expires"),
            _ => text(callback, "updated"),
        })?;
        for id in &old {
            self.delete(id).await?;
        }
        Ok(("callback", old.len()))
    }

    /// Those whose instant is so long ago that nobody will ask for them.
    fn old(
        &self,
        documents: &[std::sync::Arc<Document>],
        instant: impl Fn(&Map<String, Value>) -> Option<&str>,
    ) -> Result<Vec<ResourceId>, AccountError> {
        let (now, kept) = (self.now(), self.settings().validation_life.saturating_mul(KEPT_FOR));
        let mut old = Vec::new();
        for document in documents {
            let Some(attributes) = self.attributes(document)? else { continue };
            let since = instant(&attributes).and_then(Timestamp::parse);
            if since.is_some_and(|since| after(since, kept) < now) {
                old.push(document.id.clone());
            }
            if old.len() >= AT_ONCE {
                break;
            }
        }
        Ok(old)
    }
}

fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}
