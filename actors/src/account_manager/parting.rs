//! What becomes of that which is a user's at the testbed API, and of that by which others know him there, when he goes.
//!
//! What he owns he gives away first, by [`holdings`]. The rest is taken from him when the account is gone; and again before an account of
//! the same name is made, in case the agent was killed between, or another agent of the area has had the account deleted. So nobody has by a
//! name what its former bearer had.

use std::sync::Arc;

use mf2c_domain::caller::Caller;
use mf2c_domain::filter::{Comparison, Filter, Literal, Op};
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::query::Query;
use mf2c_domain::resource;
use mf2c_domain::testbed::access::Circle;
use mf2c_domain::testbed::parting::{OWNED, called, changes};
use mf2c_store::{Document, Store, StoreError};
use serde_json::{Map, Value};

use super::accounts::Accounts;
use super::error::AccountError;

/// So often a change is tried again that others have come before.
const TRIES: usize = 20;

/// Something of the testbed that a user owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Its document.
    pub id: ResourceId,
    /// What people call it: `project Alfa`.
    pub called: String,
}

/// What a user owns that somebody else has to own, or nobody, before the user goes.
///
/// # Errors
/// [`StoreError`] where a document cannot be read.
pub fn holdings(store: &Store, user: &str) -> Result<Vec<Holding>, StoreError> {
    let mut owned = Vec::new();
    for kind in OWNED {
        for document in with(store, kind, "owner", user)? {
            let body = store.body(&document)?.and_then(|body| serde_json::from_slice(&body).ok());
            let called = called(kind, &body.unwrap_or_default());
            owned.push(Holding { id: document.id.clone(), called });
        }
    }
    for document in with(store, "experiment", "realization/by", user)? {
        let body = store.body(&document)?.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok());
        let body = body.unwrap_or_default();
        let runs = body.get("realization").is_some_and(|realization| realization["phase"] != "ended");
        if runs && !owned.iter().any(|holding| holding.id == document.id) {
            let called = format!("what runs of {}", called("experiment", &body));
            owned.push(Holding { id: document.id.clone(), called });
        }
    }
    Ok(owned)
}

/// The agent's own documents of a type in which an attribute has this value.
fn with(store: &Store, kind: &str, attribute: &str, value: &str) -> Result<Vec<Arc<Document>>, StoreError> {
    let (Some(spec), Some(path)) = (resource::find(kind), Path::parse(attribute)) else { return Ok(Vec::new()) };
    let filter = Filter::Compare(Comparison { path, op: Op::Eq, value: Literal::text(value) });
    let query = Query { filter: Some(filter), ..Query::everything() };
    let found = store.find(spec, &query, &Caller::agent())?.documents;
    Ok(found.into_iter().filter(|document| document.origin().is_none()).collect())
}

/// The documents of the testbed that may name a user, and those that go with him.
fn naming(store: &Store, user: &str) -> Result<(Vec<ResourceId>, Vec<ResourceId>), StoreError> {
    // What waits for being confirmed is a secret of a project, which no query tells.
    let mut naming = store.all("project");
    for kind in ["experiment", "computer", "image"] {
        naming.extend(store.all(kind).into_iter().filter(|document| document.acl.names_user(user)));
    }
    naming.extend(with(store, "experiment", "access/circleId", &Circle::id(user))?);
    for attribute in ["madeBy", "realization/by", "realization/notify"] {
        naming.extend(with(store, "experiment", attribute, user)?);
    }
    let own = naming.into_iter().filter(|document| document.origin().is_none());
    let going = with(store, "image", "owner", user)?;
    Ok((own.map(|document| document.id.clone()).collect(), going.iter().map(|image| image.id.clone()).collect()))
}

impl Accounts {
    /// What the testbed API keeps for a user goes with him, and others forget him.
    pub(super) async fn forget_papers(&self, id: &ResourceId) -> Result<(), AccountError> {
        // No name of a user holds a double quote.
        let user = id.name();
        for (kind, filter) in [
            ("notification", format!(r#"user="{user}""#)),
            // What he has asked others for.
            ("notification", format!(r#"from="{user}" and about!=null"#)),
            ("testbed-profile", format!(r#"user="{user}""#)),
            ("testbed-session", format!(r#"user="{user}""#)),
        ] {
            for document in self.found(kind, &filter)?.1 {
                self.delete(&document.id).await?;
            }
        }
        let (store, name) = (Arc::clone(self.store()), user.to_owned());
        let found = tokio::task::spawn_blocking(move || naming(&store, &name)).await;
        let (naming, going) = found.map_err(|_| AccountError::Failed)??;
        for id in going {
            self.delete(&id).await?;
        }
        for id in naming {
            self.take_out(&id, user).await?;
        }
        Ok(())
    }

    /// Takes a user out of a document of the testbed.
    async fn take_out(&self, id: &ResourceId, user: &str) -> Result<(), AccountError> {
        for _ in 0..TRIES {
            let Some(document) = self.store().get(id.as_str()) else { return Ok(()) };
            let Some(body) = self.store().body(&document)? else { return Ok(()) };
            let Some(changes) = changes(id.kind(), &body, &document.acl, user) else { return Ok(()) };
            match self.edit(&document, Value::Object(changes), &[]).await {
                Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(()),
                // Somebody else has just changed it.
                Err(StoreError::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(AccountError::Failed)
    }

    /// Sees to it that an account which is about to be made begins with nothing of one before it that had the same name.
    ///
    /// # Errors
    /// [`AccountError::NameHolds`] where the former bearer of the name owns something still, which nobody has given away;
    /// [`StoreError::Conflict`] where somebody else has made the account meanwhile.
    pub(super) async fn begin_anew(&self, id: &ResourceId) -> Result<(), AccountError> {
        if self.store().get(id.as_str()).is_some() {
            return Err(StoreError::Conflict { id: id.clone() }.into());
        }
        if let Some(owned) = holdings(self.store(), id.name())?.into_iter().next() {
            tracing::warn!(
                user = id.name(),
                holds = owned.called,
                "a name is not given again: a former user owns something still"
            );
            return Err(AccountError::NameHolds(id.as_str().to_owned()));
        }
        self.end_sessions(id.name(), None).await?;
        self.forget_links(id).await?;
        self.forget_papers(id).await
    }
}
