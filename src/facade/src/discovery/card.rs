//! What an administrator has the card do, or asks of it, and what he is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use mf2c_actors::discovery::{HeardWifi, OwnBeacon};
use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_domain::area::wifi;
use serde_json::{Value, json};

use super::answers::{failed, found, message, scan_failed, status};
use super::{Broadcast, DiscoveryDoor, done};

impl DiscoveryDoor {
    pub(super) async fn broadcast(&self, asked: Broadcast) -> HttpResponse {
        let frequency = match &asked.broadcast_frequency {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let interval = match wifi::interval(&frequency) {
            Ok(interval) => interval,
            Err(error) => return message(StatusCode::BAD_REQUEST, &format!("broadcast_frequency: {error}")),
        };
        let said = match self.own_beacon(&asked.leader_id).await {
            Ok(said) => said,
            Err(refused) => return *refused,
        };
        done(self.wifi.broadcast(&asked.interface_name, interval, said).await, "the beacon is broadcast")
    }

    /// What this agent says, as long as it leads and is called by its own name.
    async fn own_beacon(&self, leader: &str) -> Result<Beacon, Box<HttpResponse>> {
        let said = self.own.send(OwnBeacon).await.ok().flatten();
        let said = said.filter(|said| matches!(said.role, Some(Role::Leader | Role::Cloud)));
        let not_now = |text: &str| Box::new(message(StatusCode::CONFLICT, text));
        let said = said.ok_or_else(|| not_now("this agent leads no area, so it has nothing to tell"))?;
        if said.device().is_some_and(|device| device.eq_ignore_ascii_case(leader)) {
            return Ok(said);
        }
        Err(not_now("leader_id is not the deviceID of this agent: nobody speaks for others"))
    }

    pub(super) async fn scan(&self, interface: &str) -> HttpResponse {
        match self.wifi.scan(interface).await {
            Ok(scan) => {
                let leaders = scan.leaders.iter().map(|leader| leader.beacon.clone()).collect();
                // Whether anybody takes it changes nothing for the caller.
                let _ = self.heard.try_send(HeardWifi { leaders });
                found(&scan)
            }
            Err(error) => scan_failed(&error),
        }
    }

    pub(super) async fn leave(&self) -> HttpResponse {
        // Who left by himself does not miss the network.
        self.state.is_agent_watched.store(false, Ordering::Relaxed);
        done(self.wifi.leave().await, "the card has left the network")
    }

    pub(super) async fn watch_stations(&self) -> HttpResponse {
        match self.wifi.stations().await {
            Ok(stations) => {
                self.state.stations.start(Arc::clone(&self.wifi), stations);
                message(StatusCode::OK, "who enters and leaves the network is told in the log")
            }
            Err(error) => failed(&error),
        }
    }

    pub(super) fn watch_leader(&self) -> HttpResponse {
        self.state.is_agent_watched.store(true, Ordering::Relaxed);
        message(StatusCode::OK, "the leader is watched")
    }

    pub(super) async fn leader_is_gone(&self) -> HttpResponse {
        let has_no_leader = {
            let standing = self.standing.borrow();
            standing.own.is_some() && standing.leader.is_none()
        };
        let is_gone = match self.wifi.is_connected().await {
            // Not in a network of Wi-Fi, and nobody has asked to watch one: what the area knows counts.
            Ok(connected) if self.state.is_agent_watched.load(Ordering::Relaxed) => !connected,
            _ => has_no_leader,
        };
        HttpResponse::Ok().json(json!({"DISCONNECTED": is_gone}))
    }

    pub(super) async fn own_address(&self) -> HttpResponse {
        match self.wifi.own_address().await {
            Ok(address) => {
                let address = address.map(|address| address.to_string()).unwrap_or_default();
                HttpResponse::Ok().json(json!({"IP_address": address}))
            }
            Err(error) => {
                let document = json!({"IP_address": "", "message": error.to_string()});
                HttpResponse::build(status(&error)).json(document)
            }
        }
    }
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
