//! `mf2c sla`: translates agreements, and tries them on reports.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use mf2c_client::Surroundings;
use mf2c_client::args::Format;
use mf2c_domain::time::Timestamp;
use mf2c_sla::expression::{Grammar, TimeUnit};
use mf2c_sla::{Agreement, Expressions, Finding, Rehearsal, Report, check, openslo};
use serde_json::{Map, Value, json};

use super::{Failure, area, misconfigured, say};
use crate::cli::exit;
use crate::cli::{ExportArgs, ImportArgs, SlaCommand, TestArgs};
use crate::config::ReportUnit;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;
/// What a table and CSV show.
const COLUMNS: [&str; 6] = ["finding", "datetime", "guarantee", "constraint", "values", "report"];

/// See the module.
pub(super) fn run(command: SlaCommand, around: &Surroundings) -> Result<(), Failure> {
    match command {
        SlaCommand::Import(args) => import(&args, around),
        SlaCommand::Export(args) => export(&args, around),
        SlaCommand::Test(args) => test(&args, around),
    }
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text),
        _ => File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)),
    };
    read.with_context(|| format!("failed to read `{}`", path.display())).map_err(misconfigured)?;
    if text.len() as u64 > LARGEST {
        return Err(misconfigured(anyhow!("`{}` is larger than 256 MiB: split it", path.display())));
    }
    Ok(text)
}

fn import(args: &ImportArgs, around: &Surroundings) -> Result<(), Failure> {
    let imported = openslo::import(&text_of(&args.file)?, around.clock.now()).map_err(misconfigured)?;
    imported.notes.iter().for_each(|note| area::beside(note));
    if args.print {
        for agreement in &imported.agreements {
            say(&mf2c_client::json_line(&Value::Object(agreement.clone())))?;
        }
        return Ok(());
    }
    for answer in mf2c_client::add(&args.connection, "agreement", imported.agreements, around)? {
        if let Some(warning) = answer["warning"].as_str() {
            area::beside(warning);
        }
        say(answer["resource-id"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn export(args: &ExportArgs, around: &Surroundings) -> Result<(), Failure> {
    let agreement = mf2c_client::read(&args.connection, &args.agreement, around)?;
    let exported = openslo::export(agreement.as_object().unwrap_or(&Map::new())).map_err(misconfigured)?;
    exported.notes.iter().for_each(|note| area::beside(note));
    let format = if args.output == Format::Json { Format::Json } else { Format::Yaml };
    for (at, document) in exported.documents.iter().enumerate() {
        if at > 0 && format == Format::Yaml {
            say("---")?;
        }
        mf2c_client::show(document, format, around)?;
    }
    Ok(())
}

fn test(args: &TestArgs, around: &Surroundings) -> Result<(), Failure> {
    let unit = match args.unit {
        ReportUnit::Seconds => TimeUnit::Seconds,
        ReportUnit::Milliseconds => TimeUnit::Milliseconds,
    };
    let mut shared = Expressions::new(Grammar::Extended, unit);
    let agreement = agreement(&args.agreement, &mut shared)?;
    let reports = text_of(&args.reports)?;
    let tried = tried(&agreement, &reports, (unit, args.until), around.clock.now())?;
    let shown: Vec<Value> = tried.findings.iter().filter_map(shown).collect();
    let violated = tried.findings.iter().any(|finding| matches!(finding, Finding::Violation(_)));
    match args.output {
        Format::Table if shown.is_empty() => say("nothing would have been violated")?,
        format => mf2c_client::show_list(&shown, &COLUMNS, format, around)?,
    }
    let (reports, others) = (tried.reports, tried.unfinished);
    area::beside(&format!(
        "{reports} reports were held against the agreement, {others} of operations that still run were not"
    ));
    if tried.instances > 1 {
        let count = tried.instances;
        area::beside(&format!("they are of {count} instances: all were held against this one agreement"));
    }
    if violated {
        return Err(Failure {
            code: exit::FAILED,
            error: anyhow!("the agreement would have been violated"),
            quiet: true,
        });
    }
    Ok(())
}

/// The agreement in a file, as if it had just been started.
fn agreement(path: &Path, shared: &mut Expressions) -> Result<Agreement, Failure> {
    let shown = path.display();
    let mut body: Map<String, Value> = serde_json::from_str(&text_of(path)?)
        .with_context(|| format!("`{shown}` is no agreement in JSON"))
        .map_err(misconfigured)?;
    let problems = check(&body, shared);
    if !problems.is_empty() {
        let problems: Vec<String> =
            problems.iter().map(|problem| format!("`{}`: {}", problem.place, problem.message)).collect();
        return Err(misconfigured(anyhow!("`{shown}` cannot be assessed: {}", problems.join("; "))));
    }
    body.insert("state".to_owned(), "started".into());
    // It goes on from nothing, and was never stopped.
    body.remove("assessment");
    if let Some(creation) = body.get("details").and_then(|details| details.get("creation")).cloned() {
        body.insert("updated".to_owned(), creation);
    } else {
        body.remove("updated");
    }
    let id = body.get("id").and_then(Value::as_str).unwrap_or("agreement/test").to_owned();
    Agreement::read(&id, Value::Object(body).to_string().as_bytes(), shared).map_err(misconfigured)
}

/// What came of it.
struct Tried {
    findings: Vec<Finding>,
    reports: usize,
    unfinished: usize,
    instances: usize,
}

/// Lets the reports come as they came: in the order in which they were stored, with the time that lies between.
fn tried(
    agreement: &Agreement,
    reports: &str,
    (unit, until): (TimeUnit, Option<Timestamp>),
    now: Timestamp,
) -> Result<Tried, Failure> {
    let mut bodies = vec![];
    for (line, number) in reports.lines().zip(1u64..).filter(|(line, _)| !line.trim().is_empty()) {
        bodies.push(report(line, number, now)?);
    }
    let read = bodies.iter().map(|(id, text)| Report::read_in(id, text.as_bytes(), unit));
    let (finished, running): (Vec<_>, Vec<_>) = read.partition(Option::is_some);
    let mut finished: Vec<Report<'_>> = finished.into_iter().flatten().collect();
    finished.sort_by_key(Rehearsal::arrival);
    let mut rehearsal = Rehearsal::new(agreement);
    let mut end = agreement.creation();
    for report in &finished {
        end = end.max(Rehearsal::arrival(report));
        if let Some(until) = until.filter(|until| *until < end) {
            let error = anyhow!("`--until {until}` lies before the report that came at {end}: expected a later time");
            return Err(misconfigured(error));
        }
        rehearsal.report(report).map_err(misconfigured)?;
    }
    let findings = rehearsal.until(until.unwrap_or(end)).map_err(misconfigured)?;
    let instances: BTreeSet<&str> = finished.iter().map(|report| &*report.instance).collect();
    Ok(Tried { findings, reports: finished.len(), unfinished: running.len(), instances: instances.len() })
}

/// A line of reports: its id and the document, with what a report must have to be read.
fn report(line: &str, number: u64, now: Timestamp) -> Result<(String, String), Failure> {
    let read: Result<Map<String, Value>, _> = serde_json::from_str(line);
    let mut body = read.with_context(|| format!("line {number} is no report in JSON")).map_err(misconfigured)?;
    if !["serviceInstance", "requesting_application_id"].iter().any(|name| body.contains_key(*name)) {
        body.insert("serviceInstance".to_owned(), "service-instance/test".into());
    }
    if !["created", "updated", "end_time", "start_time"].iter().any(|name| body.contains_key(*name)) {
        body.insert("created".to_owned(), now.to_string().into());
    }
    readable(&body).map_err(|why| misconfigured(anyhow!("line {number}: {why}")))?;
    let id = body.get("id").and_then(Value::as_str).map_or_else(|| format!("line {number}"), str::to_owned);
    Ok((id, Value::Object(body).to_string()))
}

/// Whether a report can be read: what is misspelt must not pass for one that breaks nothing.
fn readable(report: &Map<String, Value>) -> Result<(), String> {
    let length = ["execution_length", "execution_time"].into_iter().find_map(|name| Some((name, report.get(name)?)));
    match length {
        Some((_, Value::Number(_))) => {}
        Some((name, other)) => {
            return Err(format!("`{name}` is {other}: expected how long the operation took, a number such as 0.8"));
        }
        None => {
            return Err("`execution_length` is missing: expected how long the operation took, such as 0.8".to_owned());
        }
    }
    for name in ["created", "updated", "end_time", "start_time"] {
        let given = report.get(name).filter(|given| given.as_str().and_then(Timestamp::parse).is_none());
        if let Some(given) = given {
            return Err(format!("`{name}` is {given}: expected a time such as \"2026-05-01T12:00:00Z\""));
        }
    }
    Ok(())
}

/// A finding that tells something of a promise.
fn shown(finding: &Finding) -> Option<Value> {
    let values = |values: &[(std::sync::Arc<str>, f64)]| {
        Value::Object(values.iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
    };
    Some(match finding {
        Finding::Violation(violation) => json!({
            "finding": "violation",
            "datetime": violation.datetime.to_string(),
            "guarantee": &*violation.guarantee,
            "constraint": &*violation.constraint,
            "values": values(&violation.values),
            "report": violation.report,
            "late": violation.late,
            "skewed": violation.skewed,
        }),
        Finding::Warning(warning) => json!({
            "finding": "warning",
            "datetime": warning.datetime.to_string(),
            "guarantee": &*warning.guarantee,
            "constraint": &*warning.constraint,
            "values": values(&warning.values),
            "report": warning.report,
        }),
        Finding::Penalty(penalty) => json!({
            "finding": "penalty",
            "datetime": penalty.datetime.to_string(),
            "guarantee": &*penalty.guarantee,
            "values": { "amount": penalty.amount, "unit": &*penalty.unit },
        }),
        Finding::Undetermined { guarantee, reason } => {
            json!({ "finding": "undetermined", "guarantee": &**guarantee, "constraint": reason })
        }
        Finding::EpisodeEnded(episode) => json!({
            "finding": "recovery",
            "datetime": episode.resolved_at.map(|at| at.to_string()),
            "guarantee": &*episode.guarantee,
            "constraint": &*episode.constraint,
            "values": { "count": episode.count, "worst": episode.worst },
        }),
        Finding::Burn(burn) => json!({
            "finding": if burn.burning { "burn" } else { "burn-end" },
            "datetime": burn.datetime.to_string(),
            "guarantee": &*burn.guarantee,
            "values": { "long": burn.long, "short": burn.short, "remaining": burn.remaining },
        }),
        Finding::Expired => json!({ "finding": "expiry" }),
        _ => return None,
    })
}
