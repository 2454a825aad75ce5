//! Deletes sessions and keys: those of somebody, and those that have expired.

use std::sync::Arc;

use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::query::Query;
use mf2c_domain::resource;
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, Store, StoreError};
use serde::Deserialize;

use super::desk::Desk;

/// So many documents are looked at, and deletions wait for the disk together.
const BATCH: usize = 1000;

#[derive(Deserialize)]
struct Expiring {
    expiry: Option<String>,
}

impl Desk {
    /// Deletes the documents of a type in which an attribute has this value, but for one; how many.
    pub(super) async fn end_where(
        &self,
        kind: &'static str,
        attribute: &'static str,
        value: &str,
        except: Option<ResourceId>,
    ) -> Result<usize, StoreError> {
        let (Some(spec), Some(path)) = (resource::find(kind), Path::parse(attribute)) else { return Ok(0) };
        let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(value) });
        let query = Query { filter: Some(filter), ..Query::everything() };
        let mut ended = 0;
        loop {
            let (store, query) = (Arc::clone(&self.store), query.clone());
            let found = tokio::task::spawn_blocking(move || store.find(spec, &query, &Caller::agent()));
            let mut found = found.await.map_err(|_| StoreError::Stopping)??.documents;
            found.retain(|document| Some(&document.id) != except.as_ref());
            if found.is_empty() {
                return Ok(ended);
            }
            ended += found.len();
            self.delete_all(found).await?;
        }
    }

    /// How many documents of a type a user has, and the oldest of them.
    pub(super) async fn of_user(
        &self,
        kind: &'static str,
        attribute: &'static str,
        username: &str,
    ) -> Result<(usize, Vec<Arc<Document>>), StoreError> {
        let (Some(spec), Some(path)) = (resource::find(kind), Path::parse(attribute)) else {
            return Ok((0, Vec::new()));
        };
        let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(username) });
        let query = Query { filter: Some(filter), last: Some(1), ..Query::everything() };
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || store.find(spec, &query, &Caller::agent()));
        let found = found.await.map_err(|_| StoreError::Stopping)??;
        Ok((found.count, found.documents))
    }

    /// Deletes what has expired, and tells where the next look at the keys begins.
    ///
    /// Sessions live equally long, so the oldest are looked at until a batch holds none that has expired. Keys do not:
    /// some are looked at each time, in turn.
    pub(super) async fn sweep(&self, from: u64) -> Result<(usize, u64), StoreError> {
        let mut ended = 0;
        loop {
            let (expired, _) = self.expired("session", 0).await?;
            if expired.is_empty() {
                break;
            }
            ended += expired.len();
            self.delete_all(expired).await?;
        }
        let (expired, next) = self.expired("credential", from).await?;
        ended += expired.len();
        for key in &expired {
            self.end_where("session", "credential", key.id.as_str(), None).await?;
        }
        self.delete_all(expired).await?;
        Ok((ended, next))
    }

    /// Those of a batch of documents behind `from` that have expired, and where the next batch begins.
    async fn expired(&self, kind: &'static str, from: u64) -> Result<(Vec<Arc<Document>>, u64), StoreError> {
        let (store, now) = (Arc::clone(&self.store), self.world.clock.now());
        let looked = tokio::task::spawn_blocking(move || look(&store, kind, from, now));
        looked.await.map_err(|_| StoreError::Stopping)?
    }

    pub(super) async fn delete_all(&self, documents: Vec<Arc<Document>>) -> Result<(), StoreError> {
        for batch in documents.chunks(BATCH) {
            // They are sent before any is waited for, so that they share a sync.
            let deletions: Vec<_> =
                batch.iter().map(|document| actix::spawn(self.clone().delete_one(document.id.clone()))).collect();
            for deleted in deletions {
                deleted.await.map_err(|_| StoreError::Stopping)??;
            }
        }
        Ok(())
    }

    async fn delete_one(self, id: ResourceId) -> Result<(), StoreError> {
        self.delete(&id).await
    }
}

fn look(store: &Store, kind: &str, from: u64, now: Timestamp) -> Result<(Vec<Arc<Document>>, u64), StoreError> {
    let (mut expired, mut looked_at, mut next) = (Vec::new(), 0, 0);
    for document in store.all(kind).into_iter().filter(|document| document.born > from) {
        if looked_at == BATCH {
            return Ok((expired, next));
        }
        looked_at += 1;
        next = document.born;
        if ends(store, &document)?.is_some_and(|end| end <= now) {
            expired.push(document);
        }
    }
    // That was the end: the next look begins at the beginning.
    Ok((expired, 0))
}

fn ends(store: &Store, document: &Document) -> Result<Option<Timestamp>, StoreError> {
    let Some(body) = store.body(document)? else { return Ok(None) };
    let expiry = serde_json::from_slice::<Expiring>(&body).ok().and_then(|found| found.expiry);
    Ok(expiry.as_deref().and_then(Timestamp::parse))
}
