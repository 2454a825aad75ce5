//! Opens DETER's testbed API at an address of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_facade::cimi::Api;
use mf2c_facade::deter::{self, DeterDoor, MadeKey, ShownRoots};
use mf2c_facade::front::{self, Listener};
use mf2c_facade::lm::Manager;
use mf2c_pki::area::{AreaError, UserKey};

use crate::area::Area;
use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// The door, bound but not yet open.
pub(crate) struct BoundDeterDoor {
    listener: Listener,
    address: SocketAddr,
    roots: ShownRoots,
}

impl BoundDeterDoor {
    /// Binds the port; none where no port is configured. It always speaks TLS: people sign in with certificates.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn prepare(config: &Config, area: &Area) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.deter.listen else { return Ok(None) };
        let (socket, address) = listen(wanted, "deter.listen")?;
        let listener = Listener { socket, tls: Some(area.late_tls()), users: Some(area.users()) };
        Ok(Some(Self { listener, address, roots: area.roots() }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(self, config: &Config, manager: Manager, api: Data<Api>) -> Result<ServerHandle, StartError> {
        let (door, realizer) = DeterDoor::new(manager, self.roots, Arc::new(made_key), config.deter.settings());
        let door = Data::new(door);
        let behind = Arc::downgrade(&api.clone().into_inner());
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| deter::configure(services, &door, &api));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the door of DETER's API", source })?;
        let handle = server.handle();
        actix::spawn(server);
        actix::spawn(realizer.run(behind));
        tracing::info!(door = "deter.listen", address = %self.address, "DETER's testbed API listens");
        Ok(handle)
    }
}

/// A new key for a user, with a request for its certificate.
fn made_key(user: &str) -> Result<MadeKey, String> {
    let make = || -> Result<MadeKey, AreaError> {
        let key = UserKey::generate()?;
        Ok(MadeKey { id: key.id(), request: key.request(user)?, pem: key.to_pem()? })
    };
    make().map_err(|error| error.to_string())
}
