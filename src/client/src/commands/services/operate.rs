//! `stop`, `start`, `restart`, `update` and `rm`: what is asked of an instance, and what comes of it.

use reqwest::Method;
use serde_json::{Value, json};

use super::ask;
use super::named::{self, name_of, text};
use super::run::{Fate, judged};
use super::seen::{Seen, is_settled};
use super::watching::{Of, until};
use crate::ClientError;
use crate::args::InstanceArgs;
use crate::output::{cell, clean};
use crate::progress::{Line, Progress};
use crate::session::Session;
use crate::terminal::{note, say};

/// Asks for an operation; the instance as it is then.
async fn operate(session: &Session<'_>, id: &str, operation: &str) -> Result<Value, ClientError> {
    let path = format!("service-instances/{}", name_of(id));
    let mut answer = ask(session, Method::PUT, &path, Some(json!({"operation": operation}))).await?;
    Ok(answer.get_mut("service_instance").map(Value::take).unwrap_or_default())
}

/// Says that something was begun, for those who do not wait.
fn begun(id: &str, instance: &Value, usual: &str) -> Result<(), ClientError> {
    let status = Some(text(instance, "status")).filter(|status| !status.is_empty()).unwrap_or(usual);
    say(&format!("{} {}", clean(id), clean(status)))
}

/// What takes too long.
fn too_late(id: &str, seen: &Seen, wait: u64) -> ClientError {
    let (id, status) = (clean(id), clean(seen.status()));
    ClientError::Failed(format!("{id} is {status} after {wait} s, and goes on: `mf2c ps --all` shows it"))
}

pub(super) async fn stop(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let instance = operate(session, &id, "stop").await?;
    if args.detach {
        return begun(&id, &instance, "stopping");
    }
    let mut progress = Progress::begin();
    let done = until(session, Of::Instance(&id), args.wait, &mut progress, |seen, progress| {
        progress.show(&seen.lines());
        (seen.gone || is_stopped(seen)).then_some(seen.gone)
    });
    match done.await? {
        Ok(gone) => say(&format!("{} {}", clean(&id), if gone { "is gone" } else { "stopped" })),
        Err(seen) => Err(too_late(&id, &seen, args.wait)),
    }
}

/// Whether nothing of an instance runs any more, as it should.
fn is_stopped(seen: &Seen) -> bool {
    let desired = seen.instance.as_ref().map(|instance| text(instance, "desired")).unwrap_or_default();
    let still = |status: &str| !matches!(status, "stopped" | "Stopped" | "terminated" | "error" | "not-deployed");
    desired != "running" && !still(seen.status()) && seen.parts().iter().all(|part| !still(part.status))
}

pub(super) async fn start(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let before = Of::Instance(&id).read(session).await?;
    let is_up = matches!(Fate::of(&before), Some(Fate::Up)) && seen_started(&before);
    let instance = operate(session, &id, "start").await?;
    if args.detach || is_up {
        return begun(&id, &instance, "starting");
    }
    up_again(session, &id, args, &Lives::of(&before), false).await
}

fn seen_started(seen: &Seen) -> bool {
    seen.parts().iter().all(|part| part.status == "started")
}

pub(super) async fn restart(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let before = Of::Instance(&id).read(session).await?;
    let instance = operate(session, &id, "restart").await?;
    if args.detach {
        return begun(&id, &instance, "restarting");
    }
    up_again(session, &id, args, &Lives::of(&before), true).await
}

/// What tells that a part was started anew, or that something has happened to it.
#[derive(Debug, PartialEq)]
struct Lives(Vec<Life>);

#[derive(Debug, PartialEq)]
struct Life {
    status: String,
    /// When it was started last, and which placing and attempt that was; nothing where nobody tells.
    began: Option<(String, Option<u64>)>,
}

impl Lives {
    fn of(seen: &Seen) -> Self {
        let life = |part: &super::seen::Part<'_>| Life {
            status: part.status.to_owned(),
            began: part
                .workload
                .map(|it| (text(it, "started").to_owned(), it.get("generation").and_then(Value::as_u64))),
        };
        Self(seen.parts().iter().map(life).collect())
    }

    /// Whether each part has begun anew since then, as far as anybody tells.
    fn all_anew(&self, before: &Self) -> bool {
        self.0.len() != before.0.len()
            || self.0.iter().zip(&before.0).all(|(now, then)| now.began.is_none() || now.began != then.began)
    }
}

/// Waits until an instance is up that was something else before, `anew` where all of it must have been started since.
async fn up_again(
    session: &Session<'_>,
    id: &str,
    args: &InstanceArgs,
    before: &Lives,
    anew: bool,
) -> Result<(), ClientError> {
    let mut progress = Progress::begin();
    let fate = until(session, Of::Instance(id), args.wait, &mut progress, |seen, progress| {
        progress.show(&seen.lines());
        let now = Lives::of(seen);
        let counts = match Fate::of(seen)? {
            Fate::Gone => true,
            // What it was before it was asked for says nothing about what comes of it.
            _ if anew => now.all_anew(before),
            _ => now != *before,
        };
        counts
            .then(|| Fate::of(seen).map(|fate| (fate, Seen { instance: seen.instance.clone(), ..Seen::default() })))?
    });
    let seen = judged(id, fate.await?, args.wait)?;
    say(&format!("{} {}", clean(id), clean(seen.status())))?;
    seen.endpoints().iter().try_for_each(|address| say(address))
}

pub(super) async fn update(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let instance = operate(session, &id, "update").await?;
    if args.detach {
        return begun(&id, &instance, "updating");
    }
    let mut progress = Progress::begin();
    let end = until(session, Of::Instance(&id), args.wait, &mut progress, |seen, progress| {
        progress.show(&steps(seen));
        End::of(seen)
    });
    let shown = clean(&id);
    match end.await? {
        Ok(End::Done(version)) => say(&format!("{shown} runs version {version}")),
        Ok(End::Back(trouble)) => {
            Err(ClientError::Failed(format!("the new version was not well, and the old one came back: {trouble}")))
        }
        Ok(End::Gone) => Err(ClientError::Failed(format!("{shown} was removed while it was updated"))),
        Err(seen) => Err(too_late(&id, &seen, args.wait)),
    }
}

/// How an update ended.
#[derive(Debug, PartialEq)]
enum End {
    /// All agents run this version.
    Done(String),
    /// The last version that was well runs again, for this reason.
    Back(String),
    /// The instance was removed.
    Gone,
}

impl End {
    fn of(seen: &Seen) -> Option<Self> {
        if seen.gone {
            return Some(Self::Gone);
        }
        let instance = seen.instance.as_ref()?;
        let update = instance.get("update").filter(|update| update.is_object());
        let trouble = update.map(|update| text(update, "trouble")).unwrap_or_default();
        let at_rest = seen.parts().iter().all(|part| is_settled(part.status));
        match (trouble, update) {
            ("", None) if at_rest => Some(Self::Done(cell(instance.get("version")))),
            ("", _) => None,
            (trouble, _) => at_rest.then(|| Self::Back(clean(trouble))),
        }
    }
}

/// What is told of an update under way: how far it is, and each part with its version.
fn steps(seen: &Seen) -> Vec<Line> {
    let mut lines = seen.lines();
    for (line, part) in lines.iter_mut().zip(seen.parts()) {
        if let Some(version) = part.agent.get("version").and_then(Value::as_u64) {
            line.text = format!("{}, version {version}", line.text);
        }
    }
    let update = seen.instance.as_ref().and_then(|instance| instance.get("update")).filter(|it| it.is_object());
    if let Some(update) = update {
        let count = |name: &str| update.get(name).and_then(Value::as_u64).unwrap_or(0);
        let text = format!("  version {}: {} of {} agents", count("to"), count("done"), seen.parts().len());
        lines.insert(0, Line { about: "update".to_owned(), text, passing: String::new() });
    }
    lines
}

pub(super) async fn rm(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let shown = clean(&id);
    let path = format!("service-instances/{}", name_of(&id));
    match ask(session, Method::DELETE, &path, None).await {
        Ok(_) if args.detach => return say(&format!("{shown} terminating")),
        Ok(_) => {}
        Err(ClientError::Refused { status: 404 | 410, .. }) => {
            note(&format!("{shown} is not there, or not any more"));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    let mut progress = Progress::begin();
    let gone = until(session, Of::Instance(&id), args.wait, &mut progress, |seen, progress| {
        if !seen.gone {
            progress.show(&seen.lines());
        }
        seen.gone.then_some(())
    });
    match gone.await? {
        Ok(()) => say(&format!("{shown} removed")),
        Err(seen) => Err(too_late(&id, &seen, args.wait)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "service-instance/1";

    fn seen(instance: Value) -> Seen {
        let mut seen = Seen::default();
        seen.take("created", ID, &instance);
        seen
    }

    #[test]
    fn an_instance_is_stopped_when_none_of_its_parts_runs_and_none_should() {
        let of = |desired: &str, status: &str, part: &str| {
            seen(json!({"desired": desired, "status": status, "agents": [{"status": part}]}))
        };
        assert!(is_stopped(&of("stopped", "stopped", "stopped")));
        assert!(is_stopped(&of("stopped", "error", "error")));
        assert!(!is_stopped(&of("running", "error", "error")));
        assert!(!is_stopped(&of("stopped", "stopping", "stopping")));
        assert!(!is_stopped(&of("stopped", "error-stopping", "error-stopping")));
    }

    #[test]
    fn a_restart_is_over_when_each_part_was_started_since() {
        let at = |status: &str, started: &str| {
            let mut seen = seen(json!({"status": status, "agents": [{"status": status, "index": 0}]}));
            let workload = json!({"index": 0, "generation": 1, "started": started});
            seen.take("updated", "workload/1", &workload);
            Lives::of(&seen)
        };
        let before = at("started", "10:00");
        assert!(!at("started", "10:00").all_anew(&before) && !at("stopping", "10:00").all_anew(&before));
        assert!(at("started", "10:01").all_anew(&before));
        assert!(at("stopping", "10:00") != before);
    }

    #[test]
    fn an_update_ends_with_the_new_version_or_with_the_old_one_and_why() {
        let of = |version: u64, update: Value, status: &str| {
            let agents = json!([{"status": status, "index": 0, "url": "a", "version": version}]);
            seen(json!({"version": version, "update": update, "status": status, "agents": agents}))
        };
        assert_eq!(End::of(&of(2, Value::Null, "started")), Some(End::Done("2".to_owned())));
        let under_way = of(1, json!({"to": 2, "done": 0}), "started");
        assert_eq!(End::of(&under_way), None);
        let told: Vec<String> = steps(&under_way).into_iter().map(|line| line.text).collect();
        assert_eq!(told, ["  version 2: 0 of 1 agents", "  [0] a  started, version 1"]);
        let back = json!({"to": 2, "done": 0, "trouble": "unhealthy\u{1b}"});
        assert_eq!(End::of(&of(1, back.clone(), "stopping")), None);
        assert_eq!(End::of(&of(1, back, "started")), Some(End::Back("unhealthy\\u{1b}".to_owned())));
    }
}
