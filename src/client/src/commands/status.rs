//! `status`: one screen about who I am, how the agent is doing, and what needs somebody's attention. What cannot be found out
//! is `unknown`, never a guess.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::account::span;
use crate::ClientError;
use crate::args::{Format, ShownArgs};
use crate::output::{self, clean};
use crate::session::Session;
use crate::terminal::print;

/// A certificate that ends within this time is worth a warning, in days.
const SOON: i128 = 30;
/// The largest part of the metrics that is looked at.
const METRICS: usize = 4 << 20;

pub(super) async fn status(session: &Session<'_>, args: &ShownArgs) -> Result<(), ClientError> {
    // That the agent answers at all is the one thing that must be so.
    let entry_point = session.remote.get("cloud-entry-point", &[]).await?;
    let mut warnings = vec![];
    let mut report = Map::new();
    report.insert("me".to_owned(), me(session, &mut warnings).await);
    report.insert("agent".to_owned(), agent(session, &entry_point, &mut warnings).await);
    report.insert("store".to_owned(), store(session, &mut warnings).await);
    report.insert("links".to_owned(), links(session).await);
    report.insert("services".to_owned(), services(session).await);
    report.insert("agreements".to_owned(), count(session, "agreement").await);
    certificate(session, &mut warnings);
    report.insert("warnings".to_owned(), warnings.iter().map(|warning| Value::from(warning.as_str())).collect());
    let report = Value::Object(report);
    if args.output == Format::Table {
        return print(&screen(&report, session.terminal.colour));
    }
    print(&output::one(&report, args.output, session.terminal))
}

async fn me(session: &Session<'_>, warnings: &mut Vec<String>) -> Value {
    if let Some(who) = session.remote.identity() {
        warnings.push("the agent may believe a header about who somebody is: this is for development only".to_owned());
        return json!({"user": who, "by": "header"});
    }
    match session.own().await {
        Ok(Some(own)) => {
            let text = |name: &str| own.get(name).cloned().unwrap_or(Value::Null);
            json!({"user": text("username"), "roles": text("roles"), "expires": text("expiry")})
        }
        Ok(None) | Err(ClientError::Refused { .. }) => {
            if session.remote.is_somebody() {
                warnings.push("the session is over: sign in again with `mf2c login`".to_owned());
            }
            json!({"user": null})
        }
        Err(_) => json!({"user": "unknown"}),
    }
}

async fn agent(session: &Session<'_>, entry_point: &Value, warnings: &mut Vec<String>) -> Value {
    let health = text(session, "healthz").await;
    let (healthy, said) = match &health {
        Some((200, _)) => ("ok".to_owned(), None),
        Some((503, said)) => ("degraded".to_owned(), Some(said)),
        _ => ("unknown".to_owned(), None),
    };
    warnings.extend(said.map(|said| clean(said.lines().next().unwrap_or_default())));
    let ready = match text(session, "readyz").await {
        Some((200, _)) => "yes",
        Some((503, _)) => "no",
        _ => "unknown",
    };
    let document = first(session, "agent").await;
    let role = match document.as_ref().and_then(|agent| agent.get("isLeader")?.as_bool()) {
        Some(true) => "leader",
        Some(false) => "agent",
        None => "unknown",
    };
    let version = session.remote.get("openapi.json", &[]).await.ok();
    let version = version.and_then(|document| document.pointer("/info/version")?.as_str().map(clean));
    json!({
        "url": session.remote.url(), "baseURI": entry_point.get("baseURI"), "health": healthy, "ready": ready, "role": role,
        "version": version.unwrap_or_else(|| "unknown".to_owned()),
    })
}

/// The area that the agent has joined.
async fn links(session: &Session<'_>) -> Value {
    match first(session, "agent").await {
        Some(agent) if agent.get("connected") == Some(&Value::Bool(true)) => {
            json!({"leader": agent.get("leader_ip").cloned().unwrap_or_else(|| "unknown".into())})
        }
        Some(_) => json!("no area joined"),
        None => json!("unknown"),
    }
}

/// What the metrics tell of the store.
async fn store(session: &Session<'_>, warnings: &mut Vec<String>) -> Value {
    let Some((200, metrics)) = text(session, "metrics").await else { return json!("unknown") };
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse::<f64>().ok()
    };
    let documents = metrics.lines().filter(|line| line.starts_with("mf2c_documents{"));
    let documents: f64 = documents.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    if value("mf2c_store_commit_failures").is_some_and(|failures| failures > 0.0) {
        warnings.push("writes fail: the agent's log tells why".to_owned());
    }
    let number = |number: Option<f64>| number.map_or_else(|| json!("unknown"), |number| json!(number.round() as u64));
    json!({
        "documents": number(Some(documents)), "position": number(value("mf2c_store_position")),
        "bytes": number(value("mf2c_store_resident_bytes")),
    })
}

/// Service instances by their status.
async fn services(session: &Session<'_>) -> Value {
    let query = [("$last", "0"), ("$aggregation", "terms:status")];
    let Ok(answer) = session.remote.get("service-instance", &query).await else { return json!("unknown") };
    let buckets = answer.pointer("/aggregations/terms:status/buckets").and_then(Value::as_array);
    let by_status = buckets
        .into_iter()
        .flatten()
        .filter_map(|bucket| Some((bucket.get("key")?.as_str()?.to_owned(), bucket.get("doc_count")?.clone())));
    json!({"count": answer.get("count"), "by status": Value::Object(by_status.collect())})
}

async fn count(session: &Session<'_>, kind: &str) -> Value {
    let answer = session.remote.get(kind, &[("$last", "0")]).await.ok();
    answer.and_then(|answer| answer.get("count").cloned()).unwrap_or_else(|| "unknown".into())
}

/// The first resource of a type; none if there is none, or if it may not be seen.
async fn first(session: &Session<'_>, kind: &str) -> Option<Value> {
    let spec = mf2c_domain::resource::find(kind)?;
    let mut answer = session.remote.get(kind, &[("$last", "1")]).await.ok()?;
    answer.get_mut(spec.tag)?.get_mut(0).map(Value::take)
}

/// What a page besides the API says.
async fn text(session: &Session<'_>, path: &str) -> Option<(u16, String)> {
    let answer = session.remote.send(session.remote.request(Method::GET, path, &[])).await.ok()?;
    let body = answer.body.get(..METRICS).unwrap_or(&answer.body);
    Some((answer.status, String::from_utf8_lossy(body).into_owned()))
}

fn certificate(session: &Session<'_>, warnings: &mut Vec<String>) {
    let now = session.around.clock.now();
    if let Some(end) = session.remote.certificate().and_then(|shown| shown.not_after) {
        let left = (end.nanos() - now.nanos()) / (86_400 * 1_000_000_000);
        if left < SOON {
            warnings.push(format!("the agent's certificate ends {}", span(now, end)));
        }
    }
    if session.profile.as_ref().is_some_and(|profile| profile.insecure) {
        warnings.push("the profile accepts every certificate: sign in again without --insecure".to_owned());
    }
}

/// The report for people.
fn screen(report: &Value, colour: bool) -> String {
    let text = |pointer: &str| match report.pointer(pointer) {
        None | Some(Value::Null) => "unknown".to_owned(),
        value => output::cell(value),
    };
    let known = |pointer: &str| report.pointer(pointer).is_some_and(|value| !value.is_null());
    let me = match report.pointer("/me/user") {
        Some(Value::Null) | None => "nobody: sign in with `mf2c login`".to_owned(),
        Some(_) if known("/me/expires") => {
            format!("{} ({}), signed in until {}", text("/me/user"), text("/me/roles"), text("/me/expires"))
        }
        Some(_) => text("/me/user"),
    };
    let agent = format!("{}, version {}, role {}", text("/agent/url"), text("/agent/version"), text("/agent/role"));
    let health = format!("{}, ready: {}", text("/agent/health"), text("/agent/ready"));
    let store = match report.pointer("/store/documents") {
        None => "unknown".to_owned(),
        Some(_) => format!(
            "{} documents, {} KiB, change {}",
            text("/store/documents"),
            report.pointer("/store/bytes").and_then(Value::as_u64).map_or(0, |bytes| bytes / 1024),
            text("/store/position")
        ),
    };
    let links = match report.pointer("/links/leader") {
        Some(leader) => format!("leader {}", output::cell(Some(leader))),
        None => text("/links"),
    };
    let services = match report.pointer("/services/by status").and_then(Value::as_object) {
        None => "unknown".to_owned(),
        Some(by) if by.is_empty() => text("/services/count"),
        Some(by) => {
            let each = by.iter().map(|(status, count)| format!("{count} {}", clean(status)));
            format!("{} ({})", text("/services/count"), each.collect::<Vec<_>>().join(", "))
        }
    };
    let lines = [
        ("me", me),
        ("agent", agent),
        ("health", health),
        ("store", store),
        ("links", links),
        ("services", services),
        ("agreements", text("/agreements")),
    ];
    let mut screen: String = lines.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect();
    for warning in report.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        let line = format!("{:<12}{}", "warning", output::cell(Some(warning)));
        screen.push_str(&if colour { format!("\u{1b}[33m{line}\u{1b}[0m\n") } else { format!("{line}\n") });
    }
    screen
}
