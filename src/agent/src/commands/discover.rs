//! `mf2c discover`: what the agent of this machine has heard of others, or what is heard while the command listens.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use anyhow::{Context as _, anyhow};
use mf2c_actors::discovery::ports::{Beacons as _, HeardDatagram, HeardService, Mdns as _};
use mf2c_actors::discovery::read;
use mf2c_actors::ports::World;
use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::area::choice::Wanted;
use mf2c_domain::area::name;
use mf2c_domain::area::sighting::Sighting;
use mf2c_domain::area::sightings::{LONGEST, Sightings};
use mf2c_domain::time::Timestamp;
use mf2c_transport::discovery::{BeaconSettings, MdnsServices, UdpBeacons};
use serde_json::{Value, json};

use super::{Failure, area, load_place};
use crate::cli::{DiscoverArgs, PlaceArgs, exit};
use crate::config::Config;
use crate::control::wire::Request;
use crate::world;

/// What a table and CSV show.
const COLUMNS: [&str; 7] = ["device", "role", "area", "term", "address", "by", "heard"];
/// Addresses of one service.
const MOST_ADDRESSES: usize = 3;
/// How long is listened where no agent runs and nothing else is said.
const USUAL: Duration = Duration::from_secs(3);

/// See the module.
pub(super) fn run(args: &DiscoverArgs, around: &Surroundings) -> Result<(), Failure> {
    let listed = match args.listen {
        Some(time) => listen(&load_place(&args.place)?.config, time.get())?,
        None => match area::ask(&args.place, Request::ShowNear, "") {
            // An agent that belongs to no area listens to nobody by itself.
            Ok(shown) if is_empty(&shown) && is_alone(&args.place)? => {
                area::beside("the agent here belongs to no area and does not listen by itself: listening for 3 s");
                listen(&load_place(&args.place)?.config, USUAL)?
            }
            Ok(shown) => shown,
            Err(failure) if failure.code == exit::UNREACHABLE => {
                area::beside("no agent runs here: listening for 3 s");
                listen(&load_place(&args.place)?.config, USUAL)?
            }
            Err(failure) => return Err(failure),
        },
    };
    let mut near: Vec<Value> = listed.as_array().cloned().unwrap_or_default();
    if args.output != Format::Table {
        return Ok(mf2c_client::show_list(&near, &COLUMNS, args.output, around)?);
    }
    if near.is_empty() {
        area::beside("nobody was heard: agents that take links on 127.0.0.1 only are not heard elsewhere");
        return Ok(());
    }
    let now = around.clock.now();
    near.iter_mut().for_each(|sighting| shorten(sighting, now));
    mf2c_client::show_list(&near, &COLUMNS, args.output, around)?;
    // Without an agent there is nothing to join with yet, but what to do is the same.
    let leads = |it: &Value| it["role"] == "leader" || it["role"] == "cloud";
    if near.iter().any(leads) && is_alone(&args.place)? {
        area::beside(
            "to join one of them, get a token from who runs it (`mf2c token create` there), and run `mf2c join -` here; this \
             list is a hint, the token tells the right one from others",
        );
    }
    Ok(())
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// Whether no agent here belongs to an area.
fn is_alone(place: &PlaceArgs) -> Result<bool, Failure> {
    match area::ask(place, Request::ShowAgents, "") {
        Ok(_) => Ok(false),
        Err(failure) if [exit::NOT_FOUND, exit::UNREACHABLE].contains(&failure.code) => Ok(true),
        Err(failure) => Err(failure),
    }
}

/// For people: the beginning of the name, and how long ago.
fn shorten(sighting: &mut Value, now: Timestamp) {
    let device = name::short(sighting["device"].as_str().unwrap_or_default()).to_owned();
    sighting["device"] = device.into();
    if let Some(heard) = sighting["heard"].as_str().and_then(Timestamp::parse) {
        let is_now = now.millis().saturating_sub(heard.millis()) < 1000;
        sighting["heard"] = json!(if is_now { "now".to_owned() } else { mf2c_client::span(now, heard) });
    }
}

/// Whom we hear.
struct Ear {
    world: World,
    table: Sightings,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<HeardDatagram> for Ear {
    type Result = ();

    fn handle(&mut self, heard: HeardDatagram, _: &mut Self::Context) {
        let Some(heard) = read(&heard, self.world.clock.now()) else { return };
        let now = self.world.clock.elapsed();
        self.table.hear(heard.sighting, &heard.source.to_string(), heard.holds, now, &Wanted::default());
    }
}

impl Handler<HeardService> for Ear {
    type Result = ();

    fn handle(&mut self, heard: HeardService, _: &mut Self::Context) {
        let HeardService::Found { said, addresses } = heard else { return };
        let (now, elapsed) = (self.world.clock.now(), self.world.clock.elapsed());
        for address in addresses.into_iter().take(MOST_ADDRESSES) {
            let source = address.rsplit_once(':').map_or(String::new(), |(host, _)| host.to_owned());
            if let Some(sighting) = Sighting::of(&said, Some(address), "mdns", now) {
                self.table.hear(sighting, &source, LONGEST, elapsed, &Wanted::default());
            }
        }
    }
}

/// What was heard.
#[derive(Message)]
#[rtype(result = "Value")]
struct Heard;

impl Handler<Heard> for Ear {
    type Result = MessageResult<Heard>;

    fn handle(&mut self, _: Heard, _: &mut Self::Context) -> Self::Result {
        MessageResult(json!(self.table.list(&Wanted::default())))
    }
}

/// Listens for beacons, and for mDNS where the configuration switches it on. Nothing is said to anybody but the questions of
/// mDNS.
fn listen(config: &Config, time: Duration) -> Result<Value, Failure> {
    let group = config.discovery.group().ok_or_else(|| anyhow!("`discovery.group` is no multicast group"))?;
    let interface = config.discovery.card(config.link.listen);
    if IpAddr::from(interface).is_loopback() {
        area::beside("listening on this machine only, as `link.listen` does: set `discovery.interface` to hear others");
    }
    let world = world::real();
    let mdns = config.discovery.mdns.then(|| MdnsServices::new(interface));
    let heard = actix::System::new().block_on(async move {
        let beacons = UdpBeacons::new(BeaconSettings { group, interface }, Arc::clone(&world.clock));
        let ear = Ear { world, table: Sightings::default() }.start();
        beacons.open(ear.clone().recipient()).context("beacons cannot be heard")?;
        if let Some(mdns) = &mdns {
            mdns.open(ear.clone().recipient()).context("mDNS cannot be heard")?;
        }
        tokio::time::sleep(time).await;
        beacons.close();
        mdns.iter().for_each(|mdns| mdns.close());
        anyhow::Ok(ear.send(Heard).await?)
    });
    Ok(heard?)
}
