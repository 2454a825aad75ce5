//! `run`: launches a service, and shows how it comes up.

use std::net::IpAddr;

use mf2c_domain::entropy::uuid_v4;
use serde_json::{Map, Value, json};

use super::explain;
use super::named::{self, name_of, text};
use super::seen::{Part, Seen, is_settled};
use super::watching::{Look, Of, until};
use crate::ClientError;
use crate::args::{Format, RunArgs};
use crate::commands::show;
use crate::output::clean;
use crate::progress::Progress;
use crate::remote::Answer;
use crate::session::Session;
use crate::terminal::{beside, note, say};

pub(super) async fn run(session: &Session<'_>, args: &RunArgs) -> Result<(), ClientError> {
    let service = named::service(session, &args.service).await?;
    let body = body(session, &service, args).await?;
    let key = uuid_v4(&*session.around.entropy);
    let answer = session.remote.post("lm/service", &body, Some(&key)).await?;
    let launched = launched(session, answer)?;
    let id = match text(launched.get("service_instance").unwrap_or(&Value::Null), "id") {
        "" => text(&launched, "service_instance_id"),
        id => id,
    };
    if id.is_empty() {
        return Err(session.remote.no_agent("the answer names no instance"));
    }
    if text(&launched, "message").contains("forwarded to Leader") {
        note("too few devices fit here: the leader was asked");
    }
    let is_table = args.shown.output == Format::Table;
    if is_table {
        say(&clean(id))?;
    }
    let seen = match args.detach {
        true => None,
        false => Some(come_up(session, id, args).await?),
    };
    if !is_table {
        let document = match seen.as_ref().and_then(|seen| seen.instance.clone()) {
            Some(document) => document,
            None => launched.get("service_instance").cloned().unwrap_or_else(|| json!({"id": id})),
        };
        return show(&document, &args.shown, session);
    }
    seen.iter().flat_map(Seen::endpoints).try_for_each(|address| say(&address))
}

/// What is sent.
async fn body(session: &Session<'_>, service: &str, args: &RunArgs) -> Result<Value, ClientError> {
    let mut body = Map::from_iter([("service_id".to_owned(), service.into())]);
    body.extend(args.template.as_deref().map(|template| ("sla_template".to_owned(), template.into())));
    body.extend(args.name.as_deref().map(|name| ("name".to_owned(), name.into())));
    let mut devices = vec![];
    for said in &args.on {
        devices.push(match said.parse::<IpAddr>() {
            Ok(address) => json!({"agent_ip": address}),
            Err(_) => json!({"device_id": named::device(session, said).await?}),
        });
    }
    if !devices.is_empty() {
        body.insert("agents_list".to_owned(), devices.into());
    }
    Ok(Value::Object(body))
}

/// The answer to a launch. Where no device fits, a table tells why not, and the sentence need not do it again.
fn launched(session: &Session<'_>, answer: Answer) -> Result<Value, ClientError> {
    if answer.status == 409
        && let Ok(refusal) = serde_json::from_slice::<Value>(&answer.body)
        && let Some(explanation) = refusal.get("explanation")
        && explanation.get("devices").and_then(Value::as_array).is_some_and(|devices| !devices.is_empty())
    {
        explain::table(explanation, session.terminal).lines().for_each(beside);
        let message = explain::without_devices(text(&refusal, "message"));
        return Err(ClientError::Refused { status: 409, message, hint: String::new() });
    }
    Ok(session.remote.accepted(answer)?.0)
}

/// What has become of an instance that is waited for.
pub(super) enum Fate {
    /// All of it runs, or has done its work.
    Up,
    /// Some of it does not, and nothing more is under way.
    Down,
    /// It was removed.
    Gone,
}

impl Fate {
    /// Reads it; none while something is under way.
    pub(super) fn of(seen: &Seen) -> Option<Self> {
        if seen.gone {
            return Some(Self::Gone);
        }
        let parts = seen.parts();
        if parts.is_empty() {
            return (seen.status() == "error").then_some(Self::Down);
        }
        let is_up = |part: &Part<'_>| part.status == "started" || part.is_done();
        match parts.iter().all(|part| is_settled(part.status)) {
            true if parts.iter().all(is_up) => Some(Self::Up),
            true => Some(Self::Down),
            false => None,
        }
    }
}

impl Fate {
    /// What it means to whoever looks: one that is up has to stay so.
    pub(super) fn look(self, seen: &Seen) -> Look<(Self, Seen)> {
        let is_up = matches!(self, Self::Up);
        let found = (self, Seen { instance: seen.instance.clone(), ..Seen::default() });
        if is_up { Look::Steady(found) } else { Look::Done(found) }
    }
}

/// Waits until an instance is up.
async fn come_up(session: &Session<'_>, id: &str, args: &RunArgs) -> Result<Seen, ClientError> {
    let mut progress = Progress::begin();
    let fate = until(session, Of::Instance(id), args.wait, &mut progress, |seen, progress| {
        progress.show(&seen.lines());
        Fate::of(seen).map_or(Look::Wait, |fate| fate.look(seen))
    });
    let fate = fate.await;
    if matches!(fate, Err(ClientError::Interrupted)) {
        note(&format!("it goes on: `mf2c ps` shows it, `mf2c stop {}` stops it", clean(name_of(id))));
    }
    judged(id, fate?, args.wait)
}

/// What a fate means to whoever waits.
pub(super) fn judged(id: &str, fate: Result<(Fate, Seen), Seen>, wait: u64) -> Result<Seen, ClientError> {
    let id = clean(id);
    match fate {
        Ok((Fate::Up, seen)) => Ok(seen),
        Ok((Fate::Gone, _)) => Err(ClientError::Failed(format!("{id} was removed while it came up"))),
        Ok((Fate::Down, seen)) => {
            let detail = reasons(&seen);
            Err(ClientError::Failed(format!("{id} is {}{detail}; `mf2c logs {}`", clean(seen.status()), name_of(&id))))
        }
        Err(seen) => Err(ClientError::Failed(format!(
            "{id} is {} after {wait} s, and goes on: `mf2c ps` shows it, --wait allows more",
            clean(seen.status())
        ))),
    }
}

/// Why an instance is not up: its own reason, or those of its parts.
fn reasons(seen: &Seen) -> String {
    let own = seen.detail();
    let parts = seen.parts();
    let each = parts.iter().filter(|part| part.status != "started" && !part.detail().is_empty());
    let each: Vec<String> = each.map(|part| format!("[{}] {}", part.index, part.detail())).collect();
    match (own.is_empty(), each.is_empty()) {
        (true, true) => String::new(),
        (_, false) => format!(": {}", each.join("; ")),
        (false, true) => format!(": {own}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: &str, parts: Value) -> Seen {
        let mut seen = Seen::default();
        seen.take("created", "service-instance/1", &json!({"status": status, "agents": parts}));
        seen
    }

    fn part(status: &str, detail: &str) -> Value {
        json!({"url": "10.0.0.5", "status": status, "detail": detail})
    }

    fn told(seen: Seen) -> Option<String> {
        let fate = Fate::of(&seen)?;
        Some(
            judged("service-instance/1", Ok((fate, seen)), 5)
                .map_or_else(|error| error.to_string(), |_| "up".to_owned()),
        )
    }

    #[test]
    fn an_instance_is_waited_for_until_nothing_more_is_under_way() {
        let done = json!({"url": "a", "status": "stopped", "exit_code": 0});
        for (status, parts, expected) in [
            ("started", json!([part("started", "")]), Some("up")),
            ("started", json!([part("started", ""), done]), Some("up")),
            ("created-not-initialized", json!([]), None),
            ("error", json!([part("error", ""), part("deploying", "")]), None),
            ("degraded", json!([part("started", ""), part("degraded", "unhealthy")]), None),
            (
                "error",
                json!([part("error", "exited with 3")]),
                Some("service-instance/1 is error: [0] exited with 3; `mf2c logs 1`"),
            ),
            (
                "degraded",
                json!([part("started", ""), part("error", "no such image")]),
                Some("service-instance/1 is degraded: [1] no such image; `mf2c logs 1`"),
            ),
            ("stopped", json!([part("stopped", "")]), Some("service-instance/1 is stopped; `mf2c logs 1`")),
        ] {
            assert_eq!(told(seen(status, parts.clone())).as_deref(), expected, "{parts}");
        }
    }

    #[test]
    fn an_instance_that_found_no_room_tells_why_and_one_that_is_removed_is_told() {
        let mut none = seen("error", json!([]));
        none.instance.as_mut().unwrap()["detail"] = "no device fits".into();
        assert_eq!(told(none).as_deref(), Some("service-instance/1 is error: no device fits; `mf2c logs 1`"));
        let gone = Seen { gone: true, ..Seen::default() };
        assert_eq!(told(gone).as_deref(), Some("service-instance/1 was removed while it came up"));
    }

    #[test]
    fn what_takes_too_long_goes_on() {
        let error = judged("service-instance/1", Err(seen("deploying", json!([]))), 5).unwrap_err().to_string();
        assert_eq!(
            error,
            "service-instance/1 is deploying after 5 s, and goes on: `mf2c ps` shows it, --wait allows more"
        );
    }
}
