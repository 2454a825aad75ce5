//! Removes the documents of certificates and tokens that nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use mf2c_domain::area::renewal::GRACE;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_pki::area::Serial;
use mf2c_store::{Store, StoreError};

use super::issue::later;
use super::{CertificateAuthority, record, tokens};
use crate::resource_store::{DeleteResource, ResourceStore};

/// The most documents of one type that are removed in one pass; the rest goes in the next.
pub(super) const AT_ONCE: usize = 1000;
/// How long a token is kept after its use or end.
const TOKENS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What a pass has removed.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) certificates: Vec<Serial>,
    pub(super) tokens: usize,
}

impl CertificateAuthority {
    /// One pass.
    pub(super) fn sweep(&self) -> impl Future<Output = Swept> + use<> {
        let now = self.now();
        let ended = Timestamp::from_nanos(now.nanos() - i128::try_from(GRACE.as_nanos()).unwrap_or_default());
        let certificates = self.register.ended_before(ended, AT_ONCE);
        let (store, writer) = (Arc::clone(&self.store), self.writer.clone());
        async move {
            let ids = certificates
                .into_iter()
                .filter_map(|serial| ResourceId::new(record::KIND, &serial.to_string()).ok().map(|id| (id, serial)));
            let certificates = delete(ids.collect(), &writer).await;
            let old = tokio::task::spawn_blocking(move || old_tokens(&store, now)).await.unwrap_or_default();
            let tokens = delete(old.into_iter().map(|id| (id, ())).collect(), &writer).await.len();
            Swept { certificates, tokens }
        }
    }
}

/// Deletes documents, and tells which are gone.
async fn delete<T>(documents: Vec<(ResourceId, T)>, writer: &Addr<ResourceStore>) -> Vec<T> {
    let delete = |(id, what)| {
        let (writer, by) = (writer.clone(), Caller::agent());
        // They are sent before any is waited for, so that they share a sync.
        (what, actix::spawn(async move { writer.send(DeleteResource { id, if_match: None, by }).await }))
    };
    let deletions: Vec<_> = documents.into_iter().map(delete).collect();
    let mut gone = Vec::new();
    for (what, deletion) in deletions {
        match deletion.await {
            Ok(Ok(Ok(_) | Err(StoreError::NotFound { .. }))) => gone.push(what),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "an old certificate or join token could not be removed; it is tried again")
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
    gone
}

/// Tokens that have been of no use for a day.
fn old_tokens(store: &Store, now: Timestamp) -> Vec<ResourceId> {
    let ended = |id: &ResourceId| {
        let token = tokens::read(store, id.name())?;
        Some(later(Timestamp::parse(&token.expires)?, TOKENS_KEPT) < now)
    };
    let all = store.all(tokens::KIND).into_iter().map(|document| document.id.clone());
    all.filter(|id| ended(id).unwrap_or(false)).take(AT_ONCE).collect()
}
