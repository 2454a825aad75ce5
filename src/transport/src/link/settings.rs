//! What bounds a link. The numbers are those of the specification of the transport; tests and operators change them.

use std::time::Duration;

/// What the links of an agent are told at start.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// What the agent is in its area, for the Hello: `agent`, `leader` or `cloud`.
    pub role: String,
    /// Changes when the agent's store is lost.
    pub incarnation: u64,
    /// The node of its store: 16 bytes.
    pub origin: Vec<u8>,
    /// Where others find its listener, as `host:port`; none: at the address that they see, and the port that is bound.
    pub advertise: Option<String>,
    /// What else it says of itself in its Hello, such as `no-backup`: it is never to be a backup.
    pub features: Vec<String>,
    /// Whether the tasks of links run in the [`tokio::task::LocalSet`] in which the links are used, as a simulation wants it:
    /// it stops and kills whole agents. Then everything must be called inside that.
    pub local: bool,
    /// The bounds.
    pub limits: LinkLimits,
}

impl LinkSettings {
    /// The usual bounds.
    #[must_use]
    pub fn new(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            incarnation: 0,
            origin: vec![],
            advertise: None,
            features: vec![],
            local: false,
            limits: LinkLimits::default(),
        }
    }
}

/// The bounds of time, memory and number.
#[derive(Debug, Clone)]
pub struct LinkLimits {
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From there to the Hello.
    pub hello: Duration,
    /// From the first byte of a frame to its last.
    pub frame: Duration,
    /// For the peer to take one whole frame from us.
    pub write_stall: Duration,
    /// After so long without a frame from a peer of the same area, it is asked for a sign of life; the one who was called
    /// waits a quarter longer, so that one of both asks.
    pub ping: Duration,
    /// After so long without a frame from a peer of the same area, the link is given up.
    pub dead: Duration,
    /// The same as `ping`, for peers of other areas.
    pub far_ping: Duration,
    /// The same as `dead`, for peers of other areas.
    pub far_dead: Duration,
    /// The pause after the first attempt to open a standing link that failed; it doubles from one to the next.
    pub first_pause: Duration,
    /// The longest pause between such attempts. Who refuses is asked again later than that.
    pub longest_pause: Duration,
    /// How long an answer is waited for, and how long one may be in the making.
    pub answer: Duration,
    /// How long a connection of one who has no certificate yet may last in all.
    pub join: Duration,
    /// How long a connection that was refused is held for the reason to arrive.
    pub linger: Duration,
    /// The largest frame, in bytes, without its length.
    pub max_frame: u32,
    /// The largest frame of one who has no certificate yet, in bytes.
    pub max_join_frame: u32,
    /// Open questions in each direction of a link.
    pub in_flight: usize,
    /// Frames that wait to be sent on a link.
    pub queue_frames: usize,
    /// Bytes that wait to be sent on a link; one frame more may wait.
    pub queue_bytes: usize,
    /// Connections whose other end is not yet known.
    pub half_open: usize,
    /// Of them, from one address.
    pub half_open_per_source: usize,
    /// Agents to which links are kept besides the one that leads.
    pub kept: usize,
    /// Links in all.
    pub links: usize,
    /// Links of one peer; a newer one takes the place of the oldest.
    pub links_per_peer: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            handshake: seconds(5),
            hello: seconds(5),
            frame: seconds(10),
            write_stall: seconds(30),
            ping: seconds(3),
            dead: seconds(5),
            far_ping: seconds(15),
            far_dead: seconds(60),
            first_pause: Duration::from_millis(200),
            longest_pause: seconds(5),
            answer: seconds(30),
            join: seconds(30),
            linger: seconds(1),
            max_frame: 1 << 20,
            max_join_frame: 16 << 10,
            in_flight: 64,
            queue_frames: 256,
            queue_bytes: 512 << 10,
            half_open: 64,
            half_open_per_source: 16,
            kept: 64,
            links: 4096,
            links_per_peer: 4,
        }
    }
}
