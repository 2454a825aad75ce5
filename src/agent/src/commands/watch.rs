//! `mf2c area --watch`: the same again each second. At a terminal the screen is drawn anew; in a pipe there is a line for each
//! change.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_client::args::Format;
use mf2c_client::{Live, Surroundings};
use mf2c_domain::time::Timestamp;
use serde_json::{Value, json};

use super::Failure;
use super::area::ask;
use super::fog::{called, head, lag, page, text, troubles};
use crate::cli::{AreaArgs, exit};
use crate::control::wire::Request;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Who is behind for less is not told of as behind: changes are always on their way.
const BEHIND: u64 = 2000;

/// Shows the area until somebody has seen enough.
pub(super) fn area(args: &AreaArgs, around: &Surroundings) -> Result<(), Failure> {
    // What is wrong from the start is said where it can be read.
    let mut seen = Ok(ask(&args.place, Request::ShowAgents, "")?);
    let live = Live::begin();
    let draws = live.draws() && args.output == Format::Table;
    let mut before = Told::new();
    loop {
        let now = around.clock.now();
        if draws {
            live.draw(&drawn(&seen, args.wide, now, around))?;
        } else {
            let told = tell(&seen);
            for (what, line) in told.iter().filter(|(what, line)| before.get(*what) != Some(*line)) {
                mf2c_client::write(&printed(what, line, now, args.output))?;
            }
            for what in before.keys().filter(|what| what.as_str() != ANSWERS && !told.contains_key(*what)) {
                // Who does not answer tells of nobody.
                if seen.is_ok() {
                    mf2c_client::write(&printed(what, &json!({ "change": "gone" }), now, args.output))?;
                }
            }
            if seen.is_ok() {
                before = told;
            } else {
                before.extend(told);
            }
        }
        if live.wait(EVERY) {
            break;
        }
        seen = ask(&args.place, Request::ShowAgents, "");
        if let Err(failure) = &seen
            && failure.code == exit::USAGE
        {
            break;
        }
    }
    drop(live);
    if draws && let Ok(shown) = &seen {
        // What was seen last stays.
        mf2c_client::write(&page(shown, args.wide, around))?;
    }
    seen.map(|_| ())
}

/// The screen.
fn drawn(seen: &Result<Value, Failure>, wide: bool, now: Timestamp, around: &Surroundings) -> String {
    let clock = now.to_string();
    let clock = clock.get(11..19).unwrap_or_default();
    match seen {
        Ok(shown) => {
            let mut screen = page(shown, wide, around);
            for line in troubles(shown) {
                screen.push_str(&format!("\n{line}"));
            }
            format!("{screen}\n\n{clock} UTC, q ends\n")
        }
        Err(failure) => format!("{failure}\n\nlooking again each second\n\n{clock} UTC, q ends\n"),
    }
}

/// What a line tells, in this order.
const WORDS: [&str; 9] = ["failure", "stands", "change", "agent", "role", "status", "toPeer", "fromPeer", "trouble"];

/// What is told of each agent, by its SPIFFE ID or address; of the area under an empty word.
type Told = BTreeMap<String, Value>;

/// Whether the agent answers.
const ANSWERS: &str = "";

fn tell(seen: &Result<Value, Failure>) -> Told {
    let shown = match seen {
        Err(failure) => return Told::from([(ANSWERS.to_owned(), json!({ "failure": failure.to_string() }))]),
        Ok(shown) => shown,
    };
    let above: Vec<String> =
        head(shown).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let mut told = Told::from([(ANSWERS.to_owned(), json!({ "stands": above.join(", ") }))]);
    for agent in shown["agents"].as_array().into_iter().flatten() {
        let mut line = json!({ "agent": called(agent) });
        for name in ["area", "role", "status", "trouble"] {
            if agent[name].is_string() {
                line[name] = agent[name].clone();
            }
        }
        for name in ["toPeer", "fromPeer"] {
            let late = agent[name]["changes"].as_u64() > Some(0) && agent[name]["millis"].as_u64() >= Some(BEHIND);
            if agent[name].is_object() {
                line[name] = if late { "behind" } else { "up to date" }.into();
                if agent[name]["changes"].is_null() {
                    line[name] = lag(&agent[name]).into();
                }
            }
        }
        let key = if agent["expected"] == true { text(agent, "address") } else { text(agent, "agent") };
        told.insert(key.to_owned(), line);
    }
    told
}

/// One change on a line of its own.
fn printed(what: &str, line: &Value, now: Timestamp, format: Format) -> String {
    if format == Format::Json {
        return format!("{}\n", mf2c_client::json_line(&json!({ "time": now.to_string(), "id": what, "now": line })));
    }
    let time = now.to_string();
    let time = time.split_once('.').map_or(time.as_str(), |(seconds, _)| seconds);
    let words = WORDS.iter().filter_map(|name| {
        let value = line[*name].as_str()?;
        Some(match *name {
            "toPeer" => format!("to peer {value}"),
            "fromPeer" => format!("from peer {value}"),
            "change" => format!("{} {value}", what.rsplit('/').next().unwrap_or_default()),
            _ => value.to_owned(),
        })
    });
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    format!("{time}Z  {}\n", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &str, millis: u64) -> Result<Value, Failure> {
        let id = "spiffe://mf2c.internal/area/pier/agent/a1";
        Ok(json!({"area": "pier", "id": id, "role": "leader", "term": 3, "agents": [{
            "agent": id, "device": "a1", "name": "boat", "area": "pier", "role": "leader", "status": status,
            "toPeer": {"changes": 5, "millis": millis, "open": true}, "lastContact": "2026-01-01T00:00:00.000Z",
        }]}))
    }

    #[test]
    fn a_line_is_told_when_something_is_otherwise_and_not_because_time_passes() {
        let (quiet, same, late, lost) =
            (shown("connected", 10), shown("connected", 90), shown("connected", 2500), shown("disconnected", 90));
        assert_eq!(tell(&quiet), tell(&same));
        assert_ne!(tell(&quiet), tell(&late));
        assert_ne!(tell(&quiet), tell(&lost));
        let now = Timestamp::from_millis(1_700_000_000_123);
        let told = tell(&lost);
        let lines: Vec<String> = told.iter().map(|(what, line)| printed(what, line, now, Format::Table)).collect();
        assert!(
            lines[0].starts_with("2023-11-14T22:13:20Z  area pier, this boat (a1) (leader), leader nobody, term 3"),
            "{lines:?}"
        );
        assert!(
            lines[1].contains("boat (a1)")
                && lines[1].contains("disconnected")
                && lines[1].ends_with("to peer up to date\n"),
            "{lines:?}"
        );
        let (what, line) = told.iter().next_back().unwrap();
        let json: Value = serde_json::from_str(&printed(what, line, now, Format::Json)).unwrap();
        assert_eq!(
            (&json["now"]["status"], &json["time"]),
            (&json!("disconnected"), &json!("2023-11-14T22:13:20.123Z"))
        );
    }
}
