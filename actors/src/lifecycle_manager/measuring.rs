//! What is written about runs, for agreements: when containers ran (`service-container-metric`), and how long it took what ended by
//! itself (`service-operation-report`).

use actix::prelude::*;
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::{service_container_metric, service_operation_report};
use mf2c_domain::resource::{Draft, TypeSpec};
use mf2c_domain::time::Timestamp;
use mf2c_store::{NewDocument, StoreError};
use mf2c_workload::Handle;
use serde_json::{Map, Value, json};

use super::LifecycleManager;
use super::run::name_of;
use crate::resource_store::{AddResource, EditResource};

impl LifecycleManager {
    /// A container runs from now on.
    pub(super) fn metric_begins(&mut self, handle: &Handle, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        run.measured = true;
        let body = json!({
            "device_id": { "href": run.device },
            "container_id": handle.name(),
            "start_time": at.to_string(),
        });
        let (name, acl) = (metric_name(handle, at), run.acl.clone());
        self.add(&service_container_metric::SPEC, Some(name), body, acl, ctx);
    }

    /// It no longer does.
    pub(super) fn metric_ends(&mut self, handle: &Handle, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        let Some(started) = run.started.filter(|_| std::mem::take(&mut run.measured)) else { return };
        let Ok(id) = ResourceId::new("service-container-metric", &metric_name(handle, started)) else { return };
        let changes: Map<String, Value> = [("stop_time".to_owned(), Value::from(at.to_string()))].into_iter().collect();
        let edit = EditResource { id, changes, removed: vec![], if_match: None, by: Caller::agent() };
        let written = self.writer.send(edit);
        ctx.spawn(written.into_actor(self).map(|written, _, _| {
            // It is kept for a while only, and another agent's copy of the time of a start may differ.
            if let Ok(Err(error)) = written
                && !matches!(error, StoreError::NotFound { .. } | StoreError::Stopping)
            {
                tracing::warn!(%error, "the end of a run could not be stored");
            }
        }));
    }

    /// A workload has done what it was for.
    pub(super) fn report_run(&mut self, handle: &Handle, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(handle) else { return };
        let Some(started) = run.started else { return };
        let seconds = (at.nanos() - started.nanos()).max(0) as f64 / 1e9;
        let code = run.exit.and_then(|exit| exit.code).unwrap_or_default();
        let body = json!({
            "requesting_application_id": { "href": format!("service-instance/{}", handle.instance) },
            "operation_name": "run",
            "operation_id": format!("{}-{}", name_of(handle), started.millis()),
            "compute_node_id": run.device,
            "execution_length": seconds,
            "start_time": started.to_string(),
            "end_time": at.to_string(),
            "expected_end_time": at.to_string(),
            "result": format!("exit code {code}"),
        });
        let acl = run.acl.clone();
        self.add(&service_operation_report::SPEC, None, body, acl, ctx);
    }

    /// Adds a document that nobody waits for.
    fn add(&self, spec: &'static TypeSpec, name: Option<String>, body: Value, acl: Acl, ctx: &mut Context<Self>) {
        let new = match self.new_document(spec, name, body.as_object().cloned().unwrap_or_default(), acl) {
            Ok(new) => new,
            Err(error) => return tracing::error!(kind = spec.name, error, "a run cannot be described"),
        };
        let written = self.writer.send(AddResource(new));
        ctx.spawn(written.into_actor(self).map(|written, _, _| {
            if let Ok(Err(error)) = written
                && !matches!(error, StoreError::Conflict { .. } | StoreError::Stopping)
            {
                tracing::warn!(%error, "a run could not be written down");
            }
        }));
    }

    /// A document of this agent's own making.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new_document(
        &self,
        spec: &'static TypeSpec,
        name: Option<String>,
        attributes: Map<String, Value>,
        acl: Acl,
    ) -> Result<NewDocument, String> {
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        let draft = spec.prepare_add(attributes, now, entropy).map_err(|error| error.to_string())?;
        let draft = Draft { name: name.or(draft.name), acl: Some(acl), attributes: draft.attributes };
        NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
    }
}

/// A run is told by its container and its start.
fn metric_name(handle: &Handle, started: Timestamp) -> String {
    format!("{}-{}", name_of(handle), started.millis())
}
