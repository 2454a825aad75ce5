//! Reading: the change log in pages, and the collections where the log does not go back far enough. It reads from the disk, so it
//! is done where that holds up nobody.

use std::collections::VecDeque;
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_store::engine::EngineError;
use mf2c_store::{Change, ChangeKind, Changes, Document, Store};

use super::facts::{Instance, Report, Service, Violation};
use super::model::Model;

/// Changes that are read at a time: others of the arbiter come between.
pub(super) const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// The name of the cursor.
pub(super) const CURSOR: &str = "qos";
/// The types whose documents may be read late, in the order of their changes.
const HISTORY: [&str; 2] = ["service-operation-report", "sla-violation"];

/// What a change says.
#[derive(Debug)]
pub(super) enum News {
    Instance(String, Option<Instance>),
    /// A service; whether it is this agent's own.
    Service(ResourceId, Option<Service>, bool),
    Report(u64, Report),
    Violation(u64, Violation),
}

/// Documents that are still to be read, with the positions of their changes.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) left: VecDeque<(u64, ResourceId)>,
    /// Where the log goes on behind them.
    pub(super) until: u64,
}

/// What a reading found.
#[derive(Debug)]
pub(super) enum Read {
    /// The next changes, and the position of the last.
    Page(Vec<News>, u64),
    /// The collections were looked through instead.
    Anew(Vec<News>, Backlog),
}

/// What is known at the start.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) news: Vec<News>,
    pub(super) models: Vec<(String, Model)>,
    pub(super) cursor: u64,
}

/// Reads what was kept. The feed is followed from the kept cursor on.
pub(super) fn load(store: &Store, newest: u64) -> Result<Loaded, EngineError> {
    let incarnation = store.identity().incarnation;
    let mut models = Vec::new();
    for document in store.all("qos-model").iter().filter(|document| document.origin().is_none()) {
        models.extend(body(store, document).and_then(|body| Model::read(&body, incarnation)));
    }
    let kept = store.cursors(CURSOR)?.into_iter().find(|(name, _)| name == CURSOR).map(|(_, at)| at);
    // Models without a cursor are of another life of the store: what came between is lost, and nothing is counted twice.
    let cursor = kept.unwrap_or(if models.is_empty() { 0 } else { newest });
    Ok(Loaded { news: instances(store), models, cursor })
}

fn instances(store: &Store) -> Vec<News> {
    let all = store.all("service-instance");
    let read = all.iter().filter_map(|document| {
        let facts = body(store, document).and_then(|body| Instance::read(&body));
        Some(News::Instance(document.id.as_str().to_owned(), Some(facts?)))
    });
    read.collect()
}

/// Reads the next page of the log behind `cursor`.
pub(super) fn read(store: &Store, cursor: u64, newest: u64) -> Result<Read, EngineError> {
    match store.changes_within(cursor, PAGE, PAGE_BYTES)? {
        Changes::Next(changes) => {
            let last = changes.last().map_or(cursor, |change| change.position);
            Ok(Read::Page(changes.iter().filter_map(|change| news(store, change)).collect(), last))
        }
        Changes::Trimmed { .. } => {
            let late = HISTORY.iter().flat_map(|kind| store.all(kind)).filter(|document| document.revision > cursor);
            let mut left: Vec<(u64, ResourceId)> =
                late.map(|document| (document.revision, document.id.clone())).collect();
            left.sort_unstable();
            let mut news = instances(store);
            news.extend(store.all("service").iter().filter_map(|document| of_service(store, document)));
            Ok(Read::Anew(news, Backlog { left: left.into(), until: newest }))
        }
    }
}

/// Reads some of a backlog.
pub(super) fn read_late(store: &Store, ids: Vec<(u64, ResourceId)>, until: u64) -> Read {
    let last = ids.last().map_or(until, |(position, _)| *position);
    let found = ids.into_iter().filter_map(|(position, id)| {
        let document = store.get(id.as_str())?;
        said(store, position, &id, &body(store, &document)?)
    });
    Read::Page(found.collect(), last)
}

fn body<'d>(store: &Store, document: &'d Arc<Document>) -> Option<std::borrow::Cow<'d, [u8]>> {
    store.body(document).ok()?
}

fn of_service(store: &Store, document: &Arc<Document>) -> Option<News> {
    let facts = Service::read(&body(store, document)?)?;
    Some(News::Service(document.id.clone(), Some(facts), document.origin().is_none()))
}

fn news(store: &Store, change: &Change) -> Option<News> {
    let id = &change.id;
    match id.kind() {
        "service-instance" => Some(News::Instance(id.as_str().to_owned(), change.body().and_then(Instance::read))),
        "service" => {
            let own = change.origin == store.identity().node;
            Some(News::Service(id.clone(), change.body().and_then(Service::read), own))
        }
        // A violation that is looked at again is no other one.
        "sla-violation" if change.kind != ChangeKind::Created => None,
        _ => said(store, change.position, id, change.body()?),
    }
}

fn said(store: &Store, position: u64, id: &ResourceId, body: &[u8]) -> Option<News> {
    match id.kind() {
        "service-operation-report" => Some(News::Report(position, Report::read(id.as_str(), body)?)),
        "sla-violation" => {
            let mut violation = Violation::read(id.as_str(), body)?;
            if violation.instance.is_none() {
                violation.instance = violation.report.as_deref().and_then(|report| instance_of(store, report));
            }
            Some(News::Violation(position, violation))
        }
        _ => None,
    }
}

/// The instance that a report is about.
fn instance_of(store: &Store, report: &str) -> Option<String> {
    let document = store.get(report).filter(|document| document.id.kind() == "service-operation-report")?;
    Some(Report::read(report, &body(store, &document)?)?.instance)
}
