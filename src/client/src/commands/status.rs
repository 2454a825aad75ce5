//! `status`: one screen about who I am, how the agent is doing, and what needs somebody's attention. What cannot be found out
//! is `unknown`, never a guess.

use mf2c_domain::time::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::account::{hide_roles, in_brackets, span};
use crate::ClientError;
use crate::args::{Format, ShownArgs};
use crate::output::{self, clean};
use crate::session::Session;
use crate::terminal::print;

/// A certificate that ends within this time is worth a warning, in days.
const SOON: i128 = 30;
/// Less free disk space than this is worth a warning, in bytes.
const LITTLE: f64 = 512.0 * 1_048_576.0;
/// The largest part of the metrics that is looked at.
const METRICS: usize = 4 << 20;

pub(super) async fn status(session: &Session<'_>, args: &ShownArgs) -> Result<(), ClientError> {
    // That the agent answers at all is the one thing that must be so.
    let entry_point = session.remote.get("cloud-entry-point", &[]).await?;
    let metrics = text(session, "metrics").await.and_then(|(status, text)| (status == 200).then_some(text));
    let metrics = metrics.as_deref();
    let mut warnings = vec![];
    let mut report = Map::new();
    let me = me(session, &mut warnings).await;
    settings(metrics, me.get("by").is_some(), &mut warnings);
    report.insert("me".to_owned(), me);
    report.insert("agent".to_owned(), agent(session, &entry_point, metrics, &mut warnings).await);
    report.insert("store".to_owned(), store(metrics, &mut warnings));
    report.insert("links".to_owned(), links(session.around.clock.now(), metrics, &mut warnings));
    report.insert("area".to_owned(), area(metrics, &mut warnings));
    report.insert("replication".to_owned(), super::streams::told(session.around.clock.now(), metrics, &mut warnings));
    report.insert("services".to_owned(), services(session).await);
    report.insert("agreements".to_owned(), count(session, "agreement").await);
    warnings.extend(trust(session));
    report.insert("warnings".to_owned(), warnings.iter().map(|warning| Value::from(warning.as_str())).collect());
    if args.output != Format::Json
        && let Some(me) = report.get_mut("me")
    {
        hide_roles(me);
    }
    let report = Value::Object(report);
    if args.output == Format::Table {
        return print(&screen(&report, session.terminal.colour));
    }
    print(&output::one(&report, args.output, session.terminal))
}

async fn me(session: &Session<'_>, warnings: &mut Vec<String>) -> Value {
    if let Some(who) = session.remote.identity() {
        return match session.remote.is_believed().await {
            Ok(true) => json!({"user": who, "by": "header"}),
            Ok(false) => {
                warnings.push(ClientError::NotBelieved { url: session.remote.url() }.to_string());
                json!({"user": null})
            }
            Err(_) => json!({"user": "unknown"}),
        };
    }
    match session.own().await {
        Ok(Some(own)) => {
            let text = |name: &str| own.get(name).cloned().unwrap_or(Value::Null);
            json!({"user": text("username"), "roles": text("roles"), "expires": text("expiry")})
        }
        Ok(None) if session.is_certified() => {
            let user = session.profile.as_ref().and_then(|profile| profile.user.clone());
            let end = session.certificate_ends().ok().flatten().map(|end| end.to_string());
            json!({"user": user, "expires": end})
        }
        Ok(None) | Err(ClientError::Refused { .. }) => {
            if session.remote.is_somebody() {
                warnings.push(ClientError::SessionOver { url: session.remote.url() }.to_string());
            }
            json!({"user": null})
        }
        Err(_) => json!({"user": "unknown"}),
    }
}

/// What an operator should not forget. The metrics tell it, to this machine and to administrators alone.
fn settings(metrics: Option<&str>, believed: bool, warnings: &mut Vec<String>) {
    let is = |name: &str| metrics.and_then(|metrics| metric(metrics, name)).map(|value| value > 0.5);
    let mut warn = |text: &str| warnings.push(text.to_owned());
    if believed || is("mf2c_auth_header_open") == Some(true) {
        warn(
            "development mode: every program on the agent's machine may say that it is an administrator; \
             run the agent without --dev where that matters",
        );
    }
    if is("mf2c_first_admin_without_password") == Some(true) {
        warn(
            "the user admin has no password: set one on the agent's machine with `mf2c user passwd admin --data-dir DIR`",
        );
    }
    if is("mf2c_mail_configured") == Some(false) {
        warn("no mail server is configured: the links of new accounts wait for an administrator in `mf2c query email`");
    }
}

async fn agent(session: &Session<'_>, entry_point: &Value, metrics: Option<&str>, warnings: &mut Vec<String>) -> Value {
    let said = |answer: &Option<(u16, String)>| match answer {
        Some((200, _)) => ("ok".to_owned(), None),
        Some((503, said)) => {
            // An older agent answers in plain text.
            let document: Option<Value> = serde_json::from_str(said).ok();
            let part = |name: &str| document.as_ref()?.get(name)?.as_str().map(clean);
            let line = clean(said.lines().next().unwrap_or_default());
            (part("status").unwrap_or_else(|| "degraded".to_owned()), Some(part("reason").unwrap_or(line)))
        }
        _ => ("unknown".to_owned(), None),
    };
    let (health, trouble) = said(&text(session, "healthz").await);
    let (ready, unready) = said(&text(session, "readyz").await);
    warnings.extend(trouble.or(unready));
    let document = first(session, "agent").await;
    let role = match document.as_ref().and_then(|agent| agent.get("isLeader")?.as_bool()) {
        Some(true) => "leader",
        Some(false) => "agent",
        None => "unknown",
    };
    let build = |name: &str| metrics.and_then(|metrics| label(metrics, "mf2c_build_info", name));
    let version = match build("version") {
        Some(version) => Some(version),
        // The metrics are for this machine and administrators alone.
        None => {
            let described = session.remote.json(session.remote.request(Method::GET, "openapi.json", &[])).await.ok();
            described.and_then(|(document, _)| document.pointer("/info/version")?.as_str().map(clean))
        }
    };
    let role = build("role").unwrap_or_else(|| role.to_owned());
    json!({
        "url": session.remote.url(), "baseURI": entry_point.get("baseURI"), "health": health, "ready": ready, "role": role,
        "version": version.unwrap_or_else(|| "unknown".to_owned()),
    })
}

/// How the agent stands to others. The metrics tell it.
fn links(now: Timestamp, metrics: Option<&str>, warnings: &mut Vec<String>) -> Value {
    let number = |name: &str| metrics.and_then(|metrics| metric(metrics, name));
    // Agents of before there were areas tell neither.
    let Some(open) = number("mf2c_links") else { return json!("unknown") };
    let Some(until) = number("mf2c_member_expiry_timestamp_seconds") else { return json!("no area joined") };
    let until = Timestamp::from_millis((until * 1000.0) as i64);
    if until <= now {
        warnings.push(format!(
            "the agent's certificate in its area ended {}: `mf2c ca show --data-dir DIR` on its machine says what to do",
            span(now, until)
        ));
    }
    json!({"open": open.round() as u64, "memberUntil": until.to_string()})
}

/// What the agent is in its area, and who leads. The metrics tell it.
fn area(metrics: Option<&str>, warnings: &mut Vec<String>) -> Value {
    let of = |name: &str| metrics.and_then(|metrics| label(metrics, "mf2c_area_role", name));
    let Some(role) = of("role").filter(|role| role != "alone") else { return Value::Null };
    let [mandate, leader] = ["mandate", "leader"].map(|name| of(name).filter(|value| !value.is_empty()));
    if leader.is_none() {
        warnings.push("nobody leads the area: `mf2c area --data-dir DIR` on the agent's machine says more".to_owned());
    }
    let degraded = metrics.and_then(|metrics| metric(metrics, "mf2c_area_degraded")).is_some_and(|value| value > 0.0);
    if degraded && leader.is_some() {
        let text = if role == "leader" {
            "the area is led without a majority: bring its backups or the agent above back"
        } else {
            "nobody leads the area with a majority, or its leader is not heard of"
        };
        warnings.push(format!("{text}; `mf2c area --data-dir DIR` on the agent's machine says more"));
    }
    let term = metrics.and_then(|metrics| metric(metrics, "mf2c_area_term")).map(|term| term.round() as u64);
    json!({"name": of("area"), "role": role, "mandate": mandate, "leader": leader, "term": term})
}

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A label of a metric.
fn label(metrics: &str, name: &str, label: &str) -> Option<String> {
    let labels = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{'))?;
    let value = labels.split_once(&format!("{label}=\""))?.1;
    value.split_once('"').map(|(value, _)| clean(value))
}

/// What the metrics tell of the store.
fn store(metrics: Option<&str>, warnings: &mut Vec<String>) -> Value {
    let Some(metrics) = metrics else { return json!("unknown") };
    let documents = metrics.lines().filter(|line| line.starts_with("mf2c_documents{"));
    let documents: f64 = documents.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    let free = metric(metrics, "mf2c_data_directory_free_bytes");
    if let Some(free) = free.filter(|free| *free < LITTLE) {
        warnings.push(format!("only {} MiB are free for the data directory", (free / 1_048_576.0).round()));
    }
    let number = |number: Option<f64>| number.map_or_else(|| json!("unknown"), |number| json!(number.round() as u64));
    json!({
        "documents": number(Some(documents)), "position": number(metric(metrics, "mf2c_store_position")),
        "bytes": number(metric(metrics, "mf2c_data_directory_bytes")), "free": number(free),
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

/// What is to be said of the agent's certificate.
fn trust(session: &Session<'_>) -> Vec<String> {
    let now = session.around.clock.now();
    let shown = session.remote.certificate();
    let held = shown.and_then(|shown| shown.not_before.zip(shown.not_after));
    let ending = held.filter(|(begin, end)| ends_soon(now, *begin, *end));
    let ending = ending.map(|(_, end)| format!("the agent's certificate ends {}", span(now, end)));
    let insecure = session.profile.as_ref().is_some_and(|profile| profile.insecure);
    let insecure =
        insecure.then(|| "the profile accepts every certificate: sign in again without --insecure".to_owned());
    ending.into_iter().chain(insecure).collect()
}

/// Within a month; within a quarter of its life, if that is less: those of an area live for a day and are renewed when a
/// third is left.
fn ends_soon(now: Timestamp, begin: Timestamp, end: Timestamp) -> bool {
    let quarter = (end.nanos() - begin.nanos()) / 4;
    end.nanos() - now.nanos() < quarter.min(SOON * 86_400 * 1_000_000_000)
}

/// The line about the agent's area, if it belongs to one.
fn stands(report: &Value) -> Option<String> {
    let text = |name: &str| output::cell(report.pointer(&format!("/area/{name}")));
    let (role, name, term) = (report.pointer("/area/role")?.as_str()?, text("name"), text("term"));
    let leader = report.pointer("/area/leader").and_then(Value::as_str);
    Some(match (role, leader) {
        ("leader", _) => format!("leads {name}, {} mandate, term {term}", text("mandate")),
        (role, Some(leader)) => format!("{role} in {name}, led by {}, term {term}", clean(leader)),
        (role, None) => format!("{role} in {name}, which nobody leads, term {term}"),
    })
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
            let roles = in_brackets(&text("/me/roles"));
            format!("{}{roles}, signed in until {}", text("/me/user"), text("/me/expires"))
        }
        Some(_) if known("/me/by") => format!("{}, as the command line says", text("/me/user")),
        Some(_) => text("/me/user"),
    };
    let agent = format!("{}, version {}, role {}", text("/agent/url"), text("/agent/version"), text("/agent/role"));
    let health = format!("{}, readiness {}", text("/agent/health"), text("/agent/ready"));
    let store = match report.pointer("/store/documents") {
        None => "unknown".to_owned(),
        Some(_) => {
            let mib = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).map(|bytes| bytes >> 20);
            let mib = |pointer: &str| mib(pointer).map_or_else(|| "unknown".to_owned(), |mib| format!("{mib} MiB"));
            let (documents, position) = (text("/store/documents"), text("/store/position"));
            format!(
                "{documents} documents, change {position}, {} on disk, {} free",
                mib("/store/bytes"),
                mib("/store/free")
            )
        }
    };
    let links = match report.pointer("/links/open") {
        Some(_) => format!("{} open, member of an area until {}", text("/links/open"), text("/links/memberUntil")),
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
    let streams = report.get("replication").and_then(super::streams::line).map(|line| ("replicas", line));
    let lines = lines.into_iter().chain(stands(report).map(|area| ("area", area))).chain(streams);
    let mut screen: String = lines.map(|(name, value)| format!("{name:<12}{value}\n")).collect();
    for warning in report.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        let line = format!("{:<12}{}", "warning", output::cell(Some(warning)));
        screen.push_str(&if colour { format!("\u{1b}[33m{line}\u{1b}[0m\n") } else { format!("{line}\n") });
    }
    screen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_by_their_whole_name() {
        let metrics = "# TYPE a gauge\na_total 5\na 7\nb{version=\"1.2\",role=\"leader\"} 1\nc NaN\n";
        assert_eq!(metric(metrics, "a"), Some(7.0));
        assert_eq!((metric(metrics, "b"), metric(metrics, "d")), (None, None));
        assert_eq!(label(metrics, "b", "role").as_deref(), Some("leader"));
        assert_eq!((label(metrics, "b", "other"), label(metrics, "a", "role")), (None, None));
    }

    #[test]
    fn an_operator_is_told_what_the_metrics_say_and_nothing_without_them() {
        let told = |metrics: Option<&str>, believed| {
            let mut warnings = vec![];
            settings(metrics, believed, &mut warnings);
            warnings.iter().map(|warning| warning.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let careless = "mf2c_auth_header_open 1\nmf2c_mail_configured 0\nmf2c_first_admin_without_password 1\n";
        assert_eq!(told(Some(careless), false), ["development mode:", "the user", "no mail"]);
        let careful = "mf2c_auth_header_open 0\nmf2c_mail_configured 1\nmf2c_first_admin_without_password 0\n";
        assert!(told(Some(careful), false).is_empty() && told(None, false).is_empty());
        assert_eq!(told(None, true), ["development mode:"]);
    }

    #[test]
    fn a_member_says_so_and_is_warned_of_its_end() {
        let told = |now: i64, metrics: Option<&str>| {
            let mut warnings = vec![];
            (links(Timestamp::from_millis(now), metrics, &mut warnings), warnings.len())
        };
        let member = Some("mf2c_links 2\nmf2c_member_expiry_timestamp_seconds 100\n");
        let shown = json!({"open": 2, "memberUntil": "1970-01-01T00:01:40.000Z"});
        assert_eq!(told(99_999, member), (shown.clone(), 0));
        assert_eq!(told(100_000, member), (shown.clone(), 1));
        let report = screen(&json!({"links": shown}), false);
        assert!(report.contains("links       2 open, member of an area until 1970-01-01T00:01:40.000Z\n"), "{report}");
        assert_eq!(told(0, Some("mf2c_links 0\n")), (json!("no area joined"), 0));
        assert_eq!((told(0, None).0, told(0, Some("x 1\n")).0), (json!("unknown"), json!("unknown")));
    }

    #[test]
    fn a_member_tells_what_it_is_and_who_leads() {
        let told = |labels: &str| {
            let mut warnings = vec![];
            let degraded = u8::from(labels.contains("degraded"));
            let metrics = format!(
                "mf2c_area_role{{area=\"pier\",{labels}}} 1\nmf2c_area_term 3\nmf2c_area_degraded {degraded}\n"
            );
            let shown = area(Some(&metrics), &mut warnings);
            let screen = screen(&json!({"area": shown}), false);
            let line = screen.lines().find_map(|line| line.strip_prefix("area        ")).map(str::to_owned);
            (line, warnings.len())
        };
        let line = |text: &str, warnings| (Some(text.to_owned()), warnings);
        let leads = "role=\"leader\",mandate=\"full\",leader=\"4f\"";
        assert_eq!(told(leads), line("leads pier, full mandate, term 3", 0));
        let alone = "role=\"leader\",mandate=\"degraded\",leader=\"4f\"";
        assert_eq!(told(alone), line("leads pier, degraded mandate, term 3", 1));
        let child = "role=\"agent\",mandate=\"none\",leader=\"4f\"";
        assert_eq!(told(child), line("agent in pier, led by 4f, term 3", 0));
        let orphan = "role=\"backup\",mandate=\"none\",leader=\"\"";
        assert_eq!(told(orphan), line("backup in pier, which nobody leads, term 3", 1));
        assert_eq!(told("role=\"alone\",mandate=\"none\",leader=\"\""), (None, 0));
    }

    #[test]
    fn a_certificate_ends_soon_a_month_before_or_with_the_last_quarter_of_a_short_life() {
        let day = |day: i64| Timestamp::from_millis(day * 86_400_000);
        let soon = |now, end| ends_soon(day(now), day(end - 825), day(end));
        assert!(soon(0, 29) && soon(1, 0) && !soon(0, 31));
        assert!(!ends_soon(day(17), day(0), day(24)) && ends_soon(day(19), day(0), day(24)));
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let unknown =
            json!({"me": {"user": null}, "agent": {"url": "https://x"}, "store": "unknown", "warnings": ["w"]});
        let expected = "\
me          nobody: sign in with `mf2c login`
agent       https://x, version unknown, role unknown
health      unknown, readiness unknown
store       unknown
links       unknown
services    unknown
agreements  unknown
warning     w
";
        assert_eq!(screen(&unknown, false), expected);
    }
}
