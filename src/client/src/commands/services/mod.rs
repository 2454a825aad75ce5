//! The commands about services that run: `service`, `run`, `ps`, `logs`, `exec`, `stop`, `start`, `restart`, `update`, `rm`,
//! `explain`, `drain`, `cordon` and `uncordon`.

mod devices;
mod document;
mod exec;
mod explain;
mod logs;
mod named;
mod operate;
mod ps;
mod register;
mod run;
mod seen;
mod watching;

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::Value;

use crate::ClientError;
use crate::args::{ConnectionArgs, ServiceCommand, WorkCommand};
use crate::remote::path_below;
use crate::session::Session;

/// Which agent a command is for.
pub(super) fn connection(command: &WorkCommand) -> &ConnectionArgs {
    match command {
        WorkCommand::Service(ServiceCommand::Register(args)) => &args.connection,
        WorkCommand::Service(ServiceCommand::List(args)) => &args.connection,
        WorkCommand::Run(args) => &args.shown.connection,
        WorkCommand::Ps(args) => &args.shown.connection,
        WorkCommand::Logs(args) => &args.shown.connection,
        WorkCommand::Exec(args) => &args.connection,
        WorkCommand::Stop(args)
        | WorkCommand::Start(args)
        | WorkCommand::Restart(args)
        | WorkCommand::Update(args)
        | WorkCommand::Rm(args) => &args.connection,
        WorkCommand::Explain(args) => &args.shown.connection,
        WorkCommand::Drain(args) => &args.device.connection,
        WorkCommand::Cordon(args) | WorkCommand::Uncordon(args) => &args.connection,
    }
}

/// How long an agent may work on what a command asks for before it answers.
pub(super) fn lasts(command: &WorkCommand) -> Duration {
    match command {
        WorkCommand::Exec(args) => Duration::from_secs(args.limit),
        _ => Duration::ZERO,
    }
}

pub(super) async fn run(session: &Session<'_>, command: &WorkCommand) -> Result<(), ClientError> {
    session.need_somebody()?;
    match command {
        WorkCommand::Service(ServiceCommand::Register(args)) => register::register(session, args).await,
        WorkCommand::Service(ServiceCommand::List(args)) => register::list(session, args).await,
        WorkCommand::Run(args) => run::run(session, args).await,
        WorkCommand::Ps(args) => ps::ps(session, args).await,
        WorkCommand::Logs(args) => logs::logs(session, args).await,
        WorkCommand::Exec(args) => exec::exec(session, args).await,
        WorkCommand::Stop(args) => operate::stop(session, args).await,
        WorkCommand::Start(args) => operate::start(session, args).await,
        WorkCommand::Restart(args) => operate::restart(session, args).await,
        WorkCommand::Update(args) => operate::update(session, args).await,
        WorkCommand::Rm(args) => operate::rm(session, args).await,
        WorkCommand::Explain(args) => explain::explain(session, args).await,
        WorkCommand::Drain(args) => devices::drain(session, args).await,
        WorkCommand::Cordon(args) => devices::schedule(session, args, "cordon").await,
        WorkCommand::Uncordon(args) => devices::schedule(session, args, "uncordon").await,
    }
}

/// Asks the lifecycle manager; what it answers.
async fn ask(session: &Session<'_>, method: Method, path: &str, body: Option<Value>) -> Result<Value, ClientError> {
    let mut request = session.remote.request(method, &path_below("lm", path), &[]);
    if let Some(body) = body {
        request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
    }
    Ok(session.remote.json(request).await?.0)
}
