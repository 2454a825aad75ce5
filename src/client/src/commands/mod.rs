//! What each command does.

mod account;
mod action;
mod answer;
mod certificates;
pub(crate) mod documents;
mod edit;
mod events;
mod keys;
mod login;
mod resources;
mod services;
mod status;
mod streams;
mod users;

use serde_json::Value;

pub(crate) use account::span;
pub(crate) use users::new_password;

use crate::args::{ClientCommand, ConnectionArgs, Format, ShownArgs};
use crate::complete;
use crate::session::Session;
use crate::terminal::{print, say};
use crate::{ClientError, Surroundings, output};

/// Does what a command says.
pub(crate) async fn run(command: ClientCommand, around: &Surroundings) -> Result<(), ClientError> {
    let connection = match &command {
        ClientCommand::Login(args) => return login::login(args, around).await,
        ClientCommand::Completions(args) => return print(complete::script(args.shell)),
        ClientCommand::Complete(args) => return complete(&args.words, around),
        command => connection(command),
    };
    let Some(connection) = connection else { return Ok(()) };
    let mut session = Session::open(connection, around).await?;
    if let ClientCommand::Work(command) = &command {
        session.remote.expect(services::lasts(command));
    }
    let outcome = match &command {
        // These have something to say about a session that is over.
        ClientCommand::Logout(_) | ClientCommand::Whoami(_) | ClientCommand::Status(_) => Ok(()),
        _ => session.need_live().await,
    };
    let outcome = match outcome {
        Ok(()) => in_session(command, &session).await,
        over => over,
    };
    session.close().await;
    outcome
}

fn complete(words: &[String], around: &Surroundings) -> Result<(), ClientError> {
    complete::candidates(&(around.program)(), words).iter().try_for_each(|candidate| say(candidate))
}

/// Which agent a command is for.
fn connection(command: &ClientCommand) -> Option<&ConnectionArgs> {
    Some(match command {
        ClientCommand::Logout(args) => &args.connection,
        ClientCommand::Whoami(args) | ClientCommand::Status(args) => &args.connection,
        ClientCommand::Get(args) => &args.shown.connection,
        ClientCommand::Query(args) => &args.shown.connection,
        ClientCommand::Create(args) => &args.connection,
        ClientCommand::Edit(args) => &args.connection,
        ClientCommand::Action(args) => &args.shown.connection,
        ClientCommand::Delete(args) => &args.connection,
        ClientCommand::Events(args) => &args.shown.connection,
        ClientCommand::User(command) => users::connection(command),
        ClientCommand::Work(command) => services::connection(command),
        ClientCommand::Login(_) | ClientCommand::Completions(_) | ClientCommand::Complete(_) => return None,
    })
}

async fn in_session(command: ClientCommand, session: &Session<'_>) -> Result<(), ClientError> {
    match command {
        ClientCommand::Logout(_) => account::logout(session).await,
        ClientCommand::Whoami(args) => account::whoami(session, &args).await,
        ClientCommand::Get(args) => resources::get(session, &args).await,
        ClientCommand::Query(args) => resources::query(session, &args).await,
        ClientCommand::Create(args) => resources::create(session, &args).await,
        ClientCommand::Edit(args) => edit::edit(session, &args).await,
        ClientCommand::Action(args) => action::action(session, &args).await,
        ClientCommand::Delete(args) => resources::delete(session, &args).await,
        ClientCommand::Events(args) => events::events(session, &args).await,
        ClientCommand::User(command) => users::run(session, &command).await,
        ClientCommand::Work(command) => services::run(session, &command).await,
        ClientCommand::Status(args) => status::status(session, &args).await,
        ClientCommand::Login(_) | ClientCommand::Completions(_) | ClientCommand::Complete(_) => Ok(()),
    }
}

/// Shows one document.
fn show(document: &Value, args: &ShownArgs, session: &Session<'_>) -> Result<(), ClientError> {
    print(&output::one(document, args.output, session.terminal))
}

/// What is asked of agents for a table: its columns, and nothing that it would not show.
fn wanted(format: Format, selected: &[String], columns: &[String]) -> Option<String> {
    match format {
        _ if !selected.is_empty() => Some(selected.join(",")),
        Format::Table => {
            Some(columns.iter().map(|column| column.split('/').next().unwrap_or(column)).collect::<Vec<_>>().join(","))
        }
        _ => None,
    }
}
