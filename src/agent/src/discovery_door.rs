//! The door of discovery for the original's programs: a listener of its own, without TLS, as they know it.

use std::sync::Arc;

use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_actors::discovery::ports::Wifi;
use mf2c_facade::cimi::Api;
use mf2c_facade::discovery::{self, DiscoveryDoor};
use mf2c_facade::front::{self, Listener};
use mf2c_transport::discovery::{NoWifi, WifiCard};

use crate::area::Area;
use crate::config::Config;
use crate::node::{StartError, front_settings, listen};

/// Binds the door and serves; none where no address is configured.
///
/// # Errors
/// [`StartError`] with what is in the way.
pub(crate) fn open(config: &Config, area: &Area, api: &Data<Api>) -> Result<Option<ServerHandle>, StartError> {
    let Some(wanted) = config.discovery.listen else { return Ok(None) };
    let (socket, address) = listen(wanted, "discovery.listen")?;
    let card = config.discovery.wifi.clone();
    let wifi: Arc<dyn Wifi> = match card.as_str() {
        "" => Arc::new(NoWifi),
        _ => Arc::new(WifiCard::new(card, config.data_dir.join("wifi"))),
    };
    let actor = &area.fog.discovery;
    let (own, heard) = (actor.clone().recipient(), actor.clone().recipient());
    let door = Data::new(DiscoveryDoor::new(wifi, own, heard, area.fog.standings.clone()));
    let settings = front::Settings { workers: 1, ..front_settings(config) };
    let api = Data::clone(api);
    let app = move || App::new().configure(|services| discovery::configure(services, &door, &api));
    let listener = Listener { socket, tls: None, users: None };
    let server = front::serve(vec![listener], &settings, app);
    let server = server.map_err(|source| StartError::Start { what: "the server of discovery", source })?;
    let handle = server.handle();
    actix::spawn(server);
    tracing::info!(discovery = %address, "serving discovery");
    Ok(Some(handle))
}
