//! The actor: what it holds, and its handlers.

use std::path::Path;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_fabric::wire::{Answer, Code, WireError};
use mf2c_store::Store;

use super::*;
use crate::ports::World;
use crate::resource_store::ResourceStore;

/// See the module.
pub struct CertificateAuthority {
    _settings: AuthoritySettings,
}

impl CertificateAuthority {
    /// The authority whose files are in `ca/` of the data directory, if there are any. It belongs on an arbiter of its own:
    /// signing takes the processor.
    #[must_use]
    pub fn new(
        data_dir: &Path,
        settings: AuthoritySettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        world: World,
    ) -> Self {
        let _ = (data_dir, store, writer, world);
        Self { _settings: settings }
    }
}

impl Actor for CertificateAuthority {
    type Context = Context<Self>;
}

macro_rules! later {
    ($($message:ty),*) => {$(
        impl Handler<$message> for CertificateAuthority {
            type Result = ResponseActFuture<Self, <$message as Message>::Result>;
            fn handle(&mut self, _: $message, _: &mut Context<Self>) -> Self::Result {
                Box::pin(async { Err(AuthorityError::None) }.into_actor(self))
            }
        }
    )*};
}
later!(InitAuthority, CreateToken, Revoke, Rotate, ShowAuthority, RevocationList, RecordForeign, AdoptArea);
later!(TakeUpper, TakeAreaCertificates);

macro_rules! answers {
    ($($message:ty),*) => {$(
        impl Handler<$message> for CertificateAuthority {
            type Result = ResponseActFuture<Self, Result<Answer, WireError>>;
            fn handle(&mut self, _: $message, _: &mut Context<Self>) -> Self::Result {
                Box::pin(async { Err(WireError::new(Code::NotLeader, "there is no authority here")) }.into_actor(self))
            }
        }
    )*};
}
answers!(AnswerPeer, AnswerOwn);

impl Handler<Follow> for CertificateAuthority {
    type Result = ();
    fn handle(&mut self, _: Follow, _: &mut Context<Self>) {}
}

impl Handler<Tick> for CertificateAuthority {
    type Result = ();
    fn handle(&mut self, _: Tick, _: &mut Context<Self>) {}
}

impl Handler<AreaRequest> for CertificateAuthority {
    type Result = Option<Vec<u8>>;
    fn handle(&mut self, _: AreaRequest, _: &mut Context<Self>) -> Self::Result {
        None
    }
}
