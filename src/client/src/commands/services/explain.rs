//! `explain`: each device with its score, or with what is in the way.

use reqwest::Method;
use serde_json::{Value, json};

use super::named::{name_of, short, text};
use super::{ask, named};
use crate::ClientError;
use crate::args::{ExplainArgs, Format};
use crate::output::{self, cell, clean};
use crate::session::Session;
use crate::terminal::{Terminal, note, print};

/// What a table shows.
const COLUMNS: [&str; 4] = ["device", "verdict", "score", "why"];

pub(super) async fn explain(session: &Session<'_>, args: &ExplainArgs) -> Result<(), ClientError> {
    let service = named::service(session, &args.service).await?;
    let answer = ask(session, Method::GET, &format!("explain/{}", name_of(&service)), None).await?;
    // The door may wrap it as it does everything else.
    let explanation = answer.get("explanation").unwrap_or(&answer);
    if !explanation.get("devices").is_some_and(Value::is_array) {
        return Err(session.remote.no_agent("the answer explains nothing"));
    }
    match args.shown.output {
        Format::Table => print(&table(explanation, session.terminal))?,
        Format::Csv => {
            let columns = COLUMNS.map(str::to_owned);
            print(&output::list(&rows(explanation, false), &columns, Format::Csv, session.terminal))?;
        }
        format => print(&output::one(explanation, format, session.terminal))?,
    }
    if let Some(shortage) = explanation.get("shortage").and_then(Value::as_str) {
        note(&without_devices(shortage));
    }
    Ok(())
}

/// How many devices are wanted and fit, without what the table says of each.
pub(super) fn without_devices(shortage: &str) -> String {
    clean(shortage.split_once(": ").map_or(shortage, |(counts, _)| counts))
}

/// The table of an explanation.
pub(super) fn table(explanation: &Value, terminal: Terminal) -> String {
    output::list(&rows(explanation, true), &COLUMNS.map(str::to_owned), Format::Table, terminal)
}

/// A row for each device; for people its id is as short as it can be.
fn rows(explanation: &Value, is_short: bool) -> Vec<Value> {
    let devices: Vec<&Value> = explanation.get("devices").and_then(Value::as_array).into_iter().flatten().collect();
    let ids: Vec<&str> = devices.iter().map(|device| text(device, "device")).collect();
    let row = |device: &&Value| {
        let id = text(device, "device");
        let is = |name: &str| device.get(name).and_then(Value::as_bool).unwrap_or(false);
        let verdict = match (is("chosen"), is("accepted")) {
            (true, _) => "chosen",
            (false, true) => "fits",
            _ => "no",
        };
        let id = if is_short { short(id, &ids) } else { id };
        json!({"device": id, "verdict": verdict, "score": device.get("score"), "why": why(device)})
    };
    devices.iter().map(row).collect()
}

/// What a score is made of, or what is in the way.
fn why(device: &Value) -> String {
    let items = |name: &str| device.get(name).and_then(Value::as_array).into_iter().flatten();
    let terms = items("terms").map(|term| format!("{} {}", text(term, "name"), cell(term.get("value"))));
    let reasons = items("reasons").map(|reason| match text(reason, "sentence") {
        "" => text(reason, "code").to_owned(),
        sentence => sentence.to_owned(),
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { terms.collect::<Vec<_>>().join(", ") } else { reasons.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_its_verdict_with_terms_or_reasons_and_nothing_that_a_terminal_obeys() {
        let explanation = json!({"devices": [
            {"device": "device/5f0c2a91-1", "accepted": true, "chosen": true, "score": 0.731,
             "terms": [{"name": "cpu", "value": 0.9}, {"name": "spread", "value": -0.25}], "reasons": []},
            {"device": "device/5f0c2a92-2", "accepted": true, "chosen": false, "score": 0.5, "terms": []},
            {"device": "device/77fe0000-3", "accepted": false, "chosen": false, "terms": [], "reasons": [
                {"code": "memory_min", "sentence": "256 MiB of memory are there, 512 are wanted\u{7}"}, {"code": "os"}]},
        ]});
        let terminal = Terminal { width: None, person: false, colour: false };
        let expected = "\
DEVICE    VERDICT  SCORE  WHY
5f0c2a91  chosen   0.73   cpu 0.9, spread -0.25
5f0c2a92  fits     0.5    -
77fe0000  no       -      256 MiB of memory are there, 512 are wanted\\u{7}; os
";
        assert_eq!(table(&explanation, terminal), expected);
        assert_eq!(rows(&explanation, false)[2]["device"], "device/77fe0000-3");
    }
}
