//! Discovery as the original's programs ask for it, at its paths and with its keys (cluster specification, c.2).
//!
//! The original asked nobody who they are, and answered 200 to everything. Here whatever changes something, or works the
//! card, is for administrators, and the status tells what became of it.

mod answers;
mod card;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix::Recipient;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::discovery::ports::{Wifi, WifiError};
use mf2c_actors::discovery::{HeardWifi, OwnBeacon};
use mf2c_actors::leadership::Standings;
use serde::Deserialize;
use serde_json::Value;

use crate::caller::caller_of;
use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use crate::monitor;
use answers::{failed, message, refused};
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
    match body::<Broadcast>(&request, &api, payload).await {
        Ok(asked) => door.broadcast(asked).await,
        Err(refused) => *refused,
    }
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
    match administrator(&request, &api) {
        Ok(_) => door.scan(&interface).await,
        Err(refused) => *refused,
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
        Ok(_) => door.leave().await,
        Err(refused) => *refused,
    }
}

async fn watch_stations(request: HttpRequest, api: Data<Api>, door: Door) -> HttpResponse {
    match administrator(&request, &api) {
        Ok(_) => door.watch_stations().await,
        Err(refused) => *refused,
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
    if !starts {
        return door.leader_is_gone().await;
    }
    match administrator(&request, &api) {
        Ok(_) => door.watch_leader(),
        Err(refused) => *refused,
    }
}

async fn own_address(door: Door) -> HttpResponse {
    door.own_address().await
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
