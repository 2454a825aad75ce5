//! `mf2c discover`: what the agent of this machine has heard of others, or what is heard while the command listens.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use anyhow::{Context as _, anyhow};
use mf2c_actors::discovery::ports::{Beacons as _, HeardDatagram};
use mf2c_actors::discovery::read;
use mf2c_actors::ports::World;
use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::area::choice::Wanted;
use mf2c_domain::area::sightings::Sightings;
use mf2c_domain::time::Timestamp;
use mf2c_transport::discovery::{BeaconSettings, UdpBeacons};
use serde_json::{Value, json};

use super::{Failure, area, load_place};
use crate::cli::{DiscoverArgs, exit};
use crate::config::Config;
use crate::control::wire::Request;
use crate::world;

/// What a table and CSV show.
const COLUMNS: [&str; 7] = ["device", "role", "area", "term", "address", "by", "heard"];
/// How long is listened where no agent runs and nothing else is said.
const USUAL: Duration = Duration::from_secs(3);
/// The longest `deviceID` that a table shows.
const SHORT: usize = 16;

/// See the module.
pub(super) fn run(args: &DiscoverArgs, around: &Surroundings) -> Result<(), Failure> {
    let listed = match args.listen {
        Some(time) => listen(&load_place(&args.place)?.config, time.get())?,
        None => match area::ask(&args.place, Request::ShowNear, "") {
            Ok(shown) => shown,
            Err(failure) if failure.code == exit::UNREACHABLE => {
                area::beside("no agent runs here: listening for 3 s");
                listen(&load_place(&args.place)?.config, USUAL)?
            }
            Err(failure) => return Err(failure),
        },
    };
    let mut near: Vec<Value> = listed.as_array().cloned().unwrap_or_default();
    if args.output == Format::Table {
        if near.is_empty() {
            area::beside("nobody was heard: agents that take links on 127.0.0.1 only are not heard elsewhere");
            return Ok(());
        }
        let now = around.clock.now();
        near.iter_mut().for_each(|sighting| shorten(sighting, now));
    }
    Ok(mf2c_client::show_list(&near, &COLUMNS, args.output, around)?)
}

/// For people: the beginning of the name, and how long ago.
fn shorten(sighting: &mut Value, now: Timestamp) {
    if let Some(device) = sighting["device"].as_str().filter(|device| device.len() > SHORT) {
        sighting["device"] = json!(device.chars().take(SHORT).collect::<String>());
    }
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

/// Listens for beacons.
fn listen(config: &Config, time: Duration) -> Result<Value, Failure> {
    let group = config.discovery.group().ok_or_else(|| anyhow!("`discovery.group` is no multicast group"))?;
    let interface = config.discovery.card(config.link.listen);
    if IpAddr::from(interface).is_loopback() {
        area::beside("listening on this machine only, as `link.listen` does: set `discovery.interface` to hear others");
    }
    let world = world::real();
    let heard = actix::System::new().block_on(async move {
        let beacons = UdpBeacons::new(BeaconSettings { group, interface }, Arc::clone(&world.clock));
        let ear = Ear { world, table: Sightings::default() }.start();
        beacons.open(ear.clone().recipient()).context("beacons cannot be heard")?;
        tokio::time::sleep(time).await;
        beacons.close();
        anyhow::Ok(ear.send(Heard).await?)
    });
    Ok(heard?)
}
