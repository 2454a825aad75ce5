//! Jobs of COMPSs: an instance's first agent that runs is told to start one, with the others as its resources (`spec/lifecycle.md`
//! A.9).

use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use super::LifecycleManager;
use super::messages::{StartJob, Trouble, WorkError};

/// What every job names.
const ASKED: [&str; 5] = ["ceiClass", "className", "hasResult", "methodName", "parameters"];

impl LifecycleManager {
    pub(super) fn start_job(&mut self, ask: StartJob) -> ResponseActFuture<Self, Result<String, WorkError>> {
        let refuse =
            |error| -> ResponseActFuture<Self, Result<String, WorkError>> { Box::pin(actix::fut::ready(Err(error))) };
        let StartJob { instance, job, by } = ask;
        let workers = match self.workers(&instance, &by) {
            Ok(workers) => workers,
            Err(error) => return refuse(error),
        };
        let Some((host, port, _)) = workers.first() else {
            return refuse(WorkError::new(Trouble::Conflict, format!("{instance}: no agent of it has started")));
        };
        if let Some(missing) = ASKED.iter().find(|name| !job.contains_key(**name)) {
            return refuse(WorkError::new(Trouble::Invalid, format!("parameter not found: {missing}")));
        }
        let url = format!("http://{host}:{port}/COMPSs/startApplication");
        let put = Arc::clone(&self.fetcher).put_xml(&url, xml(&instance, &job, &workers));
        Box::pin(put.into_actor(self).map(move |answer, manager, ctx| {
            let name = answer.map_err(|why| WorkError::new(Trouble::Failed, format!("{url}: {why}")))?;
            let name = name.trim().to_owned();
            manager.note_job(&instance, &name, ctx);
            Ok(name)
        }))
    }

    /// The document names the last job.
    fn note_job(&mut self, instance: &ResourceId, job: &str, ctx: &mut Context<Self>) {
        let Some(document) = self.store.get(instance.as_str()) else { return };
        let body = self.store.body(&document).ok().flatten();
        let body = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok());
        let Some(mut agents) = body.and_then(|mut body| body.remove("agents")) else { return };
        if let Some(first) = agents.as_array_mut().and_then(|agents| agents.first_mut()) {
            first["compss_app_id"] = job.into();
        }
        let changes = [("agents".to_owned(), agents)].into_iter().collect();
        let written = self.write_anywhere(document.id.clone(), document.origin(), Some(changes));
        ctx.spawn(written.into_actor(self).map(|_, _, _| ()));
    }
}

fn xml(instance: &ResourceId, job: &Map<String, Value>, workers: &[(String, u16, String)]) -> String {
    let text = |name: &str| match job.get(name) {
        Some(Value::String(text)) => escaped(text),
        Some(other) => escaped(&other.to_string()),
        None => String::new(),
    };
    let resources: String = workers
        .iter()
        .map(|(host, port, _)| {
            format!(
                "<externalResource><name>{}</name><description><memorySize>4.0</memorySize></description>\
                 <adaptor>es.bsc.compss.agent.rest.master.Adaptor</adaptor>\
                 <resourceConf><Property><Name>Port</Name><Value>{port}</Value></Property></resourceConf></externalResource>",
                escaped(host)
            )
        })
        .collect();
    // Parameters are a fragment of XML already.
    let parameters = job.get("parameters").and_then(Value::as_str).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><startApplication><ceiClass>{}</ceiClass><className>{}</className>\
         <hasResult>{}</hasResult><methodName>{}</methodName><parameters>{parameters}</parameters>\
         <resources>{resources}</resources><serviceInstanceId>{}</serviceInstanceId></startApplication>",
        text("ceiClass"),
        text("className"),
        text("hasResult"),
        text("methodName"),
        escaped(instance.as_str()),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
