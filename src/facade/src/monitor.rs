//! `/healthz` and `/metrics`: for those who watch over the agent.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, web};

use crate::cimi::Api;

/// Adds both to an application.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(web::resource("/healthz").get(health).head(health))
        .service(web::resource("/metrics").get(metrics).head(metrics));
}

/// 200 while writes succeed, 503 with the reason while only reads do.
async fn health(api: Data<Api>) -> HttpResponse {
    if api.store.counters().failures.load(Ordering::Relaxed) == 0 {
        return HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n");
    }
    let text = "degraded: reads are answered, writes fail; the log tells why\n";
    HttpResponse::ServiceUnavailable().content_type("text/plain; charset=utf-8").body(text)
}

/// The Prometheus text format, version 0.0.4.
async fn metrics(api: Data<Api>) -> HttpResponse {
    let counters = api.store.counters();
    let mut out = String::with_capacity(2048);
    let rows = [
        ("mf2c_store_commits_total", "counter", "Batches committed since start.", &counters.commits),
        ("mf2c_store_changes_total", "counter", "Changes committed since start.", &counters.changes),
        ("mf2c_store_commit_failures", "gauge", "Commits that failed since the last good one.", &counters.failures),
        ("mf2c_store_position", "gauge", "The newest change position.", &counters.position),
        ("mf2c_store_log_entries", "gauge", "Entries in the change log.", &counters.log_entries),
        ("mf2c_store_resident_bytes", "gauge", "Bytes of JSON kept in memory.", &counters.resident),
    ];
    for (name, kind, help, value) in rows {
        let value = value.load(Ordering::Relaxed);
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    let webhooks = &api.webhooks;
    let rows = [
        ("mf2c_webhook_deliveries_total", "counter", "Deliveries that arrived since start.", &webhooks.delivered),
        ("mf2c_webhook_failures_total", "counter", "Deliveries given up since start.", &webhooks.given_up),
        ("mf2c_webhook_queue", "gauge", "Changes that the webhook furthest behind waits for.", &webhooks.queue),
    ];
    for (name, kind, help, value) in rows {
        let value = value.load(Ordering::Relaxed);
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    let _ = writeln!(out, "# HELP mf2c_documents Documents by type.\n# TYPE mf2c_documents gauge");
    for (kind, count) in api.store.sizes() {
        let _ = writeln!(out, "mf2c_documents{{type=\"{kind}\"}} {count}");
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(out)
}
