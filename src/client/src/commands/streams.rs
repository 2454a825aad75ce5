//! What `status` tells of other agents: who of those that should be in touch is lost, how far replicas are behind, and who
//! takes nothing. The metrics of the agent tell it.

use mf2c_domain::time::Timestamp;
use serde_json::{Value, json};

use super::account::span;
use crate::output::clean;

/// A replica that is behind for longer is worth a warning, in seconds: changes are always on their way.
const LATE: f64 = 60.0;

/// A sample with its labels.
struct Sample<'m> {
    labels: &'m str,
    value: f64,
}

impl Sample<'_> {
    fn label(&self, name: &str) -> String {
        let value = self.labels.split_once(&format!("{name}=\"")).map(|(_, value)| value);
        clean(value.and_then(|value| value.split_once('"')).map_or("", |(value, _)| value))
    }
}

/// The samples of a family.
fn samples<'m>(metrics: &'m str, name: &str) -> Vec<Sample<'m>> {
    let of = |line: &'m str| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
        Some(Sample { labels, value: value.trim().parse().ok()? })
    };
    metrics.lines().filter_map(of).collect()
}

/// What there is to tell; nothing where the metrics cannot be read, or the agent has no others.
pub(super) fn told(now: Timestamp, metrics: Option<&str>, warnings: &mut Vec<String>) -> Value {
    let Some(metrics) = metrics else { return Value::Null };
    let lost = |peer: &str| {
        let last = samples(metrics, "mf2c_peer_last_contact_timestamp_seconds");
        last.iter().find(|sample| sample.label("peer") == peer).map(|sample| sample.value)
    };
    for peer in samples(metrics, "mf2c_peer_up").iter().filter(|peer| peer.value < 0.5) {
        let (name, role) = (peer.label("peer"), peer.label("role"));
        let role = if role == "above" { "agent above".to_owned() } else { role };
        let since = match lost(&name) {
            Some(last) => format!("last heard of {}", span(now, Timestamp::from_millis((last * 1000.0) as i64))),
            None => "not heard of since this agent was started".to_owned(),
        };
        warnings.push(format!("the {role} {} cannot be reached, {since}", brief(&name)));
    }
    for held in samples(metrics, "mf2c_replication_held").iter().filter(|held| held.value > 0.5) {
        warnings.push(match held.label("direction").as_str() {
            "in" => "this agent takes no changes of others now, as when its disk is full: the log tells why".to_owned(),
            _ => format!("{} takes no changes now, as when its disk is full", brief(&held.label("peer"))),
        });
    }
    let seconds = samples(metrics, "mf2c_replication_lag_seconds");
    let streams: Vec<Value> = samples(metrics, "mf2c_replication_lag_changes")
        .iter()
        .map(|changes| {
            let age = seconds.iter().find(|sample| sample.labels == changes.labels).map_or(0.0, |age| age.value);
            let (peer, direction) = (changes.label("peer"), changes.label("direction"));
            if direction == "out" && age >= LATE {
                warnings.push(format!("{} lacks {} changes, the oldest for {age:.0} s", brief(&peer), changes.value));
            }
            json!({"peer": peer, "direction": direction, "changes": changes.value as u64, "seconds": age})
        })
        .collect();
    if streams.is_empty() { Value::Null } else { streams.into() }
}

/// An area and as much of a device as people need.
fn brief(peer: &str) -> String {
    match peer.split_once('/') {
        Some((area, device)) => format!("{area}/{}", mf2c_domain::area::name::short(device)),
        None => peer.to_owned(),
    }
}

/// The line for people.
pub(super) fn line(streams: &Value) -> Option<String> {
    let streams = streams.as_array()?;
    let behind = |direction: &str| {
        let of = streams.iter().filter(|stream| stream["direction"] == direction);
        let of: Vec<(u64, f64)> = of
            .map(|it| (it["changes"].as_u64().unwrap_or_default(), it["seconds"].as_f64().unwrap_or_default()))
            .collect();
        let changes: u64 = of.iter().map(|(changes, _)| changes).sum();
        let oldest = of.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        (!of.is_empty()).then(|| match changes {
            0 => "0".to_owned(),
            _ => format!("{changes} (the oldest {oldest:.1} s)"),
        })
    };
    let sent = behind("out").map(|count| format!("{count} changes to be sent"));
    let missing = behind("in").map(|count| format!("{count} to come"));
    Some(sent.into_iter().chain(missing).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metrics: &str) -> (Option<String>, Vec<String>) {
        let mut warnings = vec![];
        let told = told(Timestamp::from_millis(100_000), Some(metrics), &mut warnings);
        (line(&told), warnings)
    }

    #[test]
    fn who_is_lost_and_what_is_behind_is_told_with_its_age() {
        let (line, warnings) = of("mf2c_peer_up{peer=\"sky/c0\",role=\"above\"} 0\n\
            mf2c_peer_last_contact_timestamp_seconds{peer=\"sky/c0\",role=\"above\"} 40\n\
            mf2c_peer_up{peer=\"pier/b\",role=\"backup\"} 1\n\
            mf2c_replication_lag_changes{direction=\"out\",peer=\"sky/c0\"} 12\n\
            mf2c_replication_lag_seconds{direction=\"out\",peer=\"sky/c0\"} 61.5\n\
            mf2c_replication_lag_changes{direction=\"in\",peer=\"pier/b\"} 0\n\
            mf2c_replication_lag_seconds{direction=\"in\",peer=\"pier/b\"} 0\n");
        assert_eq!(line.as_deref(), Some("12 (the oldest 61.5 s) changes to be sent, 0 to come"));
        assert_eq!(
            warnings,
            [
                "the agent above sky/c0 cannot be reached, last heard of 60 s ago",
                "sky/c0 lacks 12 changes, the oldest for 62 s"
            ]
        );
    }

    #[test]
    fn a_full_disk_is_told_of_here_and_there_and_nothing_is_told_without_metrics() {
        let (_, warnings) = of("mf2c_replication_held{direction=\"out\",peer=\"pier/0123456789abcdef\"} 1\n\
            mf2c_replication_held{direction=\"in\",peer=\"pier/b\"} 2\n");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("pier/0123456789ab takes no changes now"), "{warnings:?}");
        assert!(told(Timestamp::from_millis(0), None, &mut vec![]).is_null());
        assert_eq!(of("mf2c_links 0\n"), (None, vec![]));
    }
}
