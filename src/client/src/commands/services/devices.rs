//! `drain`, `cordon` and `uncordon`: keeping services off a device.

use reqwest::Method;
use serde_json::{Value, json};

use super::ask;
use super::named::{self, name_of, short, text};
use super::seen::Seen;
use super::watching::{Look, Of, until};
use crate::ClientError;
use crate::args::{DeviceArgs, DrainArgs};
use crate::output::{cell, clean};
use crate::progress::{Line, Progress};
use crate::session::Session;
use crate::terminal::say;

/// Tells the lifecycle manager what holds for a device.
async fn tell(session: &Session<'_>, device: &str, operation: &str) -> Result<(), ClientError> {
    let path = format!("devices/{}", name_of(device));
    ask(session, Method::PUT, &path, Some(json!({"operation": operation}))).await.map(drop)
}

pub(super) async fn schedule(session: &Session<'_>, args: &DeviceArgs, operation: &str) -> Result<(), ClientError> {
    let device = named::device(session, &args.device).await?;
    tell(session, &device, operation).await?;
    say(&match operation {
        "cordon" => format!("{} cordoned: nothing new is placed there", clean(&device)),
        _ => format!("{} open: services are placed there again", clean(&device)),
    })
}

pub(super) async fn drain(session: &Session<'_>, args: &DrainArgs) -> Result<(), ClientError> {
    let device = named::device(session, &args.device.device).await?;
    tell(session, &device, "drain").await?;
    let shown = clean(&device);
    if args.wait == 0 {
        return say(&format!("{shown} draining: nothing new is placed there, and what runs there moves away"));
    }
    let mut progress = Progress::begin();
    let empty = until(session, Of::Device(&device), args.wait, &mut progress, |seen, progress| {
        let left = remaining(seen);
        progress.show(&left);
        if left.is_empty() { Look::Done(()) } else { Look::Wait }
    });
    match empty.await? {
        Ok(()) => say(&format!("{shown} drained: nothing runs there")),
        Err(seen) => {
            let (left, wait) = (remaining(&seen).len(), args.wait);
            Err(ClientError::Failed(format!(
                "{left} still run on {shown} after {wait} s; it goes on draining, and --wait allows more"
            )))
        }
    }
}

/// What still runs on a device, a line each.
fn remaining(seen: &Seen) -> Vec<Line> {
    let runs = |workload: &&Value| !matches!(text(workload, "status"), "stopped" | "terminated" | "error");
    let line = |workload: &Value| {
        let id = text(workload, "instance");
        let instance = short(id, &[]);
        let service = workload.get("spec").map(|spec| text(spec, "name")).filter(|name| !name.is_empty());
        let service = clean(service.unwrap_or_else(|| name_of(text(workload, "service"))));
        let index = cell(workload.get("index"));
        let text = format!("  {service} {} [{index}]  {}", clean(instance), clean(text(workload, "status")));
        Line { about: format!("{id} {index}"), text, passing: String::new() }
    };
    seen.workloads.values().filter(runs).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_still_runs_is_told_with_its_service_and_instance() {
        let mut seen = Seen::default();
        let workload = |status: &str| {
            json!({"instance": "service-instance/5f0c2a91-1111", "service": "service/1", "index": 0, "status": status,
                   "spec": {"name": "web\u{7}"}})
        };
        seen.take("updated", "workload/1", &workload("stopping"));
        seen.take("updated", "workload/2", &workload("stopped"));
        let lines: Vec<String> = remaining(&seen).into_iter().map(|line| line.text).collect();
        assert_eq!(lines, ["  web\\u{7} 5f0c2a91 [0]  stopping"]);
    }
}
