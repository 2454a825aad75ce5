//! `user add`, `list`, `activate`, `suspend` and `passwd`.

use mf2c_domain::resource::types::people;
use reqwest::Method;
use serde_json::{Value, json};

use super::{certificates, keys, wanted};
use crate::ClientError;
use crate::args::{ConnectionArgs, KeyCommand, NewUserArgs, PasswordArgs, ShownArgs, UserCommand};
use crate::output::{self, clean, columns};
use crate::prompt::{Secret, ask_new_secret, ask_secret, change_from_stdin, secret_from_stdin};
use crate::session::Session;
use crate::terminal::{Terminal, print, say};

/// The flag by which scripts send passwords.
const FLAG: &str = "--password-stdin";
/// The template that makes accounts without a mail; agents let only administrators use it.
const DIRECT: &str = "user-template/direct";

/// Which agent a command is for.
pub(super) fn connection(command: &UserCommand) -> &ConnectionArgs {
    match command {
        UserCommand::Add(args) => &args.connection,
        UserCommand::List(args) | UserCommand::Key(KeyCommand::List(args)) => &args.connection,
        UserCommand::Activate(args) | UserCommand::Suspend(args) => &args.plain.connection,
        UserCommand::Passwd(args) => &args.connection,
        UserCommand::Cert(args) => &args.connection,
        UserCommand::Key(KeyCommand::Add(args)) => &args.shown.connection,
        UserCommand::Key(KeyCommand::Revoke(args)) => &args.connection,
    }
}

pub(super) async fn run(session: &Session<'_>, command: &UserCommand) -> Result<(), ClientError> {
    session.need_somebody()?;
    match command {
        UserCommand::Add(args) => add(session, args).await,
        UserCommand::List(args) => list(session, args).await,
        UserCommand::Activate(args) => set_state(session, &args.name, "ACTIVE").await,
        UserCommand::Suspend(args) => set_state(session, &args.name, "SUSPENDED").await,
        UserCommand::Passwd(args) => passwd(session, args).await,
        UserCommand::Cert(args) => certificates::cert(session, args).await,
        UserCommand::Key(command) => keys::run(session, command).await,
    }
}

/// A new password: a line of standard input, or asked for twice.
pub(crate) fn new_password(terminal: Terminal, from_stdin: bool) -> Result<Secret, ClientError> {
    if from_stdin { secret_from_stdin(FLAG) } else { ask_new_secret(terminal, FLAG) }
}

async fn add(session: &Session<'_>, args: &NewUserArgs) -> Result<(), ClientError> {
    let password = new_password(session.terminal, args.password_stdin)?;
    // By the direct template, which only administrators may use: no mail, active at once.
    let body = json!({"userTemplate": {
        "href": DIRECT, "username": args.name, "emailAddress": args.email, "state": "ACTIVE",
        "password": password.reveal(), "isSuperUser": args.admin,
    }});
    let answered = session.remote.write(Method::POST, "user", &body).await;
    let (answer, _) = answered.map_err(|error| match error {
        ClientError::Refused { status: 400, message, .. } if message.contains(DIRECT) => {
            let message = "only administrators add users".to_owned();
            ClientError::Refused { status: 403, message, hint: ": you are signed in as somebody else".to_owned() }
        }
        other => other,
    })?;
    let id = answer.get("resource-id").and_then(Value::as_str);
    let id = id.map_or_else(|| format!("user/{}", args.name), clean);
    say(&format!("{id} added"))
}

async fn list(session: &Session<'_>, args: &ShownArgs) -> Result<(), ClientError> {
    list_of(session, &people::user::SPEC, args).await
}

/// Lists all members of a type by id.
pub(super) async fn list_of(
    session: &Session<'_>,
    spec: &mf2c_domain::resource::TypeSpec,
    args: &ShownArgs,
) -> Result<(), ClientError> {
    let columns = columns(spec);
    let select = wanted(args.output, &[], &columns);
    let query = select.as_deref().map(|select| ("$select", select));
    let parameters: Vec<(&str, &str)> = query.into_iter().chain([("$orderby", "id")]).collect();
    let mut answer = session.remote.get(spec.name, &parameters).await?;
    match answer.get_mut(spec.tag).map(Value::take) {
        Some(Value::Array(documents)) => print(&output::list(&documents, &columns, args.output, session.terminal)),
        _ => Err(session.remote.no_agent("the answer is no collection")),
    }
}

async fn set_state(session: &Session<'_>, name: &str, state: &str) -> Result<(), ClientError> {
    session.remote.write(Method::PUT, &format!("user/{name}"), &json!({"state": state})).await?;
    say(&format!("user/{name} is {state}"))
}

/// One's own password needs the present one; somebody else's the right to edit the user.
async fn passwd(session: &Session<'_>, args: &PasswordArgs) -> Result<(), ClientError> {
    let own = session.own().await?.and_then(|own| Some(own.get("username")?.as_str()?.to_owned()));
    let (name, is_own) = match (&args.name, own) {
        (None, Some(own)) => (own, true),
        (None, None) => {
            let message = "nobody is signed in whose password it could be: name the user";
            return Err(ClientError::Usage(message.to_owned()));
        }
        (Some(name), own) => (name.clone(), own.as_ref() == Some(name)),
    };
    if is_own {
        let (present, new) = if args.password_stdin {
            change_from_stdin(FLAG)?
        } else {
            let present = ask_secret(session.terminal, "Present password: ", FLAG)?;
            (present, ask_new_secret(session.terminal, FLAG)?)
        };
        let body = json!({"current-password": present.reveal(), "new-password": new.reveal()});
        let changed = session.remote.write(Method::POST, &format!("user/{name}/change-password"), &body).await;
        changed.map_err(|error| match error {
            ClientError::Refused { status: status @ 403, message, .. } => {
                ClientError::Refused { status, message, hint: ": nothing was changed".to_owned() }
            }
            other => other,
        })?;
    } else {
        let new = new_password(session.terminal, args.password_stdin)?;
        session.remote.write(Method::PUT, &format!("user/{name}"), &json!({"password": new.reveal()})).await?;
    }
    say(&format!("the password of {} is changed", clean(&name)))
}
