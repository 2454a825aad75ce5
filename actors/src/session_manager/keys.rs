//! SSH keys: new pairs are made off the arbiter, one at a time, and only their public halves are kept.

use std::sync::Arc;

use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::keyring::{GENERATE_SSH_KEY, NewSshKey, STORE_SSH_KEY, check_name, id_of};
use mf2c_domain::people::stored::NewStored;
use mf2c_domain::resource::Draft;
use mf2c_pki::ssh::{Pair, PublicKey, SshKeyError};
use mf2c_store::StoreError;
use tokio::sync::Semaphore;

use super::desk::Desk;
use super::error::shown;
use super::{KeepSshKey, KeptSshKey, SignInError};

/// So many pairs are made at once: each takes a core for a while.
const AT_ONCE: usize = 1;
/// So many may be made or wait for it; who comes then is sent away.
const LINE: usize = 32;

/// Makes pairs for whoever holds a copy of it.
#[derive(Clone)]
pub(super) struct KeyMaker {
    line: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl KeyMaker {
    pub(super) fn new() -> Self {
        Self { line: Arc::new(Semaphore::new(LINE)), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn make(&self) -> Result<Pair, SignInError> {
        let _in_line = self.line.try_acquire().map_err(|_| SignInError::MakingKeys)?;
        let _place = self.places.acquire().await.map_err(|_| SignInError::MakingKeys)?;
        let made = tokio::task::spawn_blocking(Pair::generate).await;
        Ok(made.map_err(|_| SshKeyError::Make)??)
    }
}

impl Desk {
    pub(super) async fn keep_ssh_key(&self, keep: KeepSshKey) -> Result<KeptSshKey, SignInError> {
        let KeepSshKey { by, name, public_key, about } = keep;
        let owner = by.identity().ok_or(SignInError::Nobody)?;
        let name = name.unwrap_or_else(|| self.some_name());
        let id = self.place_of_key(owner, &name).await?;
        let (public, fingerprint, private_pem) = match public_key {
            Some(text) => {
                let key = PublicKey::parse(&text)?;
                (key.openssh(), key.fingerprint(), None)
            }
            None => {
                let pair = self.keys.make().await?;
                (pair.public.openssh(), pair.fingerprint, Some(pair.private_pem))
            }
        };
        let method = if private_pem.is_some() { GENERATE_SSH_KEY } else { STORE_SSH_KEY };
        let new = NewSshKey { name: &name, method, public_key: &public, fingerprint: &fingerprint };
        self.keep(&id, &name, new.for_owner(owner, about)).await?;
        Ok(KeptSshKey { id, name, public_key: public, fingerprint, private_pem })
    }

    /// The id of a user's new key of this name, where there is none and he has room for one.
    pub(super) async fn place_of_key(&self, owner: &str, name: &str) -> Result<ResourceId, SignInError> {
        check_name(name)?;
        let id = id_of(owner, name)?;
        if self.store.get(id.as_str()).is_some() {
            return Err(SignInError::NameTaken { shown: shown(name) });
        }
        self.room_for("credential")?;
        self.room_for_key_of(owner).await?;
        Ok(id)
    }

    /// Stores a key that has a name. Of two at once that have the same, one is refused.
    pub(super) async fn keep(&self, id: &ResourceId, name: &str, new: NewStored) -> Result<(), SignInError> {
        let NewStored { attributes, acl } = new;
        let added = self.add(id, Draft { attributes, acl: Some(acl), name: Some(id.name().to_owned()) }).await;
        added.map_err(|error| match error {
            SignInError::Store(StoreError::Conflict { .. }) => SignInError::NameTaken { shown: shown(name) },
            error => error,
        })
    }

    /// A name for who gives none.
    pub(super) fn some_name(&self) -> String {
        let random = uuid_v4(&*self.world.entropy);
        format!("key-{}", random.split('-').next().unwrap_or_default())
    }
}
