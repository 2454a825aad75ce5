//! `get`, `query`, `create` and `delete`.

use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::resource::{TypeSpec, takes_idempotency_key};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{answer, events, show, wanted};
use crate::ClientError;
use crate::args::{CreateArgs, DeleteArgs, Format, GetArgs, QueryArgs};
use crate::assign;
use crate::attributes;
use crate::follow::joined;
use crate::output::{self, columns};
use crate::prompt::confirm;
use crate::remote::api_path;
use crate::session::Session;
use crate::terminal::{note, print, say};

pub(super) async fn get(session: &Session<'_>, args: &GetArgs) -> Result<(), ClientError> {
    let document = session.remote.get(&args.id, &[]).await?;
    show(&document, &args.shown, session)
}

pub(super) async fn query(session: &Session<'_>, args: &QueryArgs) -> Result<(), ClientError> {
    attributes::check_order(&args.order)?;
    attributes::unknown(args).iter().for_each(|about| note(about));
    if args.watch {
        return events::watch(session, args).await;
    }
    let shown = if args.select.is_empty() { columns(args.kind) } else { args.select.clone() };
    let found = find(session, args, wanted(args.shown.output, &args.select, &shown)).await?;
    let shown = match args.shown.output {
        Format::Csv if args.select.is_empty() => output::own_columns(&found.documents),
        _ => shown,
    };
    if found.documents.is_empty() && args.shown.output == Format::Table {
        note(&match session.remote.is_somebody() {
            true => format!("no {} that you may see", args.kind.name),
            false => {
                let (kind, url) = (args.kind.name, session.remote.url());
                format!("no {kind} is shown to those who are not signed in: sign in with `mf2c login {url}`")
            }
        });
        return Ok(());
    }
    print(&output::list(&found.documents, &shown, args.shown.output, session.terminal))?;
    if found.count > found.documents.len() as u64 && args.shown.output == Format::Table {
        note(&format!("{} of {}", found.documents.len(), found.count));
    }
    Ok(())
}

/// What a query found.
pub(super) struct Found {
    /// Those that were asked for.
    pub(super) documents: Vec<Value>,
    /// How many there are.
    pub(super) count: u64,
}

/// Asks for the resources that a query names.
pub(super) async fn find(
    session: &Session<'_>,
    args: &QueryArgs,
    select: Option<String>,
) -> Result<Found, ClientError> {
    let last = args.last.or_else(|| args.limit.map(|limit| args.first.unwrap_or(1).saturating_add(limit) - 1));
    let order = (!args.order.is_empty()).then(|| args.order.join(","));
    let parameters = [
        ("$filter", joined(&args.filter)),
        ("$orderby", order),
        ("$first", args.first.map(|first| first.to_string())),
        ("$last", last.map(|last| last.to_string())),
        ("$select", select),
    ];
    let given: Vec<(&str, &str)> =
        parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    pages(session, args.kind, &given, args.first.is_none() && last.is_none()).await
}

/// All resources of a type for which a filter holds.
pub(super) async fn all(
    session: &Session<'_>,
    kind: &TypeSpec,
    filter: Option<&str>,
    select: Option<&str>,
) -> Result<Vec<Value>, ClientError> {
    let given = [("$filter", filter), ("$select", select)];
    let given: Vec<(&str, &str)> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok(pages(session, kind, &given, true).await?.documents)
}

/// The pages of an answer: the first, or all.
async fn pages(
    session: &Session<'_>,
    kind: &TypeSpec,
    given: &[(&str, &str)],
    all: bool,
) -> Result<Found, ClientError> {
    let mut found = Found { documents: vec![], count: 0 };
    let mut after: Option<String> = None;
    loop {
        let cursor = after.as_deref().map(|after| ("$after", after));
        let page: Vec<(&str, &str)> = given.iter().copied().chain(cursor).collect();
        let mut answer = session.remote.get(kind.name, &page).await?;
        let count = answer.get("count").and_then(Value::as_u64);
        let documents = answer.get_mut(kind.tag).map(Value::take);
        let (Some(count), Some(Value::Array(documents))) = (count, documents) else {
            return Err(session.remote.no_agent("the answer is no collection"));
        };
        found.count = count;
        let is_last = documents.is_empty();
        found.documents.extend(documents);
        // An agent cuts long lists; who asked for all of them gets the rest too.
        after = answer.get("after").and_then(Value::as_str).map(str::to_owned).filter(|_| all && !is_last);
        if after.is_none() {
            return Ok(found);
        }
    }
}

pub(super) async fn create(session: &Session<'_>, args: &CreateArgs) -> Result<(), ClientError> {
    let mut document = match &args.file {
        Some(path) => assign::from_file(path)?,
        None => Map::new(),
    };
    for assignment in assign::assignments(&args.attributes, args.kind)? {
        assign::apply(&mut document, assignment)?;
    }
    if document.is_empty() {
        let message = "nothing was given to create: name a file with -f, or attributes as key=value";
        return Err(ClientError::Usage(message.to_owned()));
    }
    // Agents take a key only from those whom they know, and only where no secrets are exchanged.
    let keyed = session.remote.is_somebody() && takes_idempotency_key(args.kind);
    let key = keyed.then(|| uuid_v4(&*session.around.entropy));
    let answer = session.remote.add(args.kind.name, &Value::Object(document), key.as_deref()).await?;
    let Some(id) = answer.get("resource-id").and_then(Value::as_str) else {
        return Err(session.remote.no_agent("the answer names no new resource"));
    };
    let id = id.to_owned();
    answer::created(&id, answer, args.output, session)
}

pub(super) async fn delete(session: &Session<'_>, args: &DeleteArgs) -> Result<(), ClientError> {
    if !args.yes {
        if !session.terminal.person {
            return Err(ClientError::Usage("there is nobody to ask: add --yes to delete without asking".to_owned()));
        }
        let what = match args.ids.as_slice() {
            [one] => one.clone(),
            many => format!("{} resources ({})", many.len(), many.join(", ")),
        };
        if !confirm(&format!("Delete {what}?"))? {
            return Err(ClientError::Failed("nothing was deleted".to_owned()));
        }
    }
    let mut failed = None;
    for id in &args.ids {
        let request = session.remote.request(Method::DELETE, &api_path(id), &[]);
        match session.remote.json(request).await {
            Ok(_) => say(&format!("{id} deleted"))?,
            Err(error @ ClientError::Refused { .. }) if args.ids.len() > 1 => {
                // The others can still go; the first failure decides the exit code, and is told at the end.
                match &failed {
                    Some(_) => note(&error.to_string()),
                    None => failed = Some(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(()), Err)
}
