//! Beginning.

use actix::prelude::*;
use mf2c_workload::ExecOutcome;
use serde_json::{Map, Value};

use super::*;

impl Actor for LifecycleManager {
    type Context = Context<Self>;
}

macro_rules! later {
    ($($message:ty => $answer:ty),*) => {$(
        impl Handler<$message> for LifecycleManager {
            type Result = ResponseActFuture<Self, Result<$answer, WorkError>>;
            fn handle(&mut self, _: $message, _: &mut Context<Self>) -> Self::Result {
                Box::pin(actix::fut::ready(Err(WorkError::stopping())))
            }
        }
    )*};
}

later!(Launch => Launched, Explain => Value, Operate => Map<String, Value>, ReadLogs => Lines, Exec => ExecOutcome, Usage => Value,
    Schedule => Map<String, Value>, CheckPolicy => Value, Backends => Value, StartJob => String);
