//! The simulated network: hosts, connections between them, and what disturbs them.
//!
//! A connection is two [`way::Way`]s of bytes with the behaviour of TCP as far as a program sees it: order, windows, delays
//! by retransmission instead of losses, half-open connections after a power cut, resets.

mod stream;
mod way;
mod weather;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::instant;
use crate::dice::Dice;
use crate::trace::Trace;
use way::{Path, Way};
use weather::Weather;

pub use stream::Stream;
pub use weather::{Disturbance, Hosts};

/// Connections that wait to be accepted.
const BACKLOG: usize = 128;
/// Pauses between attempts to connect (RFC 6298 with Linux's first second).
const SYN_PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// How good the lines are while nothing disturbs them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// One way.
    pub latency: Duration,
    /// The most that is added to it.
    pub jitter: Duration,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// Bytes a second in each direction of a connection; 0 is without bound.
    pub bandwidth: u64,
}

impl Line {
    /// Two lines one after the other, where they differ; two of a kind are one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        let bandwidth = match (self.bandwidth, other.bandwidth) {
            (0, other) => other,
            (own, 0) => own,
            (own, other) => own.min(other),
        };
        let loss = 1.0 - (1.0 - self.loss) * (1.0 - other.loss);
        Self { latency: self.latency + other.latency, jitter: self.jitter + other.jitter, loss, bandwidth }
    }
}

/// Which line is between two hosts.
pub type Lines = Arc<dyn Fn(usize, usize) -> Line + Send + Sync>;

/// The network. Clones share it.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    lines: Lines,
    trace: Trace,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    weather: Weather,
    listeners: BTreeMap<SocketAddr, (usize, mpsc::Sender<(Stream, SocketAddr)>)>,
    /// How often each host's process has begun: a connection of an earlier one is unknown to it.
    lives: BTreeMap<usize, u64>,
    addresses: BTreeMap<SocketAddr, usize>,
    connections: BTreeMap<u64, Arc<Connection>>,
    next: u64,
    figures: Figures,
}

/// What the network has carried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Connections that were made.
    pub connections: u64,
    /// Writes of a sender to its socket.
    pub writes: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What both ends of a connection share.
struct Connection {
    number: u64,
    /// Who called, and who was called.
    hosts: [usize; 2],
    lives: [u64; 2],
    /// From the first to the second, and back.
    ways: [Mutex<Way>; 2],
}

impl Network {
    /// A network without disturbances.
    #[must_use]
    pub fn new(seed: u64, lines: Lines, trace: Trace) -> Self {
        Self(Arc::new(Inner { lines, trace, seed, state: Mutex::default() }))
    }

    /// Virtual time since the beginning of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.trace.now()
    }

    /// Tells that a host has this address.
    pub fn place(&self, host: usize, address: SocketAddr) {
        self.0.state.lock().addresses.insert(address, host);
    }

    /// Takes connections at an address of `host`, until the listener is dropped.
    #[must_use]
    pub fn listen(&self, host: usize, address: SocketAddr) -> Listener {
        let (sender, waiting) = mpsc::channel(BACKLOG);
        self.0.state.lock().listeners.insert(address, (host, sender));
        Listener { waiting }
    }

    /// Connects `host` to an address. It takes as long as the network does; whoever waits gives up.
    ///
    /// # Errors
    /// Nobody listens there, or nothing came back.
    pub async fn dial(&self, host: usize, address: SocketAddr) -> io::Result<Stream> {
        let Some(to) = self.0.state.lock().addresses.get(&address).copied() else {
            return Err(io::Error::new(io::ErrorKind::HostUnreachable, "there is no such host"));
        };
        for pause in SYN_PAUSES {
            let (there, back) = (self.path(host, to), self.path(to, host));
            if there.blocked || back.blocked {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                continue;
            }
            tokio::time::sleep(there.latency + back.latency).await;
            return self.connect(host, to, address);
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn connect(&self, host: usize, to: usize, address: SocketAddr) -> io::Result<Stream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let now = instant();
        let mut state = self.0.state.lock();
        let waiting = state.listeners.get(&address).filter(|(at, _)| *at == to).ok_or_else(refused)?.1.clone();
        let number = state.next;
        state.next += 1;
        state.figures.connections += 1;
        let way = |direction| Mutex::new(Way::new(now, Dice::new(self.0.seed, "way", number * 2 + direction)));
        let life = |host| state.lives.get(&host).copied().unwrap_or_default();
        let connection =
            Arc::new(Connection { number, hosts: [host, to], lives: [life(host), life(to)], ways: [way(0), way(1)] });
        state.connections.insert(number, Arc::clone(&connection));
        let from = state.addresses.iter().find(|(_, at)| **at == host).map(|(address, _)| *address);
        drop(state);
        self.0.trace.event(host, "connect", to as u64, number);
        let called = Stream::new(self.clone(), Arc::clone(&connection), 1);
        let calling = Stream::new(self.clone(), connection, 0);
        let from = from.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |from| ephemeral(from, number));
        waiting.try_send((called, from)).map_err(|_| refused())?;
        Ok(calling)
    }

    /// Begins a disturbance.
    pub fn disturb(&self, fault: usize, what: Disturbance) {
        self.0.state.lock().weather.begin(fault, what);
    }

    /// Ends the disturbance of a fault, if it brought one. What it held back goes on its way.
    pub fn calm(&self, fault: usize) {
        if self.0.state.lock().weather.end(fault) {
            self.look_again(None);
        }
    }

    /// Breaks all connections of a host, as a box between them does that forgets.
    pub fn reset(&self, host: usize) {
        let now = instant();
        for connection in self.connections_of(host) {
            connection.ways.iter().for_each(|way| way.lock().break_off(now));
        }
    }

    /// The machine of a host went dark without a word and is back: nobody there knows the connections of before.
    pub fn reborn(&self, host: usize) {
        *self.0.state.lock().lives.entry(host).or_default() += 1;
        self.look_again(Some(host));
    }

    /// What was carried up to now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.0.state.lock().figures
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.state.lock().connections.len()
    }

    fn connections_of(&self, host: usize) -> Vec<Arc<Connection>> {
        self.0.state.lock().connections.values().filter(|it| it.hosts.contains(&host)).cloned().collect()
    }

    /// Sends what was held back where the path is free now.
    fn look_again(&self, host: Option<usize>) {
        let now = instant();
        let connections: Vec<_> = match host {
            Some(host) => self.connections_of(host),
            None => self.0.state.lock().connections.values().cloned().collect(),
        };
        for connection in connections {
            for direction in [0, 1] {
                let path = self.path_of(&connection, direction);
                if path.blocked {
                    continue;
                }
                if self.is_unknown(&connection, direction) {
                    if connection.ways[direction].lock().is_held() {
                        self.answer_with_reset(&connection, direction, now);
                    }
                } else {
                    connection.ways[direction].lock().release(path, now);
                }
            }
        }
    }

    /// Whether a host is without power.
    fn is_dark(&self, host: usize) -> bool {
        self.0.state.lock().weather.is_dark(host)
    }

    /// Whether the receiver of a direction is a later process than the one that made the connection.
    fn is_unknown(&self, connection: &Connection, direction: usize) -> bool {
        let receiver = connection.hosts[1 - direction];
        let life = self.0.state.lock().lives.get(&receiver).copied().unwrap_or_default();
        life != connection.lives[1 - direction]
    }

    /// Who sends to a process that knows nothing of the connection gets a reset.
    fn answer_with_reset(&self, connection: &Connection, direction: usize, now: Instant) {
        let back = self.path_of(connection, 1 - direction);
        connection.ways[1 - direction].lock().break_off(now + back.latency * 2);
    }

    fn path_of(&self, connection: &Connection, direction: usize) -> Path {
        self.path(connection.hosts[direction], connection.hosts[1 - direction])
    }

    fn path(&self, from: usize, to: usize) -> Path {
        let Line { latency, jitter, loss, bandwidth } = (self.0.lines)(from, to);
        self.0.state.lock().weather.on(Path { latency, jitter, loss, bandwidth, blocked: false }, from, to)
    }
}

/// The address from which a connection seems to come: the host's, and a port of its own.
fn ephemeral(mut from: SocketAddr, number: u64) -> SocketAddr {
    from.set_port(32_768 + (number % 28_000) as u16);
    from
}

/// Takes connections of others.
pub struct Listener {
    waiting: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Listener {
    /// The next connection, and where it comes from; never, where the network has ended.
    pub async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.waiting.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
