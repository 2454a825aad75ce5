//! What a configuration must hold to make sense as a whole, and what deserves a warning. Nothing here touches the disk or
//! the network.

use std::collections::BTreeMap;
use std::fmt::Display;

use mf2c_domain::area::name;

use super::address::ListenAddress;
use super::area;
use super::error::{Origin, Problem};
use super::legacy;
use super::quantity::{HumanDuration, HumanSize};
use super::settings::Config;
use super::words::{AuthHeader, MailSecurity};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
/// Every request of a browser is compared with each of them.
const MAX_ORIGINS: usize = 100;

/// Everything that is wrong with `config`.
pub(super) fn problems(config: &Config, origins: &BTreeMap<String, Origin>) -> Vec<Problem> {
    let mut check = Check { origins, problems: vec![] };
    check.addresses(config);
    check.certificate(config);
    check.auth(config);
    check.mail(config);
    check.limits(config);
    check.store(config);
    check.events(config);
    check.device(config);
    check.webhooks(config);
    check.sla(config);
    check.link(config);
    check.pki(config);
    check.area(config);
    check.discovery(config);
    check.flocker(config);
    check.deltacloud(config);
    check.deter(config);
    check.legacy(config);
    check.qos(config);
    check.services(config);
    check.sharing(config);
    if let Err(error) = crate::logging::filter(&config.log.level) {
        check.refuse("log.level", error.to_string());
    }
    check.problems
}

/// Where an agent listens with this configuration, by key.
fn listeners(config: &Config) -> Vec<(&'static str, ListenAddress)> {
    let first = [
        ("api.listen", Some(config.api.listen)),
        ("api.http", config.api.http),
        ("link.listen", Some(config.link.listen)),
        ("flocker.listen", config.flocker.listen),
    ];
    let last = [
        ("discovery.listen", config.discovery.listen),
        ("qos.listen", config.qos.listen),
        ("sla.listen", config.sla.listen),
        ("deltacloud.listen", config.deltacloud.listen),
        ("deter.listen", config.deter.listen),
    ];
    let set = |(key, address): (&'static str, Option<ListenAddress>)| Some((key, address?));
    let last = last.into_iter().chain(config.services.doors());
    first.into_iter().filter_map(set).chain(config.legacy.doors()).chain(last.filter_map(set)).collect()
}

pub(super) struct Check<'a> {
    origins: &'a BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn refuse(&mut self, key: &str, reason: String) {
        let origin = self.origins.get(key).cloned().unwrap_or(Origin::Default);
        self.problems.push(Problem::Refused { origin, key: key.to_owned(), reason });
    }

    pub(super) fn range<T: PartialOrd + Display>(&mut self, key: &str, value: T, least: T, most: T) {
        // `contains` is false for NaN as well.
        if !(&least..=&most).contains(&&value) {
            self.refuse(key, format!("{value} is out of range; expected {least} to {most}"));
        }
    }

    fn size(&mut self, key: &str, value: HumanSize, least: u64, most: u64) {
        self.range(key, value, HumanSize::from_bytes(least), HumanSize::from_bytes(most));
    }

    /// `least` in milliseconds, `most` in seconds.
    pub(super) fn time(&mut self, key: &str, value: HumanDuration, least: u64, most: u64) {
        self.range(key, value, HumanDuration::from_millis(least), HumanDuration::from_secs(most));
    }

    /// The listener of this key has a port of its own, if it listens. Of two that share one the later in the list is refused.
    pub(super) fn alone(&mut self, config: &Config, key: &str) {
        let all = listeners(config);
        let Some((_, listen)) = all.iter().find(|(listener, _)| *listener == key) else { return };
        let before = all.iter().take_while(|(listener, _)| *listener != key);
        if let Some((other, _)) = before.into_iter().find(|(_, other)| other.collides(*listen)) {
            self.refuse(key, format!("{listen} is taken by `{other}`; choose another port"));
        }
    }

    fn addresses(&mut self, config: &Config) {
        let listen = config.api.listen;
        if config.api.http.is_some_and(|http| http.collides(listen)) {
            let reason = format!("plain HTTP cannot share {listen} with HTTPS (`api.listen`); choose another port");
            self.refuse("api.http", reason);
        }
        let url = &config.api.external_url;
        if !url.is_empty() && !is_server(url) {
            let url: String = url.chars().take(60).collect();
            let reason = format!("`{url}` is no address of a server; write for example `https://fog.example.org:8443`");
            self.refuse("api.external_url", reason);
        }
        self.range("api.workers", config.api.workers, 0, 1024);
        let origins = &config.api.cors_origins;
        if origins.len() > MAX_ORIGINS {
            let reason = format!("{} origins are too many; at most {MAX_ORIGINS} are looked through", origins.len());
            self.refuse("api.cors_origins", reason);
        }
        for origin in origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
            let origin: String = origin.chars().take(60).collect();
            self.refuse(
                "api.cors_origins",
                format!(
                    "`{origin}` is no origin; write scheme, host and port as browsers send them, in lower case and \
                     without a path: `https://console.example.org`, or `*` for every page, without cookies"
                ),
            );
        }
    }

    fn certificate(&mut self, config: &Config) {
        let missing = match (&config.tls.certificate, &config.tls.key) {
            (Some(_), None) => Some(("tls.certificate", "tls.key")),
            (None, Some(_)) => Some(("tls.key", "tls.certificate")),
            _ => None,
        };
        if let Some((given, missing)) = missing {
            self.refuse(given, format!("needs `{missing}` too; set both, or none for a self-made certificate"));
        }
        for name in config.tls.names.iter().filter(|name| !is_host(name)) {
            let name: String = name.chars().take(60).collect();
            self.refuse(
                "tls.names",
                format!("`{name}` is no host name or address; write for example `fog.example.org`"),
            );
        }
    }

    fn auth(&mut self, config: &Config) {
        let auth = &config.auth;
        self.time("auth.session_life", auth.session_life, 60_000, 366 * 24 * HOUR);
        self.range("auth.lock_after", auth.lock_after, 1, 1000);
        self.time("auth.lock_for", auth.lock_for, 1000, 15 * MINUTE);
        self.time("auth.validation_life", auth.validation_life, 1000, 30 * 24 * HOUR);
    }

    fn mail(&mut self, config: &Config) {
        let mail = &config.mail;
        self.time("mail.timeout", mail.timeout, 1000, 10 * MINUTE);
        if mail.host.is_empty() {
            let orphans = [("mail.username", !mail.username.is_empty()), ("mail.from", !mail.from.is_empty())];
            for (key, _) in orphans.into_iter().filter(|(_, given)| *given) {
                self.refuse(key, "means nothing without `mail.host`; set that, or leave this empty".to_owned());
            }
            return;
        }
        if !is_host(&mail.host) || mail.host.starts_with("*.") {
            let host: String = mail.host.chars().take(60).collect();
            self.refuse("mail.host", format!("`{host}` is no host; write for example `smtp.example.org`"));
        }
        if mail.from.is_empty() {
            let reason = "is missing; `mail.host` needs the address that mails come from: `fog@example.org`";
            self.refuse("mail.from", reason.to_owned());
        }
        if mail.security == MailSecurity::None && !is_near(&mail.host) {
            let reason = "is for a mail server on this machine: passwords and links would cross the network in clear \
                          text; use `starttls` or `tls`";
            self.refuse("mail.security", reason.to_owned());
        }
        match (mail.username.is_empty(), &mail.password_file) {
            (false, None) => self.refuse("mail.username", "needs `mail.password_file` too".to_owned()),
            (true, Some(_)) => self.refuse("mail.password_file", "needs `mail.username` too".to_owned()),
            _ => {}
        }
    }

    fn limits(&mut self, config: &Config) {
        let limits = &config.limits;
        self.size("limits.body", limits.body, KIB, GIB);
        self.size("limits.bulk_body", limits.bulk_body, KIB, GIB);
        if limits.body > limits.bulk_body {
            let reason =
                format!("{} is more than `limits.bulk_body` ({}); raise that too", limits.body, limits.bulk_body);
            self.refuse("limits.body", reason);
        }
        self.size("limits.head", limits.head, 4 * KIB, 64 * KIB);
        // Three times as much must fit into what the HTTP library takes: each byte may be percent-encoded.
        self.size("limits.target", limits.target, KIB, 21 * KIB);
        if limits.target > limits.head {
            let reason = format!("{} is more than `limits.head` ({}), which holds it", limits.target, limits.head);
            self.refuse("limits.target", reason);
        }
        self.range("limits.connections", limits.connections, 1, 1_000_000);
        self.time("limits.head_timeout", limits.head_timeout, 100, 10 * MINUTE);
        self.time("limits.body_timeout", limits.body_timeout, 100, HOUR);
        self.time("limits.keep_alive", limits.keep_alive, 1000, HOUR);
        self.time("limits.shutdown", limits.shutdown, 0, 10 * MINUTE);
        self.range("limits.page", limits.page, 1, 10_000);
    }

    fn store(&mut self, config: &Config) {
        let store = &config.store;
        self.size("store.memory_budget", store.memory_budget, MIB, 1024 * GIB);
        self.size("store.min_free", store.min_free, 0, 1024 * GIB);
        self.size("store.write_buffer", store.write_buffer, MIB, GIB);
        self.range("store.log_entries", store.log_entries, 100, 100_000_000);
        self.size("store.log_size", store.log_size, MIB, 1024 * GIB);
        self.range("store.queue", store.queue, 1, 1_000_000);
        self.range("store.keep_events", store.keep_events, 1, 1_000_000);
        self.time("store.keep_events_for", store.keep_events_for, 1000, 3650 * 24 * HOUR);
        self.range("store.keep_conflicts", store.keep_conflicts, 1, 1_000_000);
        self.range("store.keep_reports", store.keep_reports, 1000, 100_000_000);
        self.time("store.keep_reports_for", store.keep_reports_for, 60_000, 3650 * 24 * HOUR);
        self.range("store.keep_findings", store.keep_findings, 1000, 100_000_000);
    }

    fn events(&mut self, config: &Config) {
        let events = &config.events;
        self.time("events.heartbeat", events.heartbeat, 100, HOUR);
        self.range("events.readers", events.readers, 0, 1_000_000);
        self.range("events.readers_per_source", events.readers_per_source, 1, 1_000_000);
        self.time("events.stall", events.stall, 100, HOUR);
    }

    fn webhooks(&mut self, config: &Config) {
        let webhooks = &config.webhooks;
        self.range("webhooks.attempts", webhooks.attempts, 1, 100);
        self.time("webhooks.first_pause", webhooks.first_pause, 1, 5 * MINUTE);
        self.time("webhooks.timeout", webhooks.timeout, 100, 5 * MINUTE);
    }

    fn device(&mut self, config: &Config) {
        let device = &config.device;
        self.time("device.sample_every", device.sample_every, 100, 24 * HOUR);
        self.time("device.publish_every", device.publish_every, 100, 24 * HOUR);
        if device.publish_every < device.sample_every {
            let reason =
                format!("{} is less than `device.sample_every` ({})", device.publish_every, device.sample_every);
            self.refuse("device.publish_every", reason);
        }
        if !device.name.is_empty()
            && let Err(error) = name::check(&device.name)
        {
            self.refuse("device.name", error.to_string());
        }
        self.range("device.threshold_percent", device.threshold_percent, 0.0, 100.0);
        for (index, sensor) in device.sensors.iter().enumerate() {
            if sensor.kinds.is_empty() {
                let reason = format!("sensor {} has no `kinds`; say what it measures: [\"temperature\"]", index + 1);
                self.refuse("device.sensors", reason);
            }
        }
    }
}

/// Whether a text is `http://` or `https://` with a host and perhaps a port, and nothing behind.
fn is_server(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, port.parse::<u16>().is_ok_and(|port| port > 0)),
        None => (rest, true),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    port && !host.starts_with("*.")
        && match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_host(host) && !host.contains(':'),
        }
}

/// Whether a mail server is on this machine.
fn is_near(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a name may stand in a certificate: a DNS name, perhaps with a leading `*.`, or an address.
pub(crate) fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = name.strip_prefix("*.").unwrap_or(name);
    name.parse::<std::net::IpAddr>().is_ok() || (name.len() <= 253 && host.split('.').all(label))
}

/// Whether a text is an origin as browsers send it (RFC 6454, 6.2): never with a path, an end slash or a default port.
fn is_origin(text: &str) -> bool {
    let Some((scheme, address)) = text.split_once("://") else { return false };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (address, None),
    };
    let usual = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return false,
    };
    let named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host(host) && !host.starts_with('*') && !host.contains(':'),
    };
    let good_port = |port: &str| port != usual && !port.starts_with('0') && port.parse::<u16>().is_ok();
    named && !host.bytes().any(|byte| byte.is_ascii_uppercase()) && port.is_none_or(good_port)
}

/// What works but should not go unnoticed.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = vec![];
    let outside: Vec<String> = [Some(config.api.listen), config.api.http]
        .into_iter()
        .flatten()
        .filter(|address| !address.is_loopback())
        .map(|address| address.to_string())
        .collect();
    if let Some(http) = config.api.http.filter(|http| !http.is_loopback()) {
        warnings.push(format!(
            "plain HTTP on {http} (`api.http`): passwords and tokens cross the network in clear text; \
             keep it on 127.0.0.1 behind a proxy, or use HTTPS only"
        ));
    }
    if config.auth.header == AuthHeader::Loopback {
        warnings.push(
            "`auth.header` is `loopback`: every program on this machine can act as administrator; \
             meant for development only"
                .into(),
        );
        if !outside.is_empty() {
            warnings.push(format!(
                "DEVELOPMENT MODE ON THE NETWORK: {} can be reached from outside; the header is believed from this \
                 machine only, but listen on 127.0.0.1 unless others need to connect",
                outside.join(" and ")
            ));
        }
        if !config.api.trusted_proxies.is_empty() {
            warnings.push(
                "`auth.header` is `loopback` and `api.trusted_proxies` is set: a proxy on this machine could pass the \
                 header on from outside; make it remove `slipstream-authn-info`"
                    .into(),
            );
        }
    }
    warnings.extend(area::warnings(config));
    warnings.extend(legacy::warnings(config));
    warnings
}
