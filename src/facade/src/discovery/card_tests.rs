//! The door with a card that is none: what it is told, and what the caller gets.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use actix::{Actor, Context, Handler, MessageResult};
use actix_web::body::to_bytes;
use mf2c_actors::discovery::ports::{Wifi, WifiAnswer, WifiError, WifiScan};
use mf2c_domain::area::standing::Standing;
use mf2c_domain::area::wifi::FoundLeader;
use tokio::sync::watch;

use super::*;

/// A card that does all that it is told, and writes it down.
#[derive(Default)]
struct Card {
    told: Mutex<Vec<String>>,
    connected: AtomicBool,
}

impl Card {
    fn done<T: Send + 'static>(&self, what: String, answer: Result<T, WifiError>) -> WifiAnswer<T> {
        self.told.lock().unwrap().push(what);
        Box::pin(std::future::ready(answer))
    }
}

fn said(role: Role) -> Beacon {
    Beacon { role: Some(role), term: Some(7), ..Beacon::default() }.of_device("aa")
}

impl Wifi for Card {
    fn scan(&self, interface: &str) -> WifiAnswer<WifiScan> {
        if interface != "wlan0" {
            return self.done(String::new(), Err(WifiError::NoCard(interface.to_owned())));
        }
        let (bssid, values) = ("02:00:00:00:01:00".to_owned(), "0101aa".to_owned());
        let leader = FoundLeader { bssid, signal: None, values, beacon: said(Role::Leader) };
        self.done("scan".to_owned(), Ok(WifiScan { card: "02:00:00:00:09:00".to_owned(), leaders: vec![leader] }))
    }

    fn broadcast(&self, interface: &str, interval: u16, said: Beacon) -> WifiAnswer<()> {
        self.done(format!("broadcast {interface} {interval} term {}", said.term.unwrap()), Ok(()))
    }

    fn end_broadcast(&self) -> WifiAnswer<()> {
        self.done("end".to_owned(), Ok(()))
    }

    fn join(&self, interface: &str, bssid: &str) -> WifiAnswer<()> {
        self.done(format!("join {interface} {bssid}"), Ok(()))
    }

    fn leave(&self) -> WifiAnswer<()> {
        self.done("leave".to_owned(), Ok(()))
    }

    fn is_connected(&self) -> WifiAnswer<bool> {
        let connected = self.connected.load(Ordering::Relaxed);
        self.done("connected".to_owned(), Ok(connected))
    }

    fn stations(&self) -> WifiAnswer<Vec<String>> {
        self.done("stations".to_owned(), Ok(vec!["02:00:00:00:02:00".to_owned()]))
    }

    fn own_address(&self) -> WifiAnswer<Option<Ipv4Addr>> {
        self.done("address".to_owned(), Ok(Some(Ipv4Addr::new(192, 168, 7, 23))))
    }

    fn serve_addresses(&self, _: &str) -> WifiAnswer<()> {
        self.done("addresses".to_owned(), Err(WifiError::NoProgram("dnsmasq")))
    }

    fn end_addresses(&self) -> WifiAnswer<()> {
        self.done("no addresses".to_owned(), Err(WifiError::TimedOut("dnsmasq")))
    }
}

/// Says that the agent is this, and takes down what was heard.
struct Discovery(Option<Role>, Arc<Mutex<Vec<Beacon>>>);

impl Actor for Discovery {
    type Context = Context<Self>;
}

impl Handler<OwnBeacon> for Discovery {
    type Result = MessageResult<OwnBeacon>;

    fn handle(&mut self, _: OwnBeacon, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.0.map(said))
    }
}

impl Handler<HeardWifi> for Discovery {
    type Result = ();

    fn handle(&mut self, heard: HeardWifi, _: &mut Self::Context) {
        self.1.lock().unwrap().extend(heard.leaders);
    }
}

struct House {
    door: DiscoveryDoor,
    card: Arc<Card>,
    heard: Arc<Mutex<Vec<Beacon>>>,
    // The door looks at it as long as it is there.
    _standing: watch::Sender<Standing>,
}

fn house(role: Option<Role>) -> House {
    let (card, heard) = (Arc::new(Card::default()), Arc::default());
    let actor = Discovery(role, Arc::clone(&heard)).start();
    let (sender, standing) = watch::channel(Standing::default());
    let door =
        DiscoveryDoor::new(Arc::clone(&card) as Arc<dyn Wifi>, actor.clone().recipient(), actor.recipient(), standing);
    House { door, card, heard, _standing: sender }
}

async fn told(answer: HttpResponse) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&to_bytes(answer.into_body()).await.unwrap()).unwrap())
}

fn asked(frequency: Value, leader: &str) -> Broadcast {
    let body =
        json!({"broadcast_frequency": frequency, "interface_name": "wlan0", "config_file": "", "leader_id": leader});
    serde_json::from_value(body).unwrap()
}

#[actix_rt::test]
async fn a_leader_spans_its_network_with_what_it_is_now_and_nobody_else_does() {
    let house = house(Some(Role::Leader));
    let (status, body) = told(house.door.broadcast(asked(json!("100"), "AA")).await).await;
    assert_eq!((status, body), (200, json!({"message": "the beacon is broadcast"})));
    assert_eq!(*house.card.told.lock().unwrap(), ["broadcast wlan0 100 term 7"]);
    assert_eq!(told(house.door.broadcast(asked(json!(100), "bb")).await).await.0, 409, "another's name");
    assert_eq!(told(house.door.broadcast(asked(json!(14), "aa")).await).await.0, 400);
    for role in [None, Some(Role::Backup), Some(Role::Agent)] {
        let house = self::house(role);
        assert_eq!(told(house.door.broadcast(asked(json!(100), "aa")).await).await.0, 409);
        assert!(house.card.told.lock().unwrap().is_empty());
    }
}

#[actix_rt::test]
async fn what_a_scan_finds_is_told_to_the_caller_and_to_discovery() {
    let house = house(None);
    let (status, body) = told(house.door.scan("wlan0").await).await;
    assert_eq!((status, &body["error_message"], &body["used_mac"]), (200, &json!(""), &json!("02:00:00:00:09:00")));
    let leader = &body["found_leaders"][0];
    assert_eq!((&leader["Bssid"], &leader["Leader ID"]), (&json!("02:00:00:00:01:00"), &json!("aa")));
    // What was sent before is taken up before what is asked for now.
    let _ = house.door.own.send(OwnBeacon).await.unwrap();
    assert_eq!(house.heard.lock().unwrap()[0].device().as_deref(), Some("aa"));
    let (status, body) = told(house.door.scan("wlan9").await).await;
    assert_eq!((status, &body["found_leaders"]), (404, &json!([])));
    assert!(body["error_message"].as_str().unwrap().contains("wlan9"));
}

#[actix_rt::test]
async fn who_left_the_network_by_himself_is_not_disconnected_for_ever() {
    let house = house(None);
    let gone = async || told(house.door.leader_is_gone().await).await.1["DISCONNECTED"].clone();
    assert_eq!(gone().await, false, "nobody watches");
    assert_eq!(told(house.door.watch_leader()).await.0, 200);
    assert_eq!(gone().await, true);
    house.card.connected.store(true, Ordering::Relaxed);
    assert_eq!(gone().await, false);
    house.card.connected.store(false, Ordering::Relaxed);
    assert_eq!(gone().await, true);
    assert_eq!(told(house.door.leave().await).await.0, 200);
    assert_eq!(gone().await, false);
}

#[actix_rt::test]
async fn the_address_the_stations_and_the_failures_of_programs_are_told() {
    let house = house(None);
    let address = told(house.door.own_address().await).await;
    assert_eq!(address, (200, json!({"IP_address": "192.168.7.23"})));
    assert_eq!(told(house.door.watch_stations().await).await.0, 200);
    let wifi = &house.door.wifi;
    assert_eq!(told(done(wifi.serve_addresses("wlan0").await, "")).await.0, 501);
    assert_eq!(told(done(wifi.end_addresses().await, "")).await.0, 504);
}
