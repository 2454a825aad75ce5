//! Creates many resources with one request. Each is accepted or refused on its own and answered in order.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use futures_util::{StreamExt as _, stream};
use mf2c_domain::resource::TypeSpec;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Exchange;
use super::body::{malformed, object};
use super::collection::{created_message, oddity, store_new};
use crate::error::{ApiError, message};

/// The most resources in one request.
const MAX_ITEMS: usize = 10_000;
/// How many of them wait for the writer at a time.
const AT_ONCE: usize = 256;

/// A JSON list: 200 with a message document that holds one for each item, in `results`.
pub(super) async fn add_list(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    bytes: &[u8],
) -> Result<HttpResponse, ApiError> {
    let items: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(|error| malformed(bytes, &error))?;
    let items = items.into_iter().map(|item| item.get().as_bytes());
    let results = add_all(exchange, spec, items.collect()).await?;
    let created = results.iter().filter(|result| result.get("status") == Some(&201.into())).count();
    let text = format!("{created} of {} created", results.len());
    let mut answer = message(StatusCode::OK, &text, None);
    answer.insert("results".to_owned(), results.into_iter().map(Value::Object).collect());
    Ok(HttpResponse::Ok().json(answer))
}

/// One document a line: 200 with one message document for each, which names its line. Empty lines are passed over.
pub(super) async fn add_lines(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    bytes: &[u8],
) -> Result<HttpResponse, ApiError> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1u64..);
    let lines = lines.filter(|(line, _)| !line.iter().all(u8::is_ascii_whitespace));
    let (lines, numbers): (Vec<_>, Vec<_>) = lines.unzip();
    let mut out = String::new();
    for (mut result, number) in add_all(exchange, spec, lines).await?.into_iter().zip(numbers) {
        result.insert("line".to_owned(), number.into());
        out.push_str(&Value::Object(result).to_string());
        out.push('\n');
    }
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").body(out))
}

/// Items are parsed only when their turn comes: parsed trees take many times the room of their text.
async fn add_all(
    exchange: &Exchange<'_>,
    spec: &'static TypeSpec,
    items: Vec<&[u8]>,
) -> Result<Vec<Map<String, Value>>, ApiError> {
    if items.len() > MAX_ITEMS {
        let text = format!("{} resources are too many: at most {MAX_ITEMS} are accepted in one request", items.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let added = stream::iter(items).map(|item| async move {
        let outcome = match object(item) {
            Ok(body) => {
                let odd = oddity(exchange, spec, &body);
                store_new(exchange, spec, body).await.map(|id| (id, odd))
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok((id, odd)) => created_message(&id, odd),
            Err(error) => error.document(),
        }
    });
    Ok(added.buffered(AT_ONCE).collect().await)
}
