//! Beacons by UDP to a multicast group. They do not leave the local network: their TTL is 1.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};

use actix::Recipient;
use mf2c_actors::discovery::ports::{Beacons, HeardDatagram};
use mf2c_domain::area::beacon::LONGEST_DATAGRAM;
use mf2c_domain::area::gate::{Gate, WINDOW};
use mf2c_domain::time::Clock;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What the system keeps for us, in bytes: a few dozen datagrams. What a flood has more is dropped there, which costs us
/// nothing.
const BUFFER: usize = 32 << 10;

/// Where beacons go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeaconSettings {
    /// The multicast group and its port.
    pub group: SocketAddrV4,
    /// The address of the network card; 0.0.0.0 leaves it to the system.
    pub interface: Ipv4Addr,
}

/// See the module. It must be opened where a runtime runs.
pub struct UdpBeacons {
    settings: BeaconSettings,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

struct Open {
    socket: Arc<UdpSocket>,
    listener: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl UdpBeacons {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(settings: BeaconSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, open: Mutex::default() }
    }

    fn socket(&self) -> io::Result<UdpSocket> {
        let BeaconSettings { group, interface } = self.settings;
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        // Other agents of this machine listen to the same group.
        socket.set_reuse_address(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.set_nonblocking(true)?;
        // Bound to the group itself: what is sent to this machine alone is not heard.
        socket.bind(&SocketAddr::V4(group).into())?;
        socket.set_multicast_all_v4(false)?;
        socket.join_multicast_v4(group.ip(), &interface)?;
        socket.set_multicast_if_v4(&interface)?;
        // On this machine's own card they need no step at all.
        socket.set_multicast_ttl_v4(u32::from(!interface.is_loopback()))?;
        socket.set_multicast_loop_v4(true)?;
        UdpSocket::from_std(socket.into())
    }
}

impl Beacons for UdpBeacons {
    fn open(&self, to: Recipient<HeardDatagram>) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            let socket = Arc::new(self.socket()?);
            let listener = tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&self.clock), to));
            *open = Some(Open { socket, listener });
            tracing::info!(group = %self.settings.group, interface = %self.settings.interface, "listening for beacons");
        }
        Ok(())
    }

    fn tell(&self, datagram: &[u8]) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Open { socket, .. }) = &*open else { return };
        if let Err(error) = socket.try_send_to(datagram, self.settings.group.into()) {
            tracing::debug!(%error, "a beacon was not sent");
        }
    }

    fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Takes datagrams as long as the gate lets them in; what is more stays with the system, which drops it.
async fn listen(socket: Arc<UdpSocket>, clock: Arc<dyn Clock>, to: Recipient<HeardDatagram>) {
    let mut gate = Gate::default();
    // One byte more, so that a datagram that is too long does not look like one that is not.
    let mut buffer = [0; LONGEST_DATAGRAM + 1];
    while to.connected() {
        if let Some(rest) = gate.rest(clock.elapsed()) {
            tokio::time::sleep(rest).await;
            continue;
        }
        match socket.recv_from(&mut buffer).await {
            Ok((length, source)) => {
                if gate.admit(source.ip(), clock.elapsed())
                    && let Some(bytes) = buffer.get(..length).filter(|bytes| bytes.len() <= LONGEST_DATAGRAM)
                    && to.try_send(HeardDatagram { bytes: bytes.to_owned(), source }).is_err()
                {
                    tracing::trace!(%source, "dropped a beacon: too many at once");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "no beacon was received");
                tokio::time::sleep(WINDOW).await;
            }
        }
    }
}
