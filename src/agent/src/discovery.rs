//! Starts the discovery of agents nearby, and opens the original's door to it.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Actor as _, Addr, Arbiter, Recipient};
use actix_web::App;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use mf2c_actors::discovery::ports::{Beacons, Mdns, Wifi};
use mf2c_actors::discovery::{Discovery, DiscoverySettings, Sightings, Surroundings};
use mf2c_actors::leadership::Standings;
use mf2c_actors::ports::{AreaNet, World};
use mf2c_domain::area::addresses::{self, Listed};
use mf2c_domain::area::token::root_hash;
use mf2c_facade::cimi::Api;
use mf2c_facade::discovery::{self as door, DiscoveryDoor};
use mf2c_facade::front::{self, Listener};
use mf2c_facade::policies::Sign;
use mf2c_pki::area::Credentials;
use mf2c_transport::discovery::{BeaconSettings, MdnsServices, NoWifi, UdpBeacons, WifiCard, has_card};

use crate::area::Area;
use crate::config::{Config, Role};
use crate::control::Bound;
use crate::node::{StartError, front_settings, listen};

/// The largest file of addresses that is read, in bytes.
const LARGEST_FILE: u64 = 64 << 10;

/// Whom discovery meets.
pub(crate) struct DiscoveryRooms<'a> {
    /// Where the actor runs.
    pub(crate) arbiter: &'a Arbiter,
    /// Time and randomness.
    pub(crate) world: &'a World,
    /// Which roots are believed.
    pub(crate) credentials: &'a Credentials,
    /// How the agent stands in its area.
    pub(crate) standing: Standings,
    /// Where hints go.
    pub(crate) net: Arc<dyn AreaNet>,
    /// Where links of others are taken.
    pub(crate) bound: Bound,
}

/// Discovery at work.
pub(crate) struct Discovered {
    /// Tells who is near, the best first, and the addresses that the operator has listed.
    pub(crate) sightings: Recipient<Sightings>,
    wifi: Arc<dyn Wifi>,
    works: Arc<AtomicBool>,
    actor: Addr<Discovery>,
    standing: Standings,
}

/// Starts discovery. Nothing is opened before the agent is a member of an area.
pub(crate) fn start(config: &Config, rooms: DiscoveryRooms<'_>) -> Discovered {
    let DiscoveryRooms { arbiter, world, credentials, standing, net, bound } = rooms;
    let (beacons, mdns) = networks(config, world);
    let credentials = credentials.clone();
    let wifi: Arc<dyn Wifi> = match config.discovery.wifi.as_str() {
        "" => Arc::new(NoWifi),
        card => Arc::new(WifiCard::new(card.to_owned(), config.data_dir.join("wifi"))),
    };
    let works = Arc::new(AtomicBool::new(true));
    let around = Surroundings {
        world: world.clone(),
        standing: standing.clone(),
        roots: Arc::new(move || credentials.trust().roots().iter().map(|root| root_hash(root)).collect()),
        bound,
        net,
        beacons,
        mdns,
        wifi: Some((config.discovery.wifi.clone(), Arc::clone(&wifi))).filter(|(card, _)| !card.is_empty()),
        works: Arc::clone(&works),
    };
    let actor = Discovery::new(settings(config), around);
    let actor = Discovery::start_in_arbiter(&arbiter.handle(), move |_| actor);
    Discovered { sightings: actor.clone().recipient(), wifi, works, actor, standing }
}

impl Discovered {
    /// Tells whether agents nearby can be discovered, as far as that is switched on.
    pub(crate) fn works(&self) -> Sign {
        let works = Arc::clone(&self.works);
        Arc::new(move || works.load(Ordering::Relaxed))
    }
}

/// Tells whether there is a Wi-Fi card that may be used.
pub(crate) fn has_wifi(config: &Config) -> Sign {
    let card = config.discovery.wifi.clone();
    Arc::new(move || has_card(&card))
}

type Networks = (Option<Arc<dyn Beacons>>, Option<Arc<dyn Mdns>>);

/// The networks that the configuration switches on.
fn networks(config: &Config, world: &World) -> Networks {
    let discovery = &config.discovery;
    let interface = discovery.card(config.link.listen);
    let group = discovery.group().filter(|_| discovery.beacon);
    let beacons = group.map(|group| {
        let clock = Arc::clone(&world.clock);
        Arc::new(UdpBeacons::new(BeaconSettings { group, interface }, clock)) as Arc<dyn Beacons>
    });
    let mdns = discovery.mdns.then(|| Arc::new(MdnsServices::new(interface)) as Arc<dyn Mdns>);
    (beacons, mdns)
}

/// What discovery is told.
pub(crate) fn settings(config: &Config) -> DiscoverySettings {
    let discovery = &config.discovery;
    let listed = discovery.env_file.as_deref().map(read_listed).unwrap_or_default();
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let leader = given(&discovery.leader).or(listed.leader).and_then(|text| told(addresses::address(&text)));
    let children = given(&discovery.children).or(listed.children).and_then(|text| told(addresses::addresses(&text)));
    DiscoverySettings {
        interval: discovery.interval.get(),
        is_cloud: config.role == Role::Cloud,
        service: Some(discovery.offer()),
        reward: Some(discovery.reward),
        urgency: Some(discovery.level()),
        leader,
        children: children.unwrap_or_default(),
    }
}

/// What a file such as the original's `.env` lists. A file that cannot be read is no reason not to start: addresses are
/// hints, and there are other ways.
fn read_listed(path: &Path) -> Listed {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text).map(|_| text)
    };
    match read() {
        Ok(text) => addresses::from_file(&text),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "`discovery.env_file` cannot be read: its addresses are not used");
            Listed::default()
        }
    }
}

fn told<T>(read: Result<T, addresses::AddressesError>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(%error, "an address of `discovery.env_file` is not used")).ok()
}

/// The original's door, bound but not yet open.
pub(crate) struct BoundDoor {
    listener: Listener,
    address: SocketAddr,
}

impl BoundDoor {
    /// Binds the port; none where no port is configured. On other addresses than this machine's own it speaks TLS.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn prepare(config: &Config, area: &Area) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.discovery.listen else { return Ok(None) };
        let (socket, address) = listen(wanted, "discovery.listen")?;
        let near = wanted.is_loopback();
        let (tls, users) = if near { (None, None) } else { (Some(area.tls()), Some(area.users())) };
        Ok(Some(Self { listener: Listener { socket, tls, users }, address }))
    }

    /// Serves.
    ///
    /// # Errors
    /// [`StartError::Start`].
    pub(crate) fn open(
        self,
        config: &Config,
        discovered: &Discovered,
        api: Data<Api>,
    ) -> Result<ServerHandle, StartError> {
        let wifi = Arc::clone(&discovered.wifi);
        let own = discovered.actor.clone().recipient();
        let heard = discovered.actor.clone().recipient();
        let data = Data::new(DiscoveryDoor::new(wifi, own, heard, discovered.standing.clone()));
        let settings = front::Settings { workers: 1, ..front_settings(config) };
        let app = move || App::new().configure(|services| door::configure(services, &data, &api));
        let server = front::serve(vec![self.listener], &settings, app);
        let server = server.map_err(|source| StartError::Start { what: "the door of discovery", source })?;
        let handle = server.handle();
        actix::spawn(server);
        tracing::info!(door = "discovery.listen", address = %self.address, "discovery listens");
        Ok(handle)
    }
}
