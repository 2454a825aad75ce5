//! Discovery as the original's programs ask for it, at its paths and with its keys (cluster specification, c.2).
//!
//! The original asked nobody who they are, and answered 200 to everything. Here whatever changes something, or works the
//! card, is for administrators, and the status tells what became of it.

mod answers;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Recipient;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::discovery::ports::{Wifi, WifiError};
use mf2c_actors::discovery::{HeardWifi, OwnBeacon};
use mf2c_actors::leadership::Standings;
use mf2c_domain::area::beacon::{Beacon, Role};
use mf2c_domain::area::wifi;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::caller_of;
use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::monitor;
use answers::{failed, found, message, refused, scan_failed};
use watch::Watch;

/// Where all of it is.
const BASE: &str = "/api/v1/resource-management/discovery";
/// The largest body, in bytes.
const MAX_BODY: usize = 16 << 10;

/// What the door is told at start.
pub struct DiscoveryDoor {
    /// The card.
    pub wifi: Arc<dyn Wifi>,
    /// Tells what this agent says of itself.
    pub own: Recipient<OwnBeacon>,
    /// Takes what a scan has heard.
    pub heard: Recipient<HeardWifi>,
    /// How the agent stands in its area.
    pub standing: Standings,
    state: State,
}

#[derive(Default)]
struct State {
    stations: Watch,
    is_agent_watched: AtomicBool,
}

impl DiscoveryDoor {
    /// A door with nothing behind it started.
    #[must_use]
    pub fn new(
        wifi: Arc<dyn Wifi>,
        own: Recipient<OwnBeacon>,
        heard: Recipient<HeardWifi>,
        standing: Standings,
    ) -> Self {
        Self { wifi, own, heard, standing, state: State::default() }
    }
}

type Door = Data<DiscoveryDoor>;

/// Adds the paths to an application that serves nothing else.
pub fn configure(services: &mut ServiceConfig, door: &Door, api: &Data<Api>) {
    let resource = |path: &str, allowed: &'static str| {
        let path = format!("{BASE}{path}");
        web::resource([path.trim_end_matches('/').to_owned(), path])
            .default_service(web::to(move || async move { answers::wrong_method(allowed) }))
    };
    services
        .app_data(Data::clone(door))
        .app_data(Data::clone(api))
        .service(resource("/", "GET").get(health))
        .service(resource("/broadcast/", "POST, PUT").post(broadcast).put(end_broadcast))
        .service(resource("/scan/{interface}/", "GET").get(scan))
        .service(resource("/join/", "POST, PUT").post(join).put(leave))
        .service(resource("/watch/", "GET, PUT").get(watch_stations).put(end_watch))
        .service(resource("/watch_agent_side/", "GET").get(watch_leader))
        .service(resource("/my_ip/", "GET").get(own_address))
        .service(resource("/dhcp/", "POST, PUT").post(serve_addresses).put(end_addresses))
        .default_service(web::to(|request: HttpRequest| async move {
            let path: String = request.path().chars().take(100).collect();
            message(StatusCode::NOT_FOUND, &format!("there is nothing at {path}: try {BASE}/"))
        }));
}

async fn health() -> HttpResponse {
    message(StatusCode::OK, "discovery is there")
}

/// A request of an administrator.
fn administrator<'a>(request: &'a HttpRequest, api: &'a Api) -> Result<Exchange<'a>, Box<HttpResponse>> {
    let caller = caller_of(request, api);
    monitor::note_caller(request, &caller);
    if caller.is_admin() {
        return Ok(Exchange { api, request, caller });
    }
    let (status, who) = match caller.identity() {
        None => (StatusCode::UNAUTHORIZED, "sign in as one"),
        Some(_) => (StatusCode::FORBIDDEN, "you are none"),
    };
    let text = format!("discovery serves administrators of this agent only: {who}");
    Err(Box::new(refused(ApiError::new(status, text))))
}

/// The body of an administrator's request, with exactly what is read of it.
async fn body<T: for<'de> Deserialize<'de>>(
    request: &HttpRequest,
    api: &Api,
    payload: Payload,
) -> Result<T, Box<HttpResponse>> {
    let exchange = administrator(request, api)?;
    let bytes = exchange.bytes(payload, MAX_BODY).await.map_err(|error| Box::new(refused(error)))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Box::new(message(StatusCode::BAD_REQUEST, &format!("the body: {error}"))))
}

#[derive(Deserialize)]
struct Broadcast {
    /// A number, or its digits as text.
    broadcast_frequency: Value,
    interface_name: String,
    /// A file of the original that nobody reads: what it says is in the configuration.
    #[serde(rename = "config_file")]
    _config_file: Value,
    leader_id: String,
}

async fn broadcast(request: HttpRequest, payload: Payload, api: Data<Api>, door: Door) -> HttpResponse {
    let asked: Broadcast = match body(&request, &api, payload).await {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    let frequency = match &asked.broadcast_frequency {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let interval = match wifi::interval(&frequency) {
        Ok(interval) => interval,
        Err(error) => return message(StatusCode::BAD_REQUEST, &format!("broadcast_frequency: {error}")),
    };
    let said = match own_beacon(&door, &asked.leader_id).await {
        Ok(said) => said,
        Err(refused) => return *refused,
    };
    match door.wifi.broadcast(&asked.interface_name, interval, said).await {
        Ok(()) => message(StatusCode::OK, "the beacon is broadcast"),
        Err(error) => failed(&error),
    }
}

/// What this agent says, as long as it leads and is called by its own name.
async fn own_beacon(door: &DiscoveryDoor, leader: &str) -> Result<Beacon, Box<HttpResponse>> {
    let said = door.own.send(OwnBeacon).await.ok().flatten();
    let said = said.filter(|said| matches!(said.role, Some(Role::Leader | Role::Cloud)));
    let not_now = |text: &str| Box::new(message(StatusCode::CONFLICT, text));
    let said = said.ok_or_else(|| not_now("this agent leads no area, so it has nothing to tell"))?;
    if said.device().is_some_and(|device| device.eq_ignore_ascii_case(leader)) {
        return Ok(said);
    }
    Err(not_now("leader_id is not the deviceID of this agent: nobody speaks for others"))
}

async fn end_broadcast(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    if let Err(refused) = administrator(&request, &api) {
        return *refused;
    }
    done(door.wifi.end_broadcast().await, "the beacon is broadcast no more")
}

fn done(outcome: Result<(), WifiError>, text: &str) -> HttpResponse {
    match outcome {
        Ok(()) => message(StatusCode::OK, text),
        Err(error) => failed(&error),
    }
}

async fn scan(request: HttpRequest, interface: Path<String>, api: Data<Api>, door: Door) -> HttpResponse {
    if let Err(refused) = administrator(&request, &api) {
        return *refused;
    }
    match door.wifi.scan(&interface).await {
        Ok(scan) => {
            let leaders = scan.leaders.iter().map(|leader| leader.beacon.clone()).collect();
            // Whether anybody takes it changes nothing for the caller.
            let _ = door.heard.try_send(HeardWifi { leaders });
            found(&scan)
        }
        Err(error) => scan_failed(&error),
    }
}

#[derive(Deserialize)]
struct Join {
    interface: String,
    bssid: String,
}

async fn join(request: HttpRequest, payload: Payload, api: Data<Api>, door: Door) -> HttpResponse {
    match body::<Join>(&request, &api, payload).await {
        Ok(asked) => {
            let joined = door.wifi.join(&asked.interface, &asked.bssid).await;
            done(joined, "the card enters the network; /my_ip/ tells its address")
        }
        Err(refused) => *refused,
    }
}

async fn leave(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    match administrator(&request, &api) {
        Ok(_) => done(door.wifi.leave().await, "the card has left the network"),
        Err(refused) => *refused,
    }
}

async fn watch_stations(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    if let Err(refused) = administrator(&request, &api) {
        return *refused;
    }
    match door.wifi.stations().await {
        Ok(stations) => {
            door.state.stations.start(Arc::clone(&door.wifi), stations);
            message(StatusCode::OK, "who enters and leaves the network is told in the log")
        }
        Err(error) => failed(&error),
    }
}

async fn end_watch(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    if let Err(refused) = administrator(&request, &api) {
        return *refused;
    }
    door.state.stations.stop();
    message(StatusCode::OK, "nobody watches any more")
}

/// The original's agents ask this every five seconds to learn whether their leader is gone.
async fn watch_leader(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    let starts = request.query_string().split('&').any(|pair| pair == "key=start");
    if starts {
        return match administrator(&request, &api) {
            Ok(_) => {
                door.state.is_agent_watched.store(true, Ordering::Relaxed);
                message(StatusCode::OK, "the leader is watched")
            }
            Err(refused) => *refused,
        };
    }
    let has_no_leader = {
        let standing = door.standing.borrow();
        standing.own.is_some() && standing.leader.is_none()
    };
    let is_gone = match door.wifi.is_connected().await {
        // Not in a network of Wi-Fi, and nobody has asked to watch one: what the area knows counts.
        Ok(connected) if door.state.is_agent_watched.load(Ordering::Relaxed) => !connected,
        _ => has_no_leader,
    };
    HttpResponse::Ok().json(json!({"DISCONNECTED": is_gone}))
}

async fn own_address(door: Door) -> HttpResponse {
    match door.wifi.own_address().await {
        Ok(address) => {
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            HttpResponse::Ok().json(json!({"IP_address": address}))
        }
        Err(error) => {
            let document = json!({"IP_address": "", "message": error.to_string()});
            HttpResponse::build(answers::status(&error)).json(document)
        }
    }
}

#[derive(Deserialize)]
struct Addresses {
    interface_name: String,
}

async fn serve_addresses(request: HttpRequest, payload: Payload, api: Data<Api>, door: Door) -> HttpResponse {
    match body::<Addresses>(&request, &api, payload).await {
        Ok(asked) => done(door.wifi.serve_addresses(&asked.interface_name).await, "addresses are given out"),
        Err(refused) => *refused,
    }
}

async fn end_addresses(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    match administrator(&request, &api) {
        Ok(_) => done(door.wifi.end_addresses().await, "addresses are given out no more"),
        Err(refused) => *refused,
    }
}
