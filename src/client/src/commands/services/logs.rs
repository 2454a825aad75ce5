//! `logs`: what an instance has written, and what it goes on to write.

use mf2c_domain::time::Timestamp;
use reqwest::{Method, Response, header};
use serde_json::Value;

use super::named::{self, name_of, text as text_in};
use crate::ClientError;
use crate::args::{Format, LogsArgs, Since};
use crate::output::{cell, clean, clean_lines, json_line, yaml};
use crate::remote::path_below;
use crate::session::Session;
use crate::terminal::print;

/// The largest refusal that is read, in bytes.
const REFUSAL: usize = 64 << 10;
/// The longest line as it comes, in bytes: agents cut what programs write far shorter.
const LONGEST: usize = 4 << 20;

pub(super) async fn logs(session: &Session<'_>, args: &LogsArgs) -> Result<(), ClientError> {
    let id = named::instance(session, &args.instance).await?;
    let instance = session.remote.get(&id, &[]).await?;
    let parts = instance.get("agents").and_then(Value::as_array).map_or(0, Vec::len);
    let form =
        Form { format: args.shown.output, timestamps: args.timestamps, tells_part: parts > 1 && args.index.is_none() };
    let response = open(session, &id, args).await?;
    tokio::select! {
        outcome = copy(session, response, &form) => outcome,
        _ = tokio::signal::ctrl_c() => Err(ClientError::Interrupted),
    }
}

/// Asks for the lines.
async fn open(session: &Session<'_>, id: &str, args: &LogsArgs) -> Result<Response, ClientError> {
    let parameters = [
        ("index", args.index.map(|index| index.to_string())),
        ("tail", args.tail.map(|tail| tail.to_string())),
        ("since", args.since.map(|since| instant(since, session.around.clock.now()).to_string())),
        ("follow", args.follow.then(|| "true".to_owned())),
    ];
    let query: Vec<(&str, &str)> =
        parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let path = path_below("lm", &format!("service-instances/{}/logs", name_of(id)));
    let request = session.remote.request(Method::GET, &path, &query);
    let request = request.header(header::ACCEPT, "application/x-ndjson");
    let mut response = session.remote.open(request).await?;
    if response.status() == 200 {
        return Ok(response);
    }
    let mut refusal = vec![];
    while refusal.len() < REFUSAL
        && let Ok(Some(chunk)) = response.chunk().await
    {
        refusal.extend_from_slice(&chunk);
    }
    Err(session.remote.refused(response.status().as_u16(), &refusal))
}

/// The instant that is meant.
fn instant(since: Since, now: Timestamp) -> Timestamp {
    match since {
        Since::At(then) => then,
        Since::Ago(seconds) => {
            let millis = i64::try_from(now.nanos() / 1_000_000).unwrap_or(i64::MAX);
            let span = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
            Timestamp::from_millis(millis.saturating_sub(span).max(0))
        }
    }
}

/// Writes lines as they come.
async fn copy(session: &Session<'_>, mut response: Response, form: &Form) -> Result<(), ClientError> {
    let mut begun: Vec<u8> = vec![];
    loop {
        let chunk = response.chunk().await.map_err(|error| session.remote.unreachable(&error))?;
        let is_end = chunk.is_none();
        begun.extend_from_slice(&chunk.unwrap_or_default());
        let whole =
            if is_end { begun.len() } else { begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        let mut text = String::new();
        for line in
            begun.drain(..whole).collect::<Vec<_>>().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            let line = serde_json::from_slice::<Value>(line);
            let line = line.map_err(|_| session.remote.no_agent("a line of the log is no JSON"))?;
            // The status was sent long before the log broke off.
            if line.get("error").and_then(Value::as_bool) == Some(true) {
                print(&text)?;
                let message = clean(text_in(&line, "message"));
                return Err(ClientError::Failed(format!("the log breaks off: {message}")));
            }
            text.push_str(&form.line(&line));
        }
        print(&text)?;
        if is_end {
            return Ok(());
        }
        if begun.len() > LONGEST {
            return Err(session.remote.no_agent("a line of the log has no end"));
        }
    }
}

/// How lines are written.
struct Form {
    format: Format,
    timestamps: bool,
    /// Each line says which part it is of.
    tells_part: bool,
}

impl Form {
    fn line(&self, line: &Value) -> String {
        match self.format {
            Format::Json => return format!("{}\n", json_line(line)),
            Format::Yaml => return format!("---\n{}", yaml(line)),
            Format::Table | Format::Csv => {}
        }
        let mut out = String::new();
        if self.timestamps {
            out.push_str(&cell(line.get("time")));
            out.push(' ');
        }
        let part = cell(line.get("part"));
        match (self.tells_part, part.as_str()) {
            (true, "") => out.push_str(&format!("[{}] ", cell(line.get("index")))),
            (true, part) => out.push_str(&format!("[{} {part}] ", cell(line.get("index")))),
            (false, "") => {}
            (false, part) => out.push_str(&format!("[{part}] ")),
        }
        out.push_str(clean_lines(text_in(line, "text")).trim_end_matches('\n'));
        out.push('\n');
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_when_and_of_which_part_where_that_is_wanted_and_commands_no_terminal() {
        let line = json!({"index": 1, "part": "web", "stream": "stdout", "time": "2026-11-22T10:00:00Z", "text": "a\tb\u{1b}[2J"});
        let form = |timestamps, tells_part| Form { format: Format::Table, timestamps, tells_part };
        assert_eq!(form(false, true).line(&line), "[1 web] a\tb\\u{1b}[2J\n");
        assert_eq!(form(true, false).line(&line), "2026-11-22T10:00:00Z [web] a\tb\\u{1b}[2J\n");
        let alone = json!({"index": 0, "text": "x"});
        assert_eq!(form(false, false).line(&alone), "x\n");
        assert_eq!(form(false, true).line(&alone), "[0] x\n");
    }

    #[test]
    fn a_span_counts_back_from_now() {
        let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        assert_eq!(instant(Since::Ago(600), now), Timestamp::parse("2026-11-22T09:50:00Z").unwrap());
        assert_eq!(instant(Since::At(now), now), now);
        assert_eq!(instant(Since::Ago(u64::MAX), now), Timestamp::from_millis(0));
    }
}
