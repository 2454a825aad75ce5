//! From findings to documents.

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::resource::types::{event, sla_episode, sla_penalty, sla_violation, sla_warning};
use mf2c_sla::{Burn, Episode, Key, PenaltyDue, Severity, Violation, Warning};
use mf2c_store::record::NodeId;
use serde_json::{Map, Value, json};

use super::names::name_of;
use super::notes::Note;

/// Who writes, and who may see it.
pub(super) struct Desk<'a> {
    pub(super) node: &'a NodeId,
    /// Whoever may see the agreement may see what became of it, and only administrators may change that.
    pub(super) acl: Acl,
}

fn link(id: &str) -> Value {
    json!({ "href": id })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn values<'a>(values: impl IntoIterator<Item = &'a (std::sync::Arc<str>, f64)>) -> Value {
    // JSON has no infinities.
    let number = |value: f64| if value.is_finite() { json!(value) } else { json!(value.to_string()) };
    Value::Object(values.into_iter().map(|(name, value)| (name.to_string(), number(*value))).collect())
}

impl Desk<'_> {
    fn add(&self, spec: &'static TypeSpec, key: Key, attributes: Value) -> Note {
        let name = Some(name_of(key, self.node));
        Note::Add { spec, name, attributes: object(attributes), acl: self.acl.clone() }
    }

    pub(super) fn violation(&self, found: &Violation) -> Note {
        let mut body = json!({
            "agreement_id": link(&found.agreement),
            "guarantee": &*found.guarantee,
            "datetime": found.datetime.to_string(),
            "constraint": &*found.constraint,
            "values": values(&found.values),
        });
        shown_by(&mut body, found.report.as_deref(), found.instance.as_deref());
        for (name, _) in [("skewed", found.skewed), ("late", found.late)].into_iter().filter(|(_, is)| *is) {
            body[name] = json!(true);
        }
        self.add(&sla_violation::SPEC, found.key, body)
    }

    pub(super) fn warning(&self, found: &Warning) -> Note {
        let mut body = json!({
            "agreement_id": link(&found.agreement),
            "guarantee": &*found.guarantee,
            "datetime": found.datetime.to_string(),
            "constraint": &*found.constraint,
            "values": values(&found.values),
        });
        shown_by(&mut body, found.report.as_deref(), found.instance.as_deref());
        self.add(&sla_warning::SPEC, found.key, body)
    }

    pub(super) fn penalty(&self, due: &PenaltyDue, client: &str) -> Note {
        let violation = format!("sla-violation/{}", name_of(due.violation, self.node));
        let mut body = json!({
            "agreement_id": link(&due.agreement),
            "guarantee": &*due.guarantee,
            "datetime": due.datetime.to_string(),
            "definition": {
                "type": &*due.kind,
                "value": due.value,
                "unit": &*due.unit,
                "per": if due.per_window { "window" } else { "violation" },
            },
            "amount": due.amount,
            "violation": link(&violation),
        });
        if !client.is_empty() {
            body["client"] = json!(client);
        }
        self.add(&sla_penalty::SPEC, due.key, body)
    }

    pub(super) fn episode(&self, episode: &Episode) -> Note {
        let mut body = progress(episode);
        body.insert("agreement_id".to_owned(), link(&episode.agreement));
        body.insert("guarantee".to_owned(), json!(&*episode.guarantee));
        body.insert("first_seen".to_owned(), json!(episode.first_seen.to_string()));
        body.insert("constraint".to_owned(), json!(&*episode.constraint));
        if let Some(instance) = &episode.instance {
            body.insert("instance".to_owned(), link(instance));
        }
        self.add(&sla_episode::SPEC, episode.key, Value::Object(body))
    }

    pub(super) fn burn(&self, burn: &Burn) -> Note {
        let severity = match burn.severity {
            Severity::Fast => "critical",
            Severity::Medium => "high",
            Severity::Slow => "medium",
        };
        let state = if burn.burning {
            format!("the error budget of `{}` burns {:.1} times as fast as it may", burn.guarantee, burn.long)
        } else {
            format!("the error budget of `{}` burns no longer too fast", burn.guarantee)
        };
        let body = json!({
            "timestamp": burn.datetime.to_string(),
            "type": "state",
            "severity": if burn.burning { severity } else { "low" },
            "content": {"resource": link(&burn.agreement), "state": state},
        });
        self.add(&event::SPEC, burn.key, body)
    }
}

/// How an episode stands, to be written into its document.
pub(super) fn episode_edit(episode: &Episode, node: &NodeId) -> Option<Note> {
    let id = ResourceId::new("sla-episode", &name_of(episode.key, node)).ok()?;
    Some(Note::Edit { id, changes: progress(episode), if_match: None })
}

fn progress(episode: &Episode) -> Map<String, Value> {
    let mut body = object(json!({
        "state": if episode.resolved_at.is_some() { "resolved" } else { "open" },
        "last_seen": episode.last_seen.to_string(),
        "count": episode.count,
    }));
    if let Some(at) = episode.resolved_at {
        body.insert("resolved_at".to_owned(), json!(at.to_string()));
    }
    if let Some(variable) = &episode.variable {
        body.insert("variable".to_owned(), json!(&**variable));
    }
    if let Some(worst) = episode.worst.filter(|worst| worst.is_finite()) {
        body.insert("worst".to_owned(), json!(worst));
    }
    body
}

fn shown_by(body: &mut Value, report: Option<&str>, instance: Option<&str>) {
    for (name, id) in [("report", report), ("instance", instance)] {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            body[name] = link(id);
        }
    }
}
