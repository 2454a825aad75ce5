//! `/metrics`: what the agent has done, for Prometheus. `docs/operations.md` explains every family.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_domain::time::Timestamp;
use mf2c_store::{Counters, StoreError};

use super::exposition::{CONTENT_TYPE, Exposition};
use super::{AreaFigures, MetricsFor, Monitor, ProcessFigures, area, is_near};
use crate::caller::caller_of;
use crate::cimi::Api;
use crate::error::ApiError;
use crate::events::{EventCounters, Events};
use crate::people::users;

const MICROS: f64 = 1e6;

/// The page, for those who may read it.
pub(super) async fn answer(
    request: HttpRequest,
    api: Data<Api>,
    monitor: Data<Monitor>,
    events: Data<Events>,
) -> HttpResponse {
    if !may_read(monitor.settings.metrics_for, &request, &api) {
        return ApiError::forbidden("/metrics").into_response();
    }
    let process = Arc::clone(&monitor.settings.process);
    // It reads the data directory and the store, which may take a while.
    let area = (monitor.settings.area)().await;
    match web::block(move || page(&monitor, &api, events.counters(), &process(), &area)).await {
        Ok(page) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(page),
        Err(_) => ApiError::from(StoreError::Stopping).into_response(),
    }
}

fn may_read(readers: MetricsFor, request: &HttpRequest, api: &Api) -> bool {
    let open = match readers {
        MetricsFor::Everybody => true,
        MetricsFor::Loopback => is_near(request),
        MetricsFor::Administrators => false,
    };
    open || caller_of(request, api).is_admin()
}

/// What there is of agreements on the page, for those who may read it.
pub(crate) fn of_agreements(readers: MetricsFor, request: &HttpRequest, api: &Api) -> Result<HttpResponse, ApiError> {
    if !may_read(readers, request, api) {
        return Err(ApiError::forbidden("/sla/metrics"));
    }
    let mut page = Exposition::new();
    agreements(&mut page, api);
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(page.finish()))
}

fn page(monitor: &Monitor, api: &Api, events: &EventCounters, process: &ProcessFigures, area: &AreaFigures) -> String {
    let mut page = Exposition::new();
    build(&mut page, monitor);
    area::write(&mut page, area);
    sign_in(&mut page, monitor, api);
    requests(&mut page, monitor);
    writes(&mut page, api);
    streams(&mut page, events);
    webhooks(&mut page, api);
    agreements(&mut page, api);
    sizes(&mut page, api, process);
    of_process(&mut page, monitor, process);
    page.finish()
}

fn build(page: &mut Exposition, monitor: &Monitor) {
    let settings = &monitor.settings;
    page.family("mf2c_build_info", "gauge", "Always 1; the labels tell what runs.");
    page.sample("mf2c_build_info", &format!("version=\"{}\",role=\"{}\"", settings.version, settings.role), 1);
    let (name, ends) = ("mf2c_certificate_expiry_timestamp_seconds", (settings.certificate_ends)());
    page.gauge(name, "The end of the served certificate, in seconds since 1970.", seconds(ends));
}

/// What an operator should not forget about who may come in.
fn sign_in(page: &mut Exposition, monitor: &Monitor, api: &Api) {
    let open = u8::from(api.settings.header_allowed);
    let help = "1 if a header from this machine is believed about who asks (development mode).";
    page.gauge("mf2c_auth_header_open", help, open);
    let mail = u8::from(monitor.settings.has_mail);
    page.gauge("mf2c_mail_configured", "1 if a mail server is configured.", mail);
    let help = "1 if the first administrator is there and has no password.";
    page.gauge("mf2c_first_admin_without_password", help, u8::from(users::first_admin_has_no_password(api)));
}

fn requests(page: &mut Exposition, monitor: &Monitor) {
    let figures = &monitor.figures;
    let name = "mf2c_http_requests_total";
    page.family(name, "counter", "Requests answered since start, by method, route and status.");
    for (method, route, status, count) in figures.requests() {
        page.sample(name, &format!("method=\"{method}\",route=\"{route}\",status=\"{status}\""), count);
    }
    let name = "mf2c_http_request_duration_seconds";
    page.family(name, "histogram", "Time from a whole request head to the head of its answer, by route.");
    for (route, times) in figures.times() {
        page.spread(name, &format!("route=\"{route}\""), &times, MICROS);
    }
    page.gauge("mf2c_http_requests_in_flight", "Requests whose answer has not gone out whole.", figures.in_flight());
    let bytes = figures.bytes();
    page.counter("mf2c_http_response_bytes_total", "Bytes of answers' bodies since start, as sent.", bytes);
    let open = monitor.connections.open();
    page.gauge("mf2c_http_connections", "Open connections of clients.", open);
    let accepted = monitor.connections.accepted();
    page.counter("mf2c_http_connections_total", "Connections of clients since start.", accepted);
}

fn writes(page: &mut Exposition, api: &Api) {
    let counters: &Counters = api.store.counters();
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    page.counter("mf2c_store_commits_total", "Batches committed since start.", load(&counters.commits));
    page.counter("mf2c_store_changes_total", "Changes committed since start.", load(&counters.changes));
    let failures = load(&counters.failures);
    page.gauge("mf2c_store_commit_failures", "Commits that failed since the last good one.", failures);
    let name = "mf2c_store_commit_duration_seconds";
    page.family(name, "histogram", "Time of a commit: from a batch to its place on disk.");
    page.spread(name, "", &counters.commit_micros.read(), MICROS);
    let name = "mf2c_store_batch_changes";
    page.family(name, "histogram", "Changes that shared a commit.");
    page.spread(name, "", &counters.batch_changes.read(), 1.0);
    page.gauge("mf2c_store_writes_waiting", "Writes of requests that wait to be on disk.", api.writer.waiting());
    page.gauge("mf2c_store_position", "The newest change position.", load(&counters.position));
    page.gauge("mf2c_idempotency_keys", "Idempotency keys that are remembered.", api.repeats.len());
}

fn streams(page: &mut Exposition, events: &EventCounters) {
    page.gauge("mf2c_event_readers", "Readers of the event stream.", events.readers.load(Ordering::Relaxed));
    page.counter("mf2c_event_sent_total", "Changes sent to readers since start.", events.sent.load(Ordering::Relaxed));
    let resets = events.resets.load(Ordering::Relaxed);
    page.counter("mf2c_event_resets_total", "Readers told to read anew since start.", resets);
}

fn webhooks(page: &mut Exposition, api: &Api) {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &api.webhooks;
    page.counter("mf2c_webhook_deliveries_total", "Deliveries that arrived since start.", load(&counters.delivered));
    page.counter("mf2c_webhook_failures_total", "Deliveries given up since start.", load(&counters.given_up));
    page.gauge("mf2c_webhook_queue", "Changes that the webhook furthest behind waits for.", load(&counters.queue));
}

fn agreements(page: &mut Exposition, api: &Api) {
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &api.sla;
    page.family("mf2c_sla_scope", "gauge", "Always 1; the label tells which reports the agent assesses.");
    page.sample("mf2c_sla_scope", &format!("scope=\"{}\"", counters.scope().as_str()), 1);
    page.gauge("mf2c_sla_agreements", "Agreements that reports are held against.", load(&counters.agreements));
    page.counter("mf2c_sla_reports_total", "Reports held against an agreement since start.", load(&counters.reports));
    let name = "mf2c_sla_unattached_reports_total";
    page.counter(name, "Reports about instances without a known agreement since start.", load(&counters.unattached));
    page.counter("mf2c_sla_violations_total", "Violations found since start.", load(&counters.violations));
    page.counter("mf2c_sla_warnings_total", "Warnings found since start.", load(&counters.warnings));
    page.gauge("mf2c_sla_lag", "Changes that were not looked at for agreements yet.", load(&counters.lag));
    page.gauge("mf2c_sla_queue", "Findings about agreements that wait to be on disk.", load(&counters.queue));
    let name = "mf2c_sla_position";
    page.gauge(name, "All changes up to this one are assessed, and the findings stored.", load(&counters.position));
    let name = "mf2c_sla_errors_total";
    page.counter(
        name,
        "Agreements that could not be read and findings that could not be written.",
        load(&counters.errors),
    );
}

fn sizes(page: &mut Exposition, api: &Api, process: &ProcessFigures) {
    let counters = api.store.counters();
    let (entries, resident) = (counters.log_entries.load(Ordering::Relaxed), counters.resident.load(Ordering::Relaxed));
    page.gauge("mf2c_store_log_entries", "Entries in the change log.", entries);
    page.gauge("mf2c_store_resident_bytes", "Bytes of JSON kept in memory.", resident);
    page.family("mf2c_documents", "gauge", "Documents by type.");
    for (kind, count) in api.store.sizes() {
        page.sample("mf2c_documents", &format!("type=\"{kind}\""), count);
    }
    if let Some(data) = process.data {
        page.gauge("mf2c_data_directory_bytes", "What the data directory takes of the disk.", data);
    }
    if let Some(free) = process.free {
        page.gauge("mf2c_data_directory_free_bytes", "What is left on the disk of the data directory.", free);
    }
}

fn of_process(page: &mut Exposition, monitor: &Monitor, process: &ProcessFigures) {
    let start = seconds(monitor.started);
    page.gauge("process_start_time_seconds", "The start of the process, in seconds since 1970.", start);
    if let Some(resident) = process.resident {
        page.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", resident);
    }
    if let Some(open) = process.open_files {
        page.gauge("process_open_fds", "Open files and sockets.", open);
    }
    if let Some(most) = process.most_files {
        page.gauge("process_max_fds", "The most files and sockets that may be open.", most);
    }
}

pub(super) fn seconds(at: Timestamp) -> String {
    let millis = at.millis();
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
