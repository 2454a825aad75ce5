//! Agents as services of DNS-SD over mDNS (RFC 6762, RFC 6763). The library has a thread of its own, and one of ours hands
//! on what it finds; both end when this is closed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use actix::Recipient;
use mdns_sd::{IfKind, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use mf2c_actors::discovery::ports::{HeardService, Mdns};
use mf2c_domain::area::beacon::{Beacon, dns_sd};

/// Addresses of one service that are looked at.
const ADDRESSES: usize = 8;

/// See the module.
pub struct MdnsServices {
    interface: Ipv4Addr,
    open: Mutex<Option<Open>>,
}

struct Open {
    daemon: ServiceDaemon,
    /// The whole name of what is announced.
    announced: Option<String>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(name) = self.announced.take() {
            // The farewell is queued before the end.
            let _ = self.daemon.unregister(&name);
        }
        let _ = self.daemon.shutdown();
    }
}

impl MdnsServices {
    /// Nothing is opened yet. `interface` is the address of the network card; 0.0.0.0 stands for all.
    #[must_use]
    pub const fn new(interface: Ipv4Addr) -> Self {
        Self { interface, open: Mutex::new(None) }
    }

    fn start(&self, to: Recipient<HeardService>) -> Result<Open, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        let kind = match self.interface {
            all if all.is_unspecified() => IfKind::IPv4,
            near if near.is_loopback() => IfKind::LoopbackV4,
            card => IfKind::Addr(card.into()),
        };
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(kind)?;
        let events = daemon.browse(dns_sd::SERVICE)?;
        let thread = std::thread::Builder::new().name("mdns".to_owned()).spawn(move || hand_on(&events, &to));
        thread.map_err(|error| mdns_sd::Error::Msg(error.to_string()))?;
        Ok(Open { daemon, announced: None })
    }

    fn service(&self, said: &Beacon, port: u16) -> Result<ServiceInfo, mdns_sd::Error> {
        let device = said.device().unwrap_or_default();
        let instance = dns_sd::instance(&device);
        let host = format!("{}.local.", instance.to_ascii_lowercase().replace('_', "-"));
        let records = dns_sd::to_records(said);
        let own = if self.interface.is_unspecified() { String::new() } else { self.interface.to_string() };
        let service = ServiceInfo::new(dns_sd::SERVICE, &instance, &host, own, port, &records[..])?;
        Ok(if self.interface.is_unspecified() { service.enable_addr_auto() } else { service })
    }
}

impl Mdns for MdnsServices {
    fn open(&self, to: Recipient<HeardService>) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            *open = Some(self.start(to).map_err(io::Error::other)?);
            tracing::info!(interface = %self.interface, "looking for agents by mDNS");
        }
        Ok(())
    }

    fn announce(&self, said: Option<Beacon>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &mut *open else { return };
        let service = said.as_ref().and_then(|said| Some(self.service(said, said.port?)));
        let announced = match service.transpose() {
            Ok(Some(service)) => {
                let name = service.get_fullname().to_owned();
                open.daemon.register(service).map(|()| Some(name))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match announced {
            Ok(name) => {
                let before = std::mem::replace(&mut open.announced, name);
                if let Some(before) = before.filter(|before| open.announced.as_ref() != Some(before)) {
                    let _ = open.daemon.unregister(&before);
                }
            }
            Err(error) => tracing::warn!(%error, "this agent is not announced by mDNS"),
        }
    }

    fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Hands on until the daemon has ended, or nobody takes it.
fn hand_on(events: &Receiver<ServiceEvent>, to: &Recipient<HeardService>) {
    while let Ok(event) = events.recv() {
        let heard = match event {
            ServiceEvent::ServiceResolved(service) => found(&service),
            ServiceEvent::ServiceRemoved(_, name) => {
                let instance = name.strip_suffix(dns_sd::SERVICE).unwrap_or(&name).trim_end_matches('.').to_owned();
                Some(HeardService::Gone { instance })
            }
            _ => None,
        };
        if !to.connected() {
            break;
        }
        if heard.is_some_and(|heard| to.try_send(heard).is_err()) {
            tracing::debug!("dropped news of a service: too many at once");
        }
    }
}

fn found(service: &ResolvedService) -> Option<HeardService> {
    let records = service.get_properties();
    let said = dns_sd::from_records(records.iter().map(|record| (record.key(), record.val_str())))?;
    let mut addresses: Vec<Ipv4Addr> = service.get_addresses_v4().into_iter().collect();
    addresses.sort();
    let port = service.get_port();
    let told = |address: Ipv4Addr| SocketAddr::from((address, port)).to_string();
    let addresses = if port == 0 { vec![] } else { addresses.into_iter().take(ADDRESSES).map(told).collect() };
    Some(HeardService::Found { said: Box::new(said), addresses })
}
