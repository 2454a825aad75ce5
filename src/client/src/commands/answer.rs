//! What an agent's answer to `create` and `action` holds, and where it goes: what is shown this once is never thrown away.

use serde_json::{Map, Value};

use crate::ClientError;
use crate::args::Format;
use crate::output::{self, clean};
use crate::session::Session;
use crate::terminal::{beside, note, print, say};

/// What answers hold that is shown only once.
const ONCE: [&str; 2] = ["secret", "secretKey"];

/// Shows what was created: for people the id alone, for `id=$(mf2c create …)`, and secrets beside it.
pub(super) fn created(id: &str, answer: Value, format: Format, session: &Session<'_>) -> Result<(), ClientError> {
    let told = told(id, answer);
    if format != Format::Table {
        return print(&output::one(&Value::Object(told), format, session.terminal));
    }
    keep(&told);
    say(&clean(id))
}

/// Shows what an action gave: the document that it answers, or what it says.
pub(super) fn acted(id: &str, answer: Value, format: Format, session: &Session<'_>) -> Result<(), ClientError> {
    let message = answer.get("message").and_then(Value::as_str).map(clean);
    let is_message = message.is_some() && answer.get("status").is_some_and(Value::is_number);
    if !is_message {
        return print(&output::one(&answer, format, session.terminal));
    }
    let told = told(id, answer);
    if format != Format::Table {
        return print(&output::one(&Value::Object(told), format, session.terminal));
    }
    match keep(&told) {
        true => say(&clean(id)),
        false => say(&message.unwrap_or_default()),
    }
}

/// All of an answer besides how it went, with the id under the name that documents have it.
fn told(id: &str, answer: Value) -> Map<String, Value> {
    let mut told = Map::from_iter([("id".to_owned(), id.into())]);
    let Value::Object(members) = answer else { return told };
    told.extend(members.into_iter().filter(|(name, _)| !["message", "status", "resource-id"].contains(&name.as_str())));
    told
}

/// Tells the secrets of an answer beside the output; whether there are any.
fn keep(told: &Map<String, Value>) -> bool {
    let secrets: Vec<_> = ONCE.iter().filter_map(|name| Some((name, told.get(*name)?.as_str()?))).collect();
    for (name, secret) in &secrets {
        beside(&format!("{name}: {}", clean(secret)));
    }
    if !secrets.is_empty() {
        note("shown only now: keep it");
    }
    !secrets.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_of_an_answer_is_told_besides_how_it_went() {
        let answer = json!({"status": 201, "message": "created", "resource-id": "webhook/1", "secret": "s", "more": 1});
        assert_eq!(Value::Object(told("webhook/1", answer)), json!({"id": "webhook/1", "secret": "s", "more": 1}));
    }
}
