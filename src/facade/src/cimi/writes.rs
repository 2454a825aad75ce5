//! `Writes`: the way to the store's writer, which counts who waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::dev::MessageResponse;
use actix::{Addr, Handler, MailboxError, Message};
use mf2c_actors::resource_store::ResourceStore;

/// The address of the writer.
#[derive(Clone)]
pub struct Writes {
    store: Addr<ResourceStore>,
    waiting: Arc<AtomicU64>,
}

/// Somebody who waits; gone when he has his answer, or has stopped waiting.
struct Waiting<'w>(&'w AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writes {
    /// The way to this writer.
    #[must_use]
    pub fn new(store: Addr<ResourceStore>) -> Self {
        Self { store, waiting: Arc::default() }
    }

    /// Hands a write over and waits until it is on disk.
    ///
    /// # Errors
    /// [`MailboxError`] if the writer is gone.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, MailboxError>
    where
        M: Message + Send + 'static,
        M::Result: MessageResponse<ResourceStore, M> + Send,
        ResourceStore: Handler<M>,
    {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.store.send(message).await
    }

    /// How many wait at this moment.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The writer's own address, for other actors.
    #[must_use]
    pub fn address(&self) -> &Addr<ResourceStore> {
        &self.store
    }
}
