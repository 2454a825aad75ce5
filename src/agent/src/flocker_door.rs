//! The door for clients of Flocker: a listener of its own, with the rule that the handshake lets in API users only.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::App;
use actix_web::dev::ServerHandle;
use mf2c_actors::ports::World;
use mf2c_facade::flocker::{self, FlockerApi};
use mf2c_facade::front::{self, Listener};
use mf2c_pki::flocker::server_config;

use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// A door that is bound but not yet open.
pub(crate) struct FlockerDoor {
    listener: Listener,
    address: SocketAddr,
}

impl FlockerDoor {
    /// Reads the certificates and binds the port; none where no port is configured.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub(crate) fn prepare(config: &Config, world: &World) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.flocker.listen else { return Ok(None) };
        let tls = Arc::new(server_config(&config.flocker.certificates, world.clock.now())?);
        let (socket, address) = listen(wanted, "flocker.listen")?;
        let tls: front::TlsSettings = Arc::new(move || Arc::clone(&tls));
        Ok(Some(Self { listener: Listener { socket, tls: Some(tls), users: None }, address }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(self, config: &Config) -> Result<ServerHandle, StartError> {
        let api = FlockerApi { version: env!("CARGO_PKG_VERSION") };
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| flocker::configure(services, &api));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the server of Flocker's API", source })?;
        let handle = server.handle();
        actix::spawn(server);
        tracing::info!(flocker = %self.address, "serving Flocker's control API");
        Ok(handle)
    }
}
