//! The area that the agent belongs to: what it shows and whom it believes, its links, its authority if it has one, and who
//! cares for its certificate.

mod contacts;
mod fog;
mod herald;
mod links;
mod peers;
mod steward;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter, Recipient};
use mf2c_actors::ca_client::{CaClient, CaClientSettings, Member, Surroundings};
use mf2c_actors::certificate_authority::{AuthoritySettings, CertificateAuthority, RecordForeign};
use mf2c_actors::leadership::NO_BACKUP;
use mf2c_actors::ports::{AuthorityTransport, World};
use mf2c_actors::replicator::Flows;
use mf2c_actors::resource_store::ResourceStore;
use mf2c_domain::area::name;
use mf2c_domain::area::presence::{Patience, Status};
use mf2c_domain::area::spiffe::check_device;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_facade::certificates::Authorities;
use mf2c_facade::deter::ShownRoots;
use mf2c_facade::front::{Certified, ReadCertificate, TlsSettings};
use mf2c_facade::monitor::{AreaFigures, LookAtArea, PeerFigure};
use mf2c_machine::Roots;
use mf2c_pki::ServerIdentity;
use mf2c_pki::area::{ApiIdentity, Credentials, MemberFiles, certificate_pem};
use mf2c_store::Store;
use mf2c_transport::link::LinkSettings;

use crate::certified::certified;
use crate::config::Config;
use crate::control::{AreaDoors, AreaParts, FogDoors};
use crate::node::StartError;
pub(crate) use contacts::{Contact, Contacts};
pub(crate) use fog::Fog;
use fog::Neighbours;
use links::Links;
pub(crate) use peers::Current;
use peers::{OpenLinks, Peers};

/// How long figures of streams are waited for.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Area {
    pub(crate) credentials: Credentials,
    pub(crate) doors: AreaDoors,
    pub(crate) fog: Fog,
    links: Arc<Links>,
    contacts: Arc<Contacts>,
    /// Who counts the agents of the area.
    counted: FogDoors,
    authority: Addr<CertificateAuthority>,
    client: Addr<CaClient>,
    arbiter: Option<Arbiter>,
}

/// Whom the area's actors meet.
pub(crate) struct AreaRooms<'a> {
    pub(crate) arbiter: &'a Arbiter,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) writer: &'a Addr<ResourceStore>,
    pub(crate) world: &'a World,
}

/// Starts what the agent needs as a member, and as an authority if it is one. Without either nothing is bound and no
/// thread runs; a command may change that.
///
/// # Errors
/// Where keys cannot be read, others may read them, or the port for links is taken.
pub(crate) fn start(
    config: &Config,
    identity: ServerIdentity,
    device: String,
    rooms: &AreaRooms<'_>,
) -> Result<Area, StartError> {
    let AreaRooms { store, writer, world, .. } = *rooms;
    let own = if config.tls.certificate.is_some() {
        ApiIdentity::Configured(identity)
    } else {
        ApiIdentity::SelfMade(identity)
    };
    let credentials = Credentials::new(own, Arc::clone(&world.clock), config.pki.strict_revocation)?;
    let (member, device) = match restore(config, &credentials, world)? {
        Some((member, device)) => (Some(member), device),
        None => (None, device),
    };
    let settings = authority_settings(config, device.clone());
    let authority =
        CertificateAuthority::open(&config.data_dir, settings, Arc::clone(store), writer.clone(), world.clone())?;
    let has_authority = authority.is_seated();
    // An authority that comes later lives beside the others until the next start: few agents get one.
    let arbiter = has_authority.then(Arbiter::new);
    let handle = arbiter.as_ref().unwrap_or(rooms.arbiter).handle();
    let authority = CertificateAuthority::start_in_arbiter(&handle, move |_| authority);
    let links = Arc::new(Links::new(
        world.clone(),
        credentials.clone(),
        link_settings(config, store),
        config.link.listen.0,
        config.area.backup,
    ));
    // Also for who belongs to no area yet: it may join while it runs, and its actors do not move then.
    let thread = links.start_for_actors();
    let client = start_client(
        config,
        device,
        member,
        rooms,
        Surroundings {
            credentials: credentials.clone(),
            transport: Arc::clone(&links) as Arc<dyn AuthorityTransport>,
            authority: authority.clone(),
            writer: writer.clone(),
            world: world.clone(),
        },
    );
    let open = OpenLinks::default();
    let contacts = Arc::new(Contacts::new(Arc::clone(&world.clock), patience(config)));
    let near = Neighbours {
        links: &links,
        open: &open,
        authority: &authority,
        client: &client,
        credentials: &credentials,
        thread,
    };
    let (fog, crew) = fog::start(config, rooms, &near);
    let peers =
        Peers { authority: authority.clone(), client: client.clone(), crew, open, contacts: Arc::clone(&contacts) };
    links.serve(Arc::new(peers));
    if has_authority {
        let address = config.link.listen.0;
        links.listen().map_err(|source| StartError::Listen { address, flag: "link.listen", source })?;
    }
    let bound = Arc::clone(&links);
    let counted = fog_doors(&fog, config, rooms, &contacts);
    let parts = AreaParts {
        writer: writer.clone(),
        store: Arc::clone(store),
        bound: Arc::new(move || bound.bound()),
        fog: counted.clone(),
    };
    let doors = AreaDoors::new(&authority, &client, parts, config);
    doors.ask_of_nearby(fog.discovery.sightings.clone());
    Ok(Area { credentials, doors, fog, links, contacts, counted, authority, client, arbiter })
}

/// Where commands ask about the area's agents.
fn fog_doors(fog: &Fog, config: &Config, rooms: &AreaRooms<'_>, contacts: &Arc<Contacts>) -> FogDoors {
    FogDoors {
        standing: fog.standings.clone(),
        roles: fog.leadership.clone().recipient(),
        flows: fog.replicator.clone().recipient(),
        forget: fog.replicator.clone().recipient(),
        stores: fog.replicator.clone().recipient(),
        bury: fog.bury(),
        store: Arc::clone(rooms.store),
        writer: rooms.writer.clone(),
        contacts: Arc::clone(contacts),
        name: own_name(config),
    }
}

/// The membership of an earlier start: it is shown and believed from now on.
fn restore(config: &Config, credentials: &Credentials, world: &World) -> Result<Option<(Member, String)>, StartError> {
    let Some(stored) = MemberFiles::new(&config.data_dir).load(world.clock.now())? else { return Ok(None) };
    for reason in &stored.refused {
        tracing::warn!(%reason, "a revocation list of an earlier start");
    }
    let device = stored.membership.own.id.device().unwrap_or_default().to_owned();
    let member = Member::kept(&stored.membership, stored.role, stored.address, world);
    tracing::info!(id = %stored.membership.own.id, until = %stored.membership.own.not_after, "member of an area");
    credentials.install(stored.membership, stored.trust)?;
    Ok(Some((member, device)))
}

/// How long silence of an agent is put up with.
fn patience(config: &Config) -> Patience {
    Patience {
        disconnected_after: config.area.disconnected_after.get(),
        unavailable_after: config.area.unavailable_after.get(),
    }
}

fn start_client(
    config: &Config,
    device: String,
    member: Option<Member>,
    rooms: &AreaRooms<'_>,
    surroundings: Surroundings,
) -> Addr<CaClient> {
    let settings = CaClientSettings {
        leader: crate::discovery::settings(config).leader,
        device,
        names: config.tls.names.clone(),
        own_names: Arc::new(|| {
            let address = mf2c_machine::own_address(&Roots::default()).map(|address| address.to_string());
            mf2c_pki::host_name().into_iter().chain(address).collect()
        }),
        data_dir: config.data_dir.clone(),
    };
    let client = CaClient::new(settings, member, surroundings);
    CaClient::start_in_arbiter(&rooms.arbiter.handle(), move |_| client)
}

fn authority_settings(config: &Config, device: String) -> AuthoritySettings {
    AuthoritySettings {
        device: Some(device),
        leaf_life: config.pki.leaf_life.get(),
        renew_after_expiry: config.pki.renew_after_expiry,
        overlap: config.pki.overlap.get(),
        list_every: config.pki.list_every.get(),
        list_life: config.pki.list_life.get(),
    }
}

fn link_settings(config: &Config, store: &Store) -> LinkSettings {
    let identity = store.identity();
    LinkSettings {
        incarnation: identity.incarnation,
        origin: identity.node.to_vec(),
        advertise: Some(config.link.advertise.clone()).filter(|address| !address.is_empty()),
        features: features(config),
        ..LinkSettings::new(config.role.as_str())
    }
}

/// What the agent says of itself in every Hello: what people call it, and whether it is never to be a backup.
fn features(config: &Config) -> Vec<String> {
    let never = (!config.area.backup).then(|| NO_BACKUP.to_owned());
    never.into_iter().chain(own_name(config).map(|name| name::as_feature(&name))).collect()
}

/// What people call this agent: what the configuration says, or else the name of its host.
pub(crate) fn own_name(config: &Config) -> Option<String> {
    let given = Some(config.device.name.clone()).filter(|name| !name.is_empty());
    given.or_else(mf2c_pki::host_name).filter(|name| name::check(name).is_ok())
}

/// The `deviceID` of this machine: the one in the store, else one that is made now and given to the inventory; the store's
/// own name where the machine is not described.
pub(crate) fn device_id(config: &Config, store: &Store, world: &World) -> String {
    let name = store.identity().name();
    let stored = store.get(&format!("device/{name}")).and_then(|document| {
        let body: serde_json::Value = serde_json::from_slice(&store.body(&document).ok()??).ok()?;
        body.get("deviceID")?.as_str().map(str::to_owned)
    });
    match stored {
        Some(device) if check_device(&device).is_ok() => device,
        None if config.device.enabled => mf2c_machine::device_id(&Roots::default(), &name, &*world.entropy),
        _ => name,
    }
}

impl Area {
    /// What the API's listener shows, at every handshake anew.
    pub(crate) fn tls(&self) -> TlsSettings {
        let credentials = self.credentials.clone();
        Arc::new(move || credentials.api_server())
    }

    /// The same for a door that tells by itself whose certificate has expired.
    pub(crate) fn late_tls(&self) -> TlsSettings {
        let credentials = self.credentials.clone();
        Arc::new(move || credentials.late_server())
    }

    /// The fingerprint (SHA-256) of the certificate that clients of the API are shown.
    pub(crate) fn fingerprint(&self) -> String {
        self.credentials.api_fingerprint()
    }

    /// Whether the agent belongs to an area.
    pub(crate) fn is_joined(&self) -> bool {
        self.credentials.membership().is_some()
    }

    /// Who a client of the API is by its certificate.
    pub(crate) fn users(&self) -> ReadCertificate {
        let credentials = self.credentials.clone();
        Arc::new(move |der| -> Option<Certified> { certified(der, &credentials.membership()?.own.id) })
    }

    /// The roots in PEM by which clients know this agent, with the authorities below them, which have issued the
    /// certificates of its users; none where it belongs to no area.
    pub(crate) fn roots(&self) -> ShownRoots {
        let credentials = self.credentials.clone();
        Arc::new(move || {
            credentials.membership()?;
            let trust = credentials.trust();
            let all = trust.roots().iter().chain(trust.intermediates());
            Some(all.map(|der| certificate_pem(der)).collect())
        })
    }

    /// The way of the API to the actors.
    pub(crate) fn authorities(&self) -> Authorities {
        Authorities { revoke: self.authority.clone().recipient(), certify: self.client.clone().recipient() }
    }

    /// The way of other doors to the record of certificates.
    pub(crate) fn records(&self) -> Recipient<RecordForeign> {
        self.authority.clone().recipient()
    }

    /// What those who watch over the agent see of it.
    pub(crate) fn figures(&self) -> LookAtArea {
        let (credentials, links, fog) = (self.credentials.clone(), Arc::clone(&self.links), self.fog.clone());
        let (counted, contacts) = (self.counted.clone(), Arc::clone(&self.contacts));
        Arc::new(move || {
            let (doors, counted) = (counted.clone(), links.counters().unwrap_or_default());
            let mut figures = AreaFigures {
                member_until: credentials.membership().map(|membership| membership.own.not_after),
                revoked: credentials.trust().revoked() as u64,
                links: counted.open,
                links_total: counted.opened,
                standing: fog.standings.borrow().clone(),
                leaders: fog.leaders(),
                members: vec![],
                peers: peers_of(&fog.standings.borrow(), &contacts),
                flows: vec![],
                flowed: fog.flowed(),
            };
            let flows = tokio::time::timeout(LOOK, fog.replicator.send(Flows));
            let members = tokio::task::spawn_blocking(move || doors.statuses());
            Box::pin(async move {
                figures.members = members.await.unwrap_or_default();
                figures.flows = flows.await.ok().and_then(Result::ok).unwrap_or_default();
                figures
            })
        })
    }

    /// Closes the links. The threads, to be ended.
    pub(crate) fn stop(self) -> impl Iterator<Item = Arbiter> {
        self.links.stop().into_iter().chain(self.arbiter)
    }
}

/// Those with whom this agent should be in touch.
fn peers_of(standing: &Standing, contacts: &Contacts) -> Vec<PeerFigure> {
    let leader = standing.leader.iter().map(|peer| ("leader", peer));
    let backups = standing.backups.iter().map(|peer| ("backup", peer));
    // Ordinary agents do not call the one above.
    let above = standing.upper.iter().filter(|_| standing.role != AreaRole::Agent);
    let all = leader.chain(backups).chain(above.map(|peer| ("above", peer)));
    let others = all.filter(|(_, peer)| Some(&peer.id) != standing.own.as_ref());
    others
        .map(|(role, peer)| {
            let contact = contacts.of_sought(&peer.id);
            let up = contact.status == Status::Connected;
            PeerFigure { peer: peer.id.clone(), role, up, last: contact.last }
        })
        .collect()
}
