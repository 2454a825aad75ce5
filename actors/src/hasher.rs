//! Digests passwords off the arbiters, few at a time: each digest takes 19 MiB and a core for some 20 ms.

use std::sync::Arc;

use mf2c_auth::passwords::{self, PasswordError};
use mf2c_domain::entropy::Entropy;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

/// So many digests are computed at once.
const AT_ONCE: usize = 2;
/// So many may be computed or wait for it; who comes then is sent away.
const LINE: usize = 64;

/// Why there is no digest.
#[derive(Debug, Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many passwords are being checked: try again in a moment")]
    Busy,
    /// It cannot be computed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Computes digests for whoever holds a copy of it.
#[derive(Clone)]
pub struct Hasher {
    line: Arc<Semaphore>,
    places: Arc<Semaphore>,
    entropy: Arc<dyn Entropy>,
}

impl Hasher {
    /// One with an empty line.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { line: Arc::new(Semaphore::new(LINE)), places: Arc::new(Semaphore::new(AT_ONCE)), entropy }
    }

    /// The digest of a password.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let entropy = Arc::clone(&self.entropy);
        Ok(self.compute(move || passwords::hash(&password, &*entropy)).await??)
    }

    /// Whether the digest is that of the password. Without a digest it takes the same time, and is false.
    ///
    /// # Errors
    /// [`HashError::Busy`].
    pub async fn verify(&self, password: String, digest: Option<String>) -> Result<bool, HashError> {
        self.compute(move || match digest {
            Some(digest) => passwords::verify(&password, &digest),
            None => {
                passwords::verify_nobody(&password);
                false
            }
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
        let _in_line = self.line.try_acquire().map_err(|_| HashError::Busy)?;
        let _place: SemaphorePermit<'_> = self.places.acquire().await.map_err(|_| HashError::Busy)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| HashError::Busy)
    }
}
