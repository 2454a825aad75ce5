//! What each room is told at start, from the configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::session_manager::SessionSettings;
use mf2c_domain::people::throttle;
use mf2c_facade::cimi::ApiSettings;
use mf2c_facade::events::EventSettings;
use mf2c_facade::front::{self, boundary::Limits};
use mf2c_facade::lm::LmFacts;
use mf2c_facade::monitor::{Access, MetricsFor, MonitorSettings};
use mf2c_transport::webhook::WebhookOptions;

use crate::accounts;
use crate::area::Area;
use crate::config::{AccessLog, AuthHeader, Config, MetricsReaders};
use crate::process_figures;

pub(super) fn webhook_options(config: &Config) -> WebhookOptions {
    WebhookOptions {
        allow_private: config.webhooks.allow_private,
        timeout: config.webhooks.timeout.get(),
        ca: config.webhooks.ca.clone(),
        agent: concat!("mf2c/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

pub(super) fn api_settings(config: &Config) -> ApiSettings {
    ApiSettings {
        header_allowed: config.auth.header == AuthHeader::Loopback,
        body: config.limits.body.as_len(),
        bulk_body: config.limits.bulk_body.as_len(),
        body_timeout: config.limits.body_timeout.get(),
        page: config.limits.page,
        trusted_proxies: config.api.trusted_proxies.clone(),
        external_url: Some(config.api.external_url.clone()).filter(|url| !url.is_empty()),
        cors_origins: config.api.cors_origins.clone(),
        private_webhooks: config.webhooks.allow_private,
        names: accounts::names(config),
        sla: config.sla.rules(),
    }
}

/// What the lifecycle endpoints tell of the agent; `api` is where HTTPS is served.
pub(super) fn lm_facts(config: &Config, api: SocketAddr) -> LmFacts {
    let settings = api_settings(config);
    let host = match api.ip() {
        ip if ip.is_unspecified() => settings.names.into_iter().next().unwrap_or_else(|| "localhost".to_owned()),
        ip => SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned(),
    };
    let external = settings.external_url.map(|url| url.trim_end_matches('/').to_owned());
    LmFacts {
        version: env!("CARGO_PKG_VERSION"),
        api: external.unwrap_or_else(|| format!("https://{host}:{}", api.port())),
        user: Some(config.legacy.user.clone()).filter(|user| !user.is_empty()),
    }
}

pub(super) fn monitor_settings(config: &Config, area: &Area) -> MonitorSettings {
    let (data_dir, credentials) = (config.data_dir.clone(), area.credentials.clone());
    MonitorSettings {
        cors_origins: config.api.cors_origins.clone(),
        access: match config.log.access {
            AccessLog::Off => Access::Off,
            AccessLog::Errors => Access::Errors,
            AccessLog::All => Access::All,
        },
        trusted_proxies: config.api.trusted_proxies.clone(),
        metrics_for: metrics_for(config),
        certificate_ends: Arc::new(move || credentials.api_certificate_ends()),
        area: area.figures(),
        has_mail: !config.mail.host.is_empty(),
        version: env!("CARGO_PKG_VERSION"),
        role: config.role.as_str(),
        process: Arc::new(move || process_figures::look(&data_dir)),
    }
}

pub(super) fn metrics_for(config: &Config) -> MetricsFor {
    match config.api.metrics {
        MetricsReaders::Loopback => MetricsFor::Loopback,
        MetricsReaders::Open => MetricsFor::Everybody,
        MetricsReaders::Admin => MetricsFor::Administrators,
    }
}

pub(super) fn event_settings(config: &Config) -> EventSettings {
    // Readers hold their connections; a quarter is left for everybody else.
    let connections = workers(config).saturating_mul(config.limits.connections);
    let readers = config.events.readers.min(connections - connections / 4);
    let readers_per_source = config.events.readers_per_source;
    EventSettings { heartbeat: config.events.heartbeat.get(), readers, readers_per_source }
}

/// How many threads answer requests.
pub(super) fn workers(config: &Config) -> usize {
    match config.api.workers {
        0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        chosen => chosen,
    }
}

pub(super) fn session_settings(config: &Config) -> SessionSettings {
    SessionSettings {
        life: config.auth.session_life.get(),
        without_account: config.auth.header == AuthHeader::Loopback,
        limits: throttle::Limits {
            lock_after: config.auth.lock_after,
            lock_for: config.auth.lock_for.get(),
            ..throttle::Limits::default()
        },
    }
}

pub(crate) fn front_settings(config: &Config) -> front::Settings {
    front::Settings {
        workers: workers(config),
        connections_per_worker: config.limits.connections,
        handshake_timeout: Duration::from_secs(10),
        head_timeout: config.limits.head_timeout.get(),
        stall: config.events.stall.get(),
        keep_alive: config.limits.keep_alive.get(),
        stop_within: config.limits.shutdown.get(),
        limits: Limits { max_head: config.limits.head.as_len(), max_target: config.limits.target.as_len() },
        ..front::Settings::default()
    }
}
