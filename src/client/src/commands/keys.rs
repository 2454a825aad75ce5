//! `user key add`, `list` and `revoke`.

use mf2c_domain::resource::types::people;
use reqwest::Method;
use serde_json::{Value, json};

use super::show;
use super::users::list_of;
use crate::ClientError;
use crate::args::{Format, KeyCommand, NewKeyArgs};
use crate::output::clean;
use crate::remote::api_path;
use crate::session::Session;
use crate::terminal::{note, say};

pub(super) async fn run(session: &Session<'_>, command: &KeyCommand) -> Result<(), ClientError> {
    match command {
        KeyCommand::Add(args) => add(session, args).await,
        KeyCommand::List(args) => list_of(session, &people::credential::SPEC, args).await,
        KeyCommand::Revoke(args) => {
            for id in &args.ids {
                session.remote.json(session.remote.request(Method::DELETE, &api_path(id), &[])).await?;
                say(&format!("{id} revoked"))?;
            }
            Ok(())
        }
    }
}

/// The secret goes to standard output, where it can be piped into a safe place.
async fn add(session: &Session<'_>, args: &NewKeyArgs) -> Result<(), ClientError> {
    let mut body = json!({"credentialTemplate": {
        "href": "credential-template/generate-api-key", "ttl": args.ttl.unwrap_or(0),
    }});
    if let (Some(name), Some(members)) = (&args.name, body.as_object_mut()) {
        members.insert("name".to_owned(), name.as_str().into());
    }
    let (answer, _) = session.remote.write(Method::POST, "credential", &body).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(clean);
    let (Some(id), Some(secret)) = (text("resource-id"), text("secretKey")) else {
        return Err(session.remote.no_agent("the answer names no key and secret"));
    };
    if args.shown.output == Format::Table {
        note("the secret is shown this once: keep it");
        return say(&format!("MF2C_API_KEY={id}\nMF2C_API_SECRET={secret}"));
    }
    show(&json!({"id": id, "secretKey": secret}), &args.shown, session)
}
