//! What `/metrics` tells of the area: where the agent stands in it, who is in touch, and how far replicas are behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use mf2c_actors::replicator::Flow;
use mf2c_domain::area::standing::{Mandate, Standing};
use mf2c_domain::time::Timestamp;

use super::exposition::Exposition;

/// The most streams that have figures of their own, those that are furthest behind first: a leader may have thousands.
const MOST_STREAMS: usize = 20;
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
    /// The streams of changes that are open.
    pub flows: Vec<Flow>,
    /// What went over all streams since start.
    pub flowed: Flowed,
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

/// The two figures of lag of each stream, those that lag most first.
fn streams(page: &mut Exposition, flows: &[Flow]) {
    page.family("mf2c_replication_streams", "gauge", "Open streams of changes, by direction.");
    for (way, outgoing) in WAYS.iter().zip([false, true]) {
        let count = flows.iter().filter(|flow| flow.open && flow.outgoing == outgoing).count();
        page.sample("mf2c_replication_streams", &format!("direction=\"{way}\""), count);
    }
    let mut shown: Vec<&Flow> = flows.iter().collect();
    shown.sort_by_key(|flow| (std::cmp::Reverse(flow.behind_millis), std::cmp::Reverse(flow.behind), &flow.peer));
    shown.dedup_by_key(|flow| (&flow.peer, flow.outgoing));
    shown.truncate(MOST_STREAMS);
    let labels = |flow: &Flow| {
        let peer: String = flow.peer.chars().filter(|c| !matches!(c, '"' | '\\' | '\n')).collect();
        format!("direction=\"{}\",peer=\"{peer}\"", WAYS[usize::from(flow.outgoing)])
    };
    let name = "mf2c_replication_lag_changes";
    page.family(name, "gauge", "Changes that the other end of a stream does not have yet.");
    for flow in &shown {
        page.sample(name, &labels(flow), flow.behind);
    }
    let name = "mf2c_replication_lag_seconds";
    page.family(name, "gauge", "The age of the oldest change that the other end of a stream does not have yet.");
    for flow in &shown {
        page.sample(name, &labels(flow), fraction(flow.behind_millis));
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
        Flow {
            peer,
            outgoing: false,
            open: true,
            behind,
            behind_millis: behind * 10,
            changes: 1,
            bytes: 1,
            repaired: 0,
            snapshot: false,
        }
    }

    #[test]
    fn however_many_streams_there_are_only_the_worst_have_figures_of_their_own() {
        let mut page = Exposition::new();
        let flows = (0..1000).map(|number| flow(number, number as u64)).collect();
        write(&mut page, &AreaFigures { flows, ..AreaFigures::default() });
        let text = page.finish();
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(lines("mf2c_replication_lag_changes{"), MOST_STREAMS);
        assert!(text.contains("agent/999\"} 999\n") && text.contains("agent/999\"} 9.99\n"), "{text}");
        assert!(text.contains("mf2c_replication_streams{direction=\"in\"} 1000\n"));
        assert!(text.contains("mf2c_area_role{area=\"\",role=\"alone\",mandate=\"none\",leader=\"\"} 1\n"));
    }
}
