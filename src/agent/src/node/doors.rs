//! The doors that have listeners of their own and are off unless configured.

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_facade::cimi::Api;
use mf2c_facade::lm::LmDoor;
use mf2c_facade::sla::SlaDoor;
use mf2c_facade::um::UmDoor;

use super::StartError;
use crate::area::Area;
use crate::config::Config;
use crate::deltacloud_door::BoundDeltacloudDoor;
use crate::deter_door::BoundDeterDoor;
use crate::discovery::BoundDoor;
use crate::flocker_door::{FlockerDoor, FlockerRooms};
use crate::services_doors::BoundServicesDoors;
use crate::sla_door::BoundSlaDoor;
use mf2c_actors::ports::World;

/// Doors whose ports are bound and where nobody is served yet.
pub(super) struct BoundDoors {
    flocker: Option<FlockerDoor>,
    discovery: Option<BoundDoor>,
    sla: Option<BoundSlaDoor>,
    deltacloud: Option<BoundDeltacloudDoor>,
    services: BoundServicesDoors,
    deter: Option<BoundDeterDoor>,
}

impl BoundDoors {
    /// Binds the ports that are configured.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub(super) fn prepare(config: &Config, area: &Area, world: &World) -> Result<Self, StartError> {
        let flocker = FlockerDoor::prepare(config, world)?;
        let discovery = BoundDoor::prepare(config, area)?;
        let services = BoundServicesDoors::prepare(config, area)?;
        let deltacloud = BoundDeltacloudDoor::prepare(config, area)?;
        let deter = BoundDeterDoor::prepare(config, area)?;
        Ok(Self { flocker, discovery, sla: BoundSlaDoor::prepare(config, area)?, deltacloud, services, deter })
    }

    /// Serves at all of them.
    ///
    /// # Errors
    /// [`StartError`] with what is in the way.
    pub(super) fn open(
        self,
        config: &Config,
        area: &Area,
        api: &Data<Api>,
        (sla, lm, um): (&SlaDoor, &LmDoor, &UmDoor),
        flocker: FlockerRooms<'_>,
    ) -> Result<Vec<ServerHandle>, StartError> {
        let manager = Arc::clone(flocker.manager);
        let flocker = self.flocker.map(|door| door.open(config, flocker)).transpose()?;
        let discovery =
            self.discovery.map(|door| door.open(config, &area.fog.discovery, Data::clone(api))).transpose()?;
        let sla = self.sla.map(|door| door.open(config, sla, Data::clone(api))).transpose()?;
        let deltacloud = self.deltacloud.map(|door| door.open(config, Data::clone(api))).transpose()?;
        let services = self.services.open(config, (lm, um), api)?;
        let deter = self.deter.map(|door| door.open(config, manager, Data::clone(api))).transpose()?;
        let first = flocker.into_iter().chain(discovery).chain(sla).chain(deltacloud);
        Ok(first.chain(services).chain(deter).collect())
    }
}
