//! The volumes of datasets: kept and removed on the agent that they are on.

use actix::prelude::*;
use mf2c_workload::BackendKind;
use serde_json::Value;

use super::LifecycleManager;
use super::conduct::{ANSWER, read};
use super::launch::Answered;
use super::messages::{Tend, Tended, Trouble, WorkError};
use super::parcel::{Parcel, Reply, TendWish};

impl LifecycleManager {
    /// Has the agent of a device keep the volume of a dataset, or remove it.
    pub(super) fn tend(&mut self, ask: Tend, ctx: &mut Context<Self>) -> Answered<Tended> {
        let Tend { node, dataset, wanted } = ask;
        let asked = self.ask_node(&node, Parcel::Tend(TendWish { dataset, wanted }), ANSWER, ctx);
        Box::pin(asked.map(|reply, _, _| read(reply?)))
    }

    /// Does it on this agent.
    pub(super) fn tend_here(&self, wish: TendWish) -> ResponseActFuture<Self, Reply> {
        let backend = self.backends.get(&BackendKind::Docker).cloned();
        let owner = self.node_name.clone();
        let done = async move {
            let TendWish { dataset, wanted } = wish;
            let Some(backend) = backend else {
                let text = "this agent runs no containers: see `services.docker_socket` in its configuration";
                return Err(WorkError::new(Trouble::Unsupported, text));
            };
            let is_name =
                !dataset.is_empty() && dataset.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_name {
                return Err(WorkError::new(Trouble::Invalid, "a dataset has a name of letters, digits and -"));
            }
            let tended = if wanted {
                backend.keep_dataset(&owner, &dataset).await.map(|path| Tended { there: true, path })
            } else {
                let gone = backend.drop_dataset(&owner, &dataset).await;
                gone.map(|gone| Tended { there: !gone, path: String::new() })
            };
            let tended = tended.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
            Ok(serde_json::to_value(tended).unwrap_or(Value::Null))
        };
        Box::pin(done.into_actor(self))
    }
}
