//! `healthcheck` and `rm/components`: the original's keys, from what is known here.

use std::time::Duration;

use actix_web::http::StatusCode;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_store::Store;
use serde_json::{Value, json};

use super::Call;

/// While the agent is younger than this, what is missing may still come.
const STARTUP: Duration = Duration::from_secs(60);

/// What the colour follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signs {
    identification: bool,
    cau_client: bool,
    categorisation: bool,
    area_resilience: bool,
    device_ip: bool,
    leader_ip: bool,
    agent_resource: bool,
    discovery: bool,
    leader_found: bool,
    /// None where it leads nobody and needs none.
    backup_elected: Option<bool>,
    /// Whether who leads has the consent of a majority, and is heard of.
    mandate: bool,
    started: bool,
    young: bool,
}

impl Signs {
    /// RED where something is missing that the agent cannot do without, YELLOW where it can, GREEN otherwise; ORANGE instead
    /// of both while it is young.
    fn colour(self) -> &'static str {
        let vital = self.identification
            && self.cau_client
            && self.categorisation
            && self.area_resilience
            && self.device_ip
            && self.leader_ip
            && self.agent_resource;
        let led = self.leader_found && self.mandate && self.backup_elected != Some(false);
        let well = self.discovery && led && self.started;
        match (vital, well) {
            (true, true) => "GREEN",
            _ if self.young => "ORANGE",
            (true, false) => "YELLOW",
            (false, _) => "RED",
        }
    }
}

impl Call<'_> {
    pub(super) fn health(&self) -> (StatusCode, Value) {
        let (standing, api) = (self.policies.standing(), self.exchange.api);
        let age = api.world.clock.elapsed().saturating_sub(self.policies.started);
        let signs = self.signs(&standing, &api.store, age < STARTUP);
        let colour = signs.colour();
        let good = matches!(colour, "GREEN" | "YELLOW");
        let body = json!({
            "health": colour,
            "startup": signs.young,
            "startup_time": STARTUP.as_secs(),
            "status": if signs.started { "agent started" } else { "agent starting" },
            "API": true,
            "discovery": signs.discovery,
            "identification": signs.identification,
            "cau-client": signs.cau_client,
            "res-cat": signs.categorisation,
            "area-resilience": signs.area_resilience,
            // Links carry their own protection: there is no tunnel that could be down, and no cloud that must be there.
            "vpn-client": true,
            "deviceIP": signs.device_ip,
            "leaderIP": signs.leader_ip,
            "cloudIP": true,
            "deviceID": signs.identification,
            "backupElected": signs.backup_elected.unwrap_or(false),
            "leaderfound": signs.leader_found,
            "mandate": signs.mandate,
            "JOIN-MYIP": signs.device_ip,
            "wifi-iface": (self.policies.has_wifi)(),
            "agent-resource": signs.agent_resource,
        });
        (if good { StatusCode::OK } else { StatusCode::BAD_REQUEST }, body)
    }

    fn signs(&self, standing: &Standing, store: &Store, young: bool) -> Signs {
        signs(standing, store, young, (self.policies.discovers)())
    }

    pub(super) fn components(&self) -> Value {
        let (standing, store) = (self.policies.standing(), &self.exchange.api.store);
        let signs = self.signs(&standing, store, false);
        let word = |good: bool, yes: &'static str, no: &'static str| if good { yes } else { no };
        let area = standing.area().unwrap_or_default();
        json!({
            "started": true,
            "running": true,
            "modules": ["discovery", "identification", "cau_client", "categorization", "policies"],
            "discovery": signs.discovery,
            "identification": signs.identification,
            "cau_client": signs.cau_client,
            "categorization": signs.categorisation,
            "policies": signs.area_resilience,
            "discovery_description": word(signs.leader_found, "a leader is known", "no leader is known"),
            "identification_description": word(signs.identification, "this device has an identifier", "this device is not described"),
            "cau_client_description": match area {
                "" => "no certificate: join an area with `mf2c join TOKEN`".to_owned(),
                area => format!("certified for the area {area}"),
            },
            "categorization_description": word(signs.categorisation, "this device is described", "this device is not described"),
            "policies_description": format!("{} in term {}", standing.role.as_str(), standing.term),
            "leader_discovery_description": match &standing.leader {
                Some(leader) => leader.id.to_string(),
                None => "no leader is known".to_owned(),
            },
        })
    }
}

fn signs(standing: &Standing, store: &Store, young: bool, discovery: bool) -> Signs {
    let own = store.identity().name();
    let is_there = |kind: &str| store.get(&format!("{kind}/{own}")).is_some();
    let leader_found = standing.leads() || standing.leader.is_some();
    Signs {
        identification: is_there("device"),
        cau_client: standing.own.is_some(),
        categorisation: is_there("device") && is_there("device-dynamic"),
        area_resilience: standing.role != AreaRole::Alone,
        device_ip: has_address(store, &own),
        leader_ip: leader_found,
        agent_resource: is_there("agent"),
        discovery,
        leader_found,
        backup_elected: standing.leads().then_some(!standing.backups.is_empty()),
        mandate: !standing.degraded,
        started: true,
        young,
    }
}

/// Whether the agent knows an address of its device.
fn has_address(store: &Store, own: &str) -> bool {
    let body = || {
        let document = store.get(&format!("agent/{own}"))?;
        serde_json::from_slice::<Value>(&store.body(&document).ok()??).ok()
    };
    body().is_some_and(|agent| agent["device_ip"].as_str().is_some_and(|ip| !ip.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Signs = Signs {
        identification: true,
        cau_client: true,
        categorisation: true,
        area_resilience: true,
        device_ip: true,
        leader_ip: true,
        agent_resource: true,
        discovery: true,
        leader_found: true,
        backup_elected: None,
        mandate: true,
        started: true,
        young: false,
    };

    #[test]
    fn what_is_vital_makes_red_what_is_not_makes_yellow_and_a_young_agent_is_orange_until_it_is_green() {
        assert_eq!(WELL.colour(), "GREEN");
        assert_eq!(Signs { young: true, ..WELL }.colour(), "GREEN");
        for vital in [
            Signs { identification: false, ..WELL },
            Signs { cau_client: false, ..WELL },
            Signs { categorisation: false, ..WELL },
            Signs { area_resilience: false, ..WELL },
            Signs { device_ip: false, ..WELL },
            Signs { leader_ip: false, ..WELL },
            Signs { agent_resource: false, ..WELL },
        ] {
            assert_eq!((vital.colour(), Signs { young: true, ..vital }.colour()), ("RED", "ORANGE"), "{vital:?}");
        }
        for other in [
            Signs { discovery: false, ..WELL },
            Signs { leader_found: false, ..WELL },
            Signs { backup_elected: Some(false), ..WELL },
            Signs { mandate: false, ..WELL },
            Signs { started: false, ..WELL },
        ] {
            assert_eq!((other.colour(), Signs { young: true, ..other }.colour()), ("YELLOW", "ORANGE"), "{other:?}");
        }
        assert_eq!(Signs { backup_elected: Some(true), ..WELL }.colour(), "GREEN");
    }
}
