//! `action`: does what a resource offers besides being changed and deleted.

use mf2c_domain::resource;
use reqwest::Method;
use serde_json::{Map, Value};

use super::answer;
use crate::ClientError;
use crate::args::ActionArgs;
use crate::assign;
use crate::output::clean;
use crate::session::Session;

pub(super) async fn action(session: &Session<'_>, args: &ActionArgs) -> Result<(), ClientError> {
    if args.action == "change-password" {
        let message = "passwords do not belong on a command line: change it with `mf2c user passwd`";
        return Err(ClientError::Usage(message.to_owned()));
    }
    let mut body = Map::new();
    for assignment in assign::free(&args.values)? {
        assign::apply(&mut body, assignment)?;
    }
    let path = path(session, args).await?;
    let (answer, _) = session.remote.write(Method::POST, &path, &Value::Object(body)).await?;
    answer::acted(&args.id, answer, args.shown.output, session)
}

/// Where the action is. Who may not read a resource may still know of what it offers, as with the link in a mail.
async fn path(session: &Session<'_>, args: &ActionArgs) -> Result<String, ClientError> {
    let document = match session.remote.get(&args.id, &[]).await {
        Ok(document) => document,
        Err(refused @ ClientError::Refused { status: 401 | 403, .. }) => {
            let spec = args.id.split('/').next().and_then(resource::find);
            let mut known = spec.into_iter().flat_map(|spec| spec.actions);
            return match known.find(|known| known.name == args.action) {
                Some(known) => Ok(format!("{}/{}", args.id, known.name)),
                None => Err(refused),
            };
        }
        Err(error) => return Err(error),
    };
    let offered = offered(&document, &args.id);
    match offered.iter().find(|(rel, name)| [*rel, *name, last(rel)].contains(&args.action.as_str())) {
        Some((_, name)) => Ok(format!("{}/{name}", args.id)),
        None => {
            let names: Vec<String> = offered.iter().map(|(_, name)| format!("`{}`", clean(name))).collect();
            let expected = if names.is_empty() { "it offers you none".to_owned() } else { names.join(", ") };
            let message = format!("{} has no action `{}` for you; actions: {expected}", args.id, clean(&args.action));
            Err(ClientError::Usage(message))
        }
    }
}

/// The actions of a document: the relation of each, and its name below the document.
fn offered<'a>(document: &'a Value, id: &str) -> Vec<(&'a str, &'a str)> {
    let operations = document.get("operations").and_then(Value::as_array).into_iter().flatten();
    let pairs = operations.filter_map(|it| Some((it.get("rel")?.as_str()?, it.get("href")?.as_str()?)));
    // Editing and deleting have the resource's own address.
    pairs.filter_map(|(rel, href)| Some((rel, href.strip_prefix(id)?.strip_prefix('/')?))).collect()
}

fn last(rel: &str) -> &str {
    rel.rsplit('/').next().unwrap_or(rel)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_stands_below_the_address_of_its_resource() {
        let document = json!({"operations": [
            {"rel": "edit", "href": "email/1"}, {"rel": "http://x/action/validate", "href": "email/1/validate"},
            {"rel": "odd", "href": "user/jane/odd"}, {"rel": 1},
        ]});
        assert_eq!(offered(&document, "email/1"), [("http://x/action/validate", "validate")]);
        assert_eq!(last("http://x/action/validate"), "validate");
    }
}
