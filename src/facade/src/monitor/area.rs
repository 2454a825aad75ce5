//! What `/metrics` tells of the area: where the agent stands in it, who is in touch, and how far replicas are behind.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mf2c_actors::replicator::Flow;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{Mandate, Standing};
use mf2c_domain::time::Timestamp;

use super::exposition::Exposition;

/// The most peers whose streams have figures of their own: a leader may have thousands. The others are one peer together.
const MOST_PEERS: usize = 32;
/// What the others are called.
const OTHERS: &str = "others";
/// As many characters of a `deviceID` tell peers apart, as in the names of `area-member`.
const SHOWN: usize = 32;
const MILLIS: f64 = 1e3;

/// What is told of the agent's area.
#[derive(Debug, Clone, Default)]
pub struct AreaFigures {
    /// The end of the agent's certificate in its area; none where it belongs to none.
    pub member_until: Option<Timestamp>,
    /// Certificates that are known to be revoked.
    pub revoked: u64,
    /// Links to other agents that are open now.
    pub links: u64,
    /// Links to other agents that were opened since start.
    pub links_total: u64,
    /// How the agent stands in its area.
    pub standing: Standing,
    /// How often another agent has come to lead, as far as this one has seen it since start.
    pub leaders: u64,
    /// How many agents of areas are in each status.
    pub members: Vec<(&'static str, u64)>,
    /// Those with whom this agent should be in touch: its leader, backups, the agent above.
    pub peers: Vec<PeerFigure>,
    /// The streams of changes, those that should be there and are not among them.
    pub flows: Vec<Flow>,
    /// What went over all streams since start.
    pub flowed: Flowed,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct PeerFigure {
    /// Which.
    pub peer: SpiffeId,
    /// `leader`, `backup` or `above`.
    pub role: &'static str,
    /// Whether there is a link to it.
    pub up: bool,
    /// When it was last in touch, where it is not and was since start.
    pub last: Option<Timestamp>,
}

/// What went over all streams since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flowed {
    /// Changes that came in, and that went out.
    pub changes: [u64; 2],
    /// Their bytes.
    pub bytes: [u64; 2],
    /// Documents that were repaired.
    pub repaired: u64,
}

/// Looks at the area. Whoever does not answer soon is left out.
pub type LookAtArea = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = AreaFigures> + Send>> + Send + Sync>;

const WAYS: [&str; 2] = ["in", "out"];

/// The families of the area.
pub(super) fn write(page: &mut Exposition, figures: &AreaFigures) {
    let name = "mf2c_member_expiry_timestamp_seconds";
    page.family(name, "gauge", "The end of the agent's certificate in its area, in seconds since 1970.");
    if let Some(until) = figures.member_until {
        page.sample(name, "", super::metrics::seconds(until));
    }
    page.gauge("mf2c_certificates_revoked", "Certificates that are known to be revoked.", figures.revoked);
    page.gauge("mf2c_links", "Open links to other agents.", figures.links);
    page.counter("mf2c_links_total", "Links to other agents that were opened since start.", figures.links_total);
    standing(page, figures);
    peers(page, &figures.peers);
    streams(page, &figures.flows);
    flowed(page, figures.flowed);
}

fn standing(page: &mut Exposition, figures: &AreaFigures) {
    let Standing { role, term, mandate, leader, .. } = &figures.standing;
    page.family("mf2c_area_role", "gauge", "Always 1; the labels tell what the agent is in its area, and who leads.");
    let area = figures.standing.area().unwrap_or_default();
    let mandate = match mandate {
        Mandate::None => "none",
        Mandate::Degraded => "degraded",
        Mandate::Full => "full",
    };
    let leader = leader.as_ref().and_then(|leader| leader.id.device()).unwrap_or_default();
    let labels = format!("area=\"{area}\",role=\"{}\",mandate=\"{mandate}\",leader=\"{leader}\"", role.as_str());
    page.sample("mf2c_area_role", &labels, 1);
    let degraded = u8::from(figures.standing.degraded);
    page.gauge("mf2c_area_degraded", "1 while who leads has no majority, or is not heard of; 0 otherwise.", degraded);
    page.gauge("mf2c_area_term", "The highest term of leadership that the agent knows.", term);
    page.family("mf2c_area_members", "gauge", "Agents of areas that are known here, by status.");
    for (status, count) in &figures.members {
        page.sample("mf2c_area_members", &format!("status=\"{status}\""), count);
    }
    let help = "Times that another agent has come to lead the area since start.";
    page.counter("mf2c_leadership_changes_total", help, figures.leaders);
}

/// The label of a peer: its area and the beginning of its `deviceID`.
fn label(id: &SpiffeId) -> String {
    let device = id.device().unwrap_or_default();
    let device: String = device.chars().take(SHOWN).collect();
    format!("{}/{device}", id.area().unwrap_or_default())
}

fn peers(page: &mut Exposition, peers: &[PeerFigure]) {
    let labels = |peer: &PeerFigure| format!("peer=\"{}\",role=\"{}\"", label(&peer.peer), peer.role);
    let name = "mf2c_peer_up";
    page.family(name, "gauge", "1 if there is a link to the leader, a backup or the agent above, else 0.");
    for peer in peers {
        page.sample(name, &labels(peer), u8::from(peer.up));
    }
    let name = "mf2c_peer_last_contact_timestamp_seconds";
    page.family(name, "gauge", "When one of them that is lost was last in touch, in seconds since 1970.");
    for peer in peers {
        if let Some(last) = peer.last {
            page.sample(name, &labels(peer), super::metrics::seconds(last));
        }
    }
}

/// What is told of a peer's streams in one direction, or of those of all others.
#[derive(Default)]
struct Lag {
    changes: u64,
    millis: u64,
    held: u64,
}

/// The figures of lag of each peer and direction. Those to whom something is owed come first: they are few.
fn lags(flows: &[Flow]) -> BTreeMap<(String, bool), Lag> {
    let mut sorted: Vec<(&Flow, SpiffeId)> =
        flows.iter().filter(|flow| flow.known).filter_map(|flow| Some((flow, flow.peer.parse().ok()?))).collect();
    sorted.sort_by_cached_key(|(flow, _)| (!flow.outgoing, flow.peer.clone()));
    let mut lags = BTreeMap::<(String, bool), Lag>::new();
    for (flow, id) in sorted {
        let mut key = (label(&id), flow.outgoing);
        if !lags.contains_key(&key) && lags.len() >= MOST_PEERS {
            key.0 = OTHERS.to_owned();
        }
        let lag = lags.entry(key).or_default();
        lag.changes = lag.changes.saturating_add(flow.behind);
        lag.millis = lag.millis.max(flow.behind_millis);
        lag.held += u64::from(flow.held.is_some());
    }
    lags
}

fn streams(page: &mut Exposition, flows: &[Flow]) {
    page.family("mf2c_replication_streams", "gauge", "Open streams of changes, by direction.");
    for (way, outgoing) in WAYS.iter().zip([false, true]) {
        let count = flows.iter().filter(|flow| flow.open && flow.outgoing == outgoing).count();
        page.sample("mf2c_replication_streams", &format!("direction=\"{way}\""), count);
    }
    let lags = lags(flows);
    let labels =
        |(peer, outgoing): &(String, bool)| format!("direction=\"{}\",peer=\"{peer}\"", WAYS[usize::from(*outgoing)]);
    let name = "mf2c_replication_lag_changes";
    page.family(name, "gauge", "Changes that the receiving end does not have yet, whether it can be reached or not.");
    for (key, lag) in &lags {
        page.sample(name, &labels(key), lag.changes);
    }
    let name = "mf2c_replication_lag_seconds";
    page.family(name, "gauge", "The age of the oldest of them.");
    for (key, lag) in &lags {
        page.sample(name, &labels(key), fraction(lag.millis));
    }
    let name = "mf2c_replication_held";
    page.family(name, "gauge", "Streams whose receiving end takes nothing now, as when its disk is full.");
    for (key, lag) in &lags {
        page.sample(name, &labels(key), lag.held);
    }
}

fn flowed(page: &mut Exposition, flowed: Flowed) {
    let of = [
        ("mf2c_replication_changes_total", "Changes that went over streams since start, by direction.", flowed.changes),
        ("mf2c_replication_bytes_total", "Bytes of changes that went over streams since start.", flowed.bytes),
    ];
    for (name, help, counts) in of {
        page.family(name, "counter", help);
        for (way, count) in WAYS.iter().zip(counts) {
            page.sample(name, &format!("direction=\"{way}\""), count);
        }
    }
    let help = "Documents that differed between two agents and were repaired since start.";
    page.counter("mf2c_replication_repaired_total", help, flowed.repaired);
}

#[expect(clippy::cast_precision_loss, reason = "a lag above 2^53 milliseconds may lose its last digits")]
fn fraction(millis: u64) -> f64 {
    millis as f64 / MILLIS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(number: usize, behind: u64) -> Flow {
        let peer = format!("spiffe://mf2c.internal/area/pier/agent/{number}");
        Flow { peer, open: true, known: true, behind, behind_millis: behind * 10, ..Flow::default() }
    }

    fn written(figures: &AreaFigures) -> String {
        let mut page = Exposition::new();
        write(&mut page, figures);
        page.finish()
    }

    #[test]
    fn however_many_streams_there_are_few_have_figures_of_their_own_and_those_that_are_owed_to_are_among_them() {
        let mut flows: Vec<Flow> = (0..1000).map(|number| flow(number, number as u64)).collect();
        flows.push(Flow { outgoing: true, held: Some("full".into()), ..flow(5000, 7) });
        let text = written(&AreaFigures { flows, ..AreaFigures::default() });
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(lines("mf2c_replication_lag_changes{"), MOST_PEERS + 1);
        for line in [
            "mf2c_replication_lag_changes{direction=\"out\",peer=\"pier/5000\"} 7\n",
            "mf2c_replication_held{direction=\"out\",peer=\"pier/5000\"} 1\n",
            "mf2c_replication_lag_seconds{direction=\"in\",peer=\"others\"} 9.99\n",
            "mf2c_replication_streams{direction=\"in\"} 1000\n",
            "mf2c_area_role{area=\"\",role=\"alone\",mandate=\"none\",leader=\"\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn a_peer_that_is_lost_is_not_up_and_what_is_unknown_is_not_told() {
        let peer = "spiffe://mf2c.internal/area/sky/agent/c0".parse().unwrap();
        let peers = vec![PeerFigure { peer, role: "above", up: false, last: Some(Timestamp::from_millis(5000)) }];
        let flows = vec![Flow { known: false, open: false, outgoing: true, ..flow(1, 0) }];
        let text = written(&AreaFigures { peers, flows, ..AreaFigures::default() });
        assert!(text.contains("mf2c_peer_up{peer=\"sky/c0\",role=\"above\"} 0\n"), "{text}");
        let last = "mf2c_peer_last_contact_timestamp_seconds{peer=\"sky/c0\",role=\"above\"} 5";
        assert!(text.contains(last) && !text.contains("lag_changes{"), "{text}");
        assert!(text.contains("mf2c_replication_streams{direction=\"out\"} 0\n"), "{text}");
    }
}
