//! What goes on inside an instance: programs beside it, what it uses, what has happened to it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::{Exec, Usage};
use serde_json::{Map, Value, json};

use super::refusal::LmError;
use super::{Answered, Call, done};
use crate::cimi::parts;

const KIND: &str = "service-instance";
/// The longest command: its words, and their bytes.
const MOST_WORDS: usize = 256;
const MOST_BYTES: usize = 64 << 10;
/// How long a program may take, in seconds, and how long it may take where nothing is said.
const LONGEST: u64 = 300;
const USUAL: u64 = 10;

impl Call<'_> {
    /// `POST /service-instances/{id}/exec`.
    pub(super) async fn exec(&self, name: &str, payload: Payload) -> Answered {
        let instance = self.known(KIND, name)?;
        let body = self.object(payload).await?;
        let (argv, limit, index) = (command(&body)?, limit(&body)?, index(&body)?);
        let by = self.exchange.caller.clone();
        let outcome = self.ask(Exec { instance, index, argv, limit, by }).await?;
        let answer = json!({ "code": outcome.code, "output": outcome.output, "cut": outcome.is_cut });
        Ok(HttpResponse::Ok().json(answer))
    }

    /// `GET /service-instances/{id}/usage`.
    pub(super) async fn usage(&self, name: &str) -> Answered {
        let instance = self.known(KIND, name)?;
        let usage = self.ask(Usage { instance, by: self.exchange.caller.clone() }).await?;
        Ok(done(
            "What the parts of the service instance use",
            &[("service_instance_id", name.into()), ("usage", usage)],
        ))
    }

    /// `GET /service-instances/{id}/events`: what has happened to all parts of an instance, the oldest first.
    pub(super) async fn events(&self, name: &str) -> Answered {
        let id = self.known(KIND, name)?;
        let filter = format!("instance={}", parts::quoted(id.as_str()));
        let workloads = parts::matching(self.exchange, "workload", Some(filter), None, u64::MAX).await?;
        let with = [("service_instance_id", name.into()), ("events", merged(&workloads).into())];
        Ok(done("What has happened to the service instance", &with))
    }
}

/// The events of several parts in one list; each tells whose it is.
fn merged(workloads: &[Map<String, Value>]) -> Vec<Value> {
    let mut events = vec![];
    for workload in workloads {
        let own = workload.get("events").and_then(Value::as_array);
        for event in own.into_iter().flatten() {
            let mut event = event.clone();
            for name in ["index", "generation", "device_id"] {
                event[name] = workload.get(name).cloned().unwrap_or_default();
            }
            event["workload"] = workload.get("id").cloned().unwrap_or_default();
            events.push(event);
        }
    }
    let time = |event: &Value| event["time"].as_str().unwrap_or_default().to_owned();
    events.sort_by_cached_key(time);
    events
}

fn command(body: &Map<String, Value>) -> Result<Vec<String>, LmError> {
    let expected = "expected a list of a program and its arguments, such as [\"ls\", \"-l\"]; no shell reads it";
    let words = match body.get("command") {
        Some(Value::Array(words)) if !words.is_empty() => words,
        _ => return Err(LmError::bad(format!("`command` is no command: {expected}"))),
    };
    let texts: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
    let texts = texts.ok_or_else(|| LmError::bad(format!("`command` holds more than texts: {expected}")))?;
    if texts.iter().any(|text| text.contains('\0')) || texts.first().is_some_and(String::is_empty) {
        return Err(LmError::bad(format!("`command` names no program, or holds a NUL character: {expected}")));
    }
    if texts.len() > MOST_WORDS || texts.iter().map(String::len).sum::<usize>() > MOST_BYTES {
        let text =
            format!("`command` is too long: at most {MOST_WORDS} words of {MOST_BYTES} bytes in all are accepted");
        return Err(LmError::bad(text));
    }
    Ok(texts)
}

fn limit(body: &Map<String, Value>) -> Result<Duration, LmError> {
    let seconds = match body.get("timeout") {
        None | Some(Value::Null) => Some(USUAL),
        Some(value) => value.as_u64().filter(|seconds| (1..=LONGEST).contains(seconds)),
    };
    let wrong = || LmError::bad(format!("`timeout` is out of range: expected whole seconds from 1 to {LONGEST}"));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

fn index(body: &Map<String, Value>) -> Result<Option<u32>, LmError> {
    match body.get("index") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let index = value.as_u64().and_then(|index| u32::try_from(index).ok());
            index.map(Some).ok_or_else(|| LmError::bad("`index` is no index: expected a whole number from 0"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_command_is_a_bounded_list_of_texts() {
        let read = |words: Value| command(&body(json!({ "command": words })));
        assert_eq!(read(json!(["ls", ""])).unwrap(), ["ls", ""]);
        let long = vec!["a"; MOST_WORDS + 1];
        for bad in
            [json!("ls"), json!([]), json!([""]), json!([1]), json!(["a\0"]), json!(["x".repeat(65_537)]), json!(long)]
        {
            assert_eq!(read(bad).unwrap_err().status().as_u16(), 400);
        }
    }

    #[test]
    fn times_and_indexes_have_bounds() {
        let read = |value: Value| limit(&body(json!({ "timeout": value }))).map(|limit| limit.as_secs()).ok();
        let found = [json!(null), json!(1), json!(300), json!(0), json!(301), json!("5")].map(read);
        assert_eq!(found, [Some(10), Some(1), Some(300), None, None, None]);
        assert_eq!(index(&body(json!({ "index": 3 }))).unwrap(), Some(3));
        assert!(index(&body(json!({ "index": -1 }))).is_err() && index(&body(json!({}))).unwrap().is_none());
    }

    #[test]
    fn the_events_of_all_parts_come_in_the_order_of_their_times() {
        let part = |index: u32, times: [&str; 2]| {
            let events: Vec<Value> = times.iter().map(|time| json!({ "time": time, "code": "c" })).collect();
            body(json!({ "id": format!("workload/w{index}"), "index": index, "events": events }))
        };
        let all = merged(&[part(0, ["2026-01-01", "2026-01-03"]), part(1, ["2026-01-02", "2026-01-04"]), Map::new()]);
        let order: Vec<&Value> = all.iter().map(|event| &event["index"]).collect();
        assert_eq!(order, [0, 1, 0, 1]);
        assert_eq!(all[1]["workload"], "workload/w1");
    }
}
