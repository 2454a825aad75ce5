//! Where proofs are checked, sessions opened and keys made. Holds no state of its own: each request works on a copy.

use std::sync::Arc;

use actix::Addr;
use mf2c_auth::token::{Claims, TokenKey};
use mf2c_auth::{api_key, passwords};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::account::Account;
use mf2c_domain::people::key::{ApiKey, KeyClaims, NewKey};
use mf2c_domain::people::session::{NewSession, Proved};
use mf2c_domain::people::stored::{NewStored, Stored};
use mf2c_domain::resource::{self, Draft};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, NewDocument, Store, StoreError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::shown;
use super::keys::KeyMaker;
use super::{
    IssueKey, IssuedKey, Proof, Proven, SessionSettings, SetPassword, SignIn, SignInError, SignedIn, StoreCredential,
};
use crate::hasher::Hasher;
use crate::ports::World;
use crate::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};

/// The most sessions, and the most credentials, that are stored.
const MOST: usize = 1_000_000;
/// The most sessions, and the most credentials, of one user: nobody takes the room of all others.
const MOST_OF_ONE: usize = 1000;
/// The shortest password.
const MIN_PASSWORD: usize = 8;

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) store: Arc<Store>,
    pub(super) writer: Addr<ResourceStore>,
    pub(super) world: World,
    pub(super) key: Arc<TokenKey>,
    pub(super) hasher: Hasher,
    pub(super) settings: SessionSettings,
    pub(super) keys: KeyMaker,
}

/// How a session began.
#[derive(Deserialize)]
struct BegunWith {
    credential: Option<String>,
}

/// The documents that a proof rests on, as they were when it was checked.
type Basis = Vec<Arc<Document>>;

impl Desk {
    pub(super) async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, SignInError> {
        let (proved, basis) = self.check(&sign_in.proof).await?;
        self.end_oldest(&proved.username).await?;
        self.room_for("session")?;
        let world = &self.world;
        let id = ResourceId::new("session", &uuid_v4(&*world.entropy))?;
        let now = (world.clock.now(), self.settings.life.as_secs());
        let NewSession { attributes, acl, roles, expiry } =
            NewSession::new(&id, &proved, &sign_in.template, &sign_in.place, sign_in.about, now);
        self.add(&id, Draft { attributes, acl: Some(acl), name: Some(id.name().to_owned()) }).await?;
        // Whoever was barred, or got another password, while this was checked has had his sessions ended without this one.
        if !basis.iter().all(|document| self.still_stands(document)) {
            self.delete(&id).await?;
            return Err(SignInError::Busy);
        }
        let exp = expiry.millis() / 1000;
        let claims = Claims { username: proved.username, roles, session: id.as_str().to_owned(), exp };
        Ok(SignedIn { session: id, token: self.key.sign(&claims), expiry })
    }

    async fn check(&self, proof: &Proof) -> Result<(Proved, Basis), SignInError> {
        match proof {
            Proof::Password { username, password } => self.by_password(username, password).await,
            Proof::Key { key, secret } => self.by_key(key, secret).await,
        }
    }

    pub(super) async fn prove(&self, proof: &Proof) -> Result<Proven, SignInError> {
        let (proved, basis) = self.check(proof).await?;
        if !basis.iter().all(|document| self.still_stands(document)) {
            return Err(SignInError::Busy);
        }
        let caller = Caller::new(&proved.username, proved.roles.iter().map(String::as_str));
        let caller = proved.key_ends.map_or(caller.clone(), |end| caller.until(end));
        Ok(Proven { caller, basis: basis.iter().map(|document| (document.id.clone(), document.revision)).collect() })
    }

    async fn by_password(&self, username: &str, password: &str) -> Result<(Proved, Basis), SignInError> {
        let found = self.read(&format!("user/{username}"), Account::read).await?;
        let digest = found.as_ref().and_then(|(account, _)| account.password.clone());
        let fits = self.hasher.verify(password.to_owned(), digest).await?;
        let Some((account, document)) = found.filter(|(account, _)| fits && account.may_sign_in()) else {
            return Err(SignInError::invalid(username));
        };
        let roles = account.roles().into_iter().map(str::to_owned).collect();
        let proved = Proved { username: account.username, roles, method: "internal", key: None, key_ends: None };
        Ok((proved, vec![document]))
    }

    async fn by_key(&self, key: &str, secret: &str) -> Result<(Proved, Basis), SignInError> {
        let invalid = || SignInError::invalid(key);
        let id =
            ResourceId::new("credential", key.strip_prefix("credential/").unwrap_or(key)).map_err(|_| invalid())?;
        let now = self.world.clock.now();
        let found = self.read(id.as_str(), ApiKey::read).await?;
        let good = found.filter(|(key, _)| api_key::matches(secret, &key.digest) && key.holds(now));
        let (key, document) = good.ok_or_else(invalid)?;
        let username = key.claims.identity.clone();
        let mut basis = vec![document];
        let roles = match self.read(&format!("user/{username}"), Account::read).await? {
            Some((account, user)) if account.may_sign_in() => {
                basis.push(user);
                key.claims.roles_of(&account)
            }
            None if self.settings.without_account => key.claims.roles_without_account(),
            _ => return Err(invalid()),
        };
        let key_ends = key.ends();
        Ok((Proved { username, roles, method: "api-key", key: Some(id), key_ends }, basis))
    }

    pub(super) async fn issue(&self, IssueKey { by, ttl, about }: IssueKey) -> Result<IssuedKey, SignInError> {
        let claims = KeyClaims::of(&by).ok_or(SignInError::Nobody)?;
        self.room_for("credential")?;
        self.room_for_key_of(&claims.identity).await?;
        let now = self.world.clock.now();
        // What is made with a key that ends does not outlive it.
        let ends = self.end_of_key(&by).await?;
        let entropy = &*self.world.entropy;
        let secret = api_key::secret(entropy);
        let digest = api_key::digest(&secret, entropy);
        let NewKey { attributes, acl } = NewKey::new(&claims, digest, ttl, ends, about, now);
        let id = ResourceId::new("credential", &uuid_v4(entropy))?;
        self.add(&id, Draft { attributes, acl: Some(acl), name: Some(id.name().to_owned()) }).await?;
        Ok(IssuedKey { id, secret })
    }

    pub(super) async fn store_credential(&self, store: StoreCredential) -> Result<ResourceId, SignInError> {
        let StoreCredential { by, kind, filled, mut about } = store;
        let owner = by.identity().ok_or(SignInError::Nobody)?;
        if kind == Stored::Login {
            let name = about.get("name").and_then(Value::as_str).map_or_else(|| self.some_name(), str::to_owned);
            let id = self.place_of_key(owner, &name).await?;
            about.insert("name".to_owned(), name.clone().into());
            self.keep(&id, &name, kind.new_for(owner, filled, about)).await?;
            return Ok(id);
        }
        self.room_for("credential")?;
        self.room_for_key_of(owner).await?;
        let NewStored { attributes, acl } = kind.new_for(owner, filled, about);
        let id = ResourceId::new("credential", &uuid_v4(&*self.world.entropy))?;
        self.add(&id, Draft { attributes, acl: Some(acl), name: Some(id.name().to_owned()) }).await?;
        Ok(id)
    }

    /// The end of the key or certificate by which the caller signed in; none where there is no such one, or it has no end.
    async fn end_of_key(&self, by: &Caller) -> Result<Option<Timestamp>, SignInError> {
        if by.certificate().is_some() {
            return Ok(by.ends());
        }
        let Some(session) = by.session() else { return Ok(None) };
        let begun =
            |session: &[u8]| serde_json::from_slice::<BegunWith>(session).ok().and_then(|begun| begun.credential);
        let Some((key, _)) = self.read(session, begun).await? else { return Ok(None) };
        // Without the key its sessions are gone in a moment, and so is what would be made in them.
        let (key, _) = self.read(&key, ApiKey::read).await?.ok_or(SignInError::Nobody)?;
        Ok(key.ends())
    }

    pub(super) async fn set_password(&self, set: SetPassword) -> Result<(), SignInError> {
        let len = set.password.len();
        if !(MIN_PASSWORD..=passwords::MAX_LEN).contains(&len) {
            return Err(SignInError::PasswordLength { len });
        }
        let missing = || SignInError::NoUser { shown: shown(&set.username) };
        let id = ResourceId::new("user", &set.username).map_err(|_| missing())?;
        if self.store.get(id.as_str()).is_none() {
            return Err(missing());
        }
        let digest = self.hasher.hash(set.password).await?;
        crate::resets::end_resets(&self.store, &self.writer, &id).await?;
        let changes = Map::from_iter([("password".to_owned(), digest.into())]);
        let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by: Caller::agent() };
        self.writer.send(edit).await??;
        self.end_where("session", "username", &set.username, None).await?;
        Ok(())
    }

    pub(super) fn room_for(&self, kind: &'static str) -> Result<(), SignInError> {
        let full = self.store.count(kind) >= MOST;
        if full { Err(SignInError::Full { kind, limit: MOST }) } else { Ok(()) }
    }

    /// A user who has too many sessions loses the oldest: programs that never sign out go on.
    async fn end_oldest(&self, username: &str) -> Result<(), SignInError> {
        if self.store.count("session") < MOST_OF_ONE {
            return Ok(());
        }
        let (count, oldest) = self.of_user("session", "username", username).await?;
        if count >= MOST_OF_ONE {
            self.delete_all(oldest).await?;
        }
        Ok(())
    }

    pub(super) async fn room_for_key_of(&self, username: &str) -> Result<(), SignInError> {
        if self.store.count("credential") < MOST_OF_ONE {
            return Ok(());
        }
        let (count, _) = self.of_user("credential", "claims/identity", username).await?;
        let full = count >= MOST_OF_ONE;
        if full { Err(SignInError::TooManyOwn { limit: MOST_OF_ONE }) } else { Ok(()) }
    }

    pub(super) async fn add(&self, id: &ResourceId, draft: Draft) -> Result<(), SignInError> {
        let Some(spec) = resource::find(id.kind()) else { return Err(SignInError::Busy) };
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.world.entropy)?;
        self.writer.send(AddResource(new)).await??;
        Ok(())
    }

    pub(super) async fn delete(&self, id: &ResourceId) -> Result<(), StoreError> {
        let delete = DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() };
        match self.writer.send(delete).await.map_err(|_| StoreError::Stopping)? {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A document and what is read from it; off the arbiter, because it may be on disk.
    async fn read<T: Send + 'static>(
        &self,
        id: &str,
        read: fn(&[u8]) -> Option<T>,
    ) -> Result<Option<(T, Arc<Document>)>, StoreError> {
        let Some(document) = self.store.get(id) else { return Ok(None) };
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || {
            let body = store.body(&document)?;
            Ok(body.and_then(|body| read(&body)).map(|found| (found, Arc::clone(&document))))
        });
        found.await.map_err(|_| StoreError::Stopping)?
    }

    fn still_stands(&self, basis: &Document) -> bool {
        self.store.get(basis.id.as_str()).is_some_and(|now| now.revision == basis.revision)
    }
}
