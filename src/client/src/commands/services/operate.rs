//! `stop`, `start`, `restart`, `update` and `rm`: what is asked of an instance, and what comes of it.

use reqwest::Method;
use serde_json::{Value, json};

use super::ask;
use super::named::{self, name_of, text};
use super::run::{Fate, judged};
use super::seen::{Seen, is_settled};
use super::watching::{Lives, Look, Of, until};
use crate::ClientError;
use crate::args::InstanceArgs;
use crate::output::clean;
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
        if seen.gone || is_stopped(seen) { Look::Done(seen.gone) } else { Look::Wait }
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
    let instance = operate(session, &id, "start").await?;
    let should_run = before.instance.as_ref().is_some_and(|instance| text(instance, "desired") == "running");
    match Fate::of(&before) {
        // It has what it is told again, and nothing more comes of that.
        Some(Fate::Down) if should_run => {
            note(&format!("it should run already; `mf2c restart {}` starts it anew", clean(name_of(&id))));
            judged(&id, Ok((Fate::Down, before)), args.wait).map(drop)
        }
        Some(Fate::Up) if should_run => begun(&id, &instance, "started"),
        _ if args.detach => begun(&id, &instance, "starting"),
        _ => up_again(session, &id, args, &Lives::of(&before), false).await,
    }
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
        let Some(fate) = Fate::of(seen) else { return Look::Wait };
        let now = Lives::of(seen);
        // What it was before it was asked for says nothing about what comes of it.
        let counts = seen.gone || if anew { now.all_anew(before) } else { now != *before };
        if counts { fate.look(seen) } else { Look::Wait }
    });
    let seen = judged(id, fate.await?, args.wait)?;
    say(&format!("{} {}", clean(id), clean(seen.status())))?;
    seen.endpoints().iter().try_for_each(|address| say(address))
}

pub(super) async fn update(session: &Session<'_>, args: &InstanceArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let before = version(&session.remote.get(&id, &[]).await?);
    let instance = operate(session, &id, "update").await?;
    if args.detach {
        return begun(&id, &instance, "updating");
    }
    let mut progress = Progress::begin();
    let end = until(session, Of::Instance(&id), args.wait, &mut progress, |seen, progress| {
        progress.show(&steps(seen));
        End::of(seen, before).map_or(Look::Wait, Look::Done)
    });
    let shown = clean(&id);
    match end.await? {
        Ok(End::Done) => say(&format!("{shown} updated")),
        Ok(End::Back(trouble)) => {
            Err(ClientError::Failed(format!("{trouble}; the version before it came back on {shown}")))
        }
        Ok(End::Failed(trouble)) => Err(ClientError::Failed(format!("{trouble}; {shown} stays as it is"))),
        Ok(End::Gone) => Err(ClientError::Failed(format!("{shown} was removed while it was updated"))),
        Err(seen) => Err(too_late(&id, &seen, args.wait)),
    }
}

/// The version of its service that an instance runs.
fn version(instance: &Value) -> u64 {
    instance.get("version").and_then(Value::as_u64).unwrap_or(0)
}

/// How an update ended.
#[derive(Debug, PartialEq)]
enum End {
    /// All agents run the new version.
    Done,
    /// The last version that was well runs again, for this reason.
    Back(String),
    /// It has failed for this reason, and nothing came back.
    Failed(String),
    /// The instance was removed.
    Gone,
}

impl End {
    /// Reads it; none while the update of what had this version before is under way.
    fn of(seen: &Seen, before: u64) -> Option<Self> {
        if seen.gone {
            return Some(Self::Gone);
        }
        let instance = seen.instance.as_ref()?;
        let is_begun = version(instance) > before;
        let at_rest = seen.parts().iter().all(|part| is_settled(part.status));
        let update = instance.get("update").filter(|update| update.is_object());
        let trouble = update.map(|update| text(update, "trouble")).unwrap_or_default();
        match (trouble, update) {
            _ if !is_begun => None,
            ("", None) => at_rest.then_some(Self::Done),
            ("", _) => None,
            // What comes back is a version of its own.
            (trouble, _) if version(instance) > before + 1 => at_rest.then(|| Self::Back(clean(trouble))),
            (trouble, _) => Some(Self::Failed(clean(trouble))),
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
        if seen.gone { Look::Done(()) } else { Look::Wait }
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
    fn an_update_ends_with_the_new_version_or_with_the_old_one_and_why() {
        let of = |version: u64, update: Value, status: &str| {
            let agents = json!([{"status": status, "index": 0, "url": "a", "version": version}]);
            seen(json!({"version": version, "update": update, "status": status, "agents": agents}))
        };
        assert_eq!(End::of(&of(1, Value::Null, "started"), 1), None);
        assert_eq!(End::of(&of(2, Value::Null, "started"), 1), Some(End::Done));
        let under_way = of(2, json!({"to": 2, "done": 0}), "started");
        assert_eq!(End::of(&under_way, 1), None);
        let told: Vec<String> = steps(&under_way).into_iter().map(|line| line.text).collect();
        assert_eq!(told, ["  version 2: 0 of 1 agents", "  [0] a  started, version 2"]);
        let back = json!({"to": 3, "done": 0, "trouble": "version 2 failed: unhealthy\u{1b}"});
        assert_eq!(End::of(&of(3, back.clone(), "deploying"), 1), None);
        let why = "version 2 failed: unhealthy\\u{1b}".to_owned();
        assert_eq!(End::of(&of(3, back.clone(), "started"), 1), Some(End::Back(why.clone())));
        assert_eq!(End::of(&of(2, back.clone(), "error"), 1), Some(End::Failed(why)));
        assert_eq!(End::of(&of(3, back, "started"), 3), None);
    }
}
