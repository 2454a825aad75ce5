//! The access log: one line for a request, without anything that would let its reader in.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use percent_encoding::percent_decode_str;

/// The most bytes of a query that are written.
const MAX_QUERY: usize = 200;
/// The most bytes of a path that are written.
const MAX_PATH: usize = 300;
/// The most bytes of a caller's name that are written.
const MAX_NAME: usize = 80;
/// Addresses in `X-Forwarded-For` that are looked at.
const MAX_HOPS: usize = 16;
/// A query that speaks of one of these is not written.
const SECRET: [&str; 6] = ["password", "secret", "token", "digest", "key", "cookie"];

/// Which requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// None.
    #[default]
    Off,
    /// Those that were refused or failed: 400 and above.
    Errors,
    /// Every one.
    All,
}

impl Access {
    pub(super) fn takes(self, status: u16) -> bool {
        match self {
            Self::Off => false,
            Self::Errors => status >= 400,
            Self::All => true,
        }
    }
}

/// What is known of a request when its answer has gone out.
pub(super) struct Line {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) status: u16,
    pub(super) client: Option<IpAddr>,
    pub(super) caller: Option<String>,
    pub(super) id: String,
}

impl Line {
    /// Writes it.
    pub(super) fn write(&self, bytes: u64, took: Duration) {
        let client = self.client.map(tracing::field::display);
        let caller = self.caller.as_deref();
        let query = Some(self.query.as_str()).filter(|query| !query.is_empty());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            target: "access", method = self.method, path = self.path, query, status = self.status, bytes, micros, client,
            caller, request_id = self.id, "request"
        );
    }
}

/// Cuts a text to so many bytes and shows what is no plain character by its number.
fn plain(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        if out.len() >= most {
            out.push('…');
            break;
        }
        match c {
            ' '..='~' => out.push(c),
            _ => {
                let _ = write!(out, "%{:X}", u32::from(c));
            }
        }
    }
    out
}

/// A path as it is logged. Who knows the name of a callback may execute it.
pub(super) fn path(raw: &str) -> String {
    let decoded = percent_decode_str(raw).decode_utf8_lossy();
    match decoded.find("/callback/") {
        None => plain(&decoded, MAX_PATH),
        Some(at) => {
            let (before, name) = decoded.split_at(at + "/callback/".len());
            let action = name.split_once('/').map_or(String::new(), |(_, action)| format!("/{action}"));
            plain(&format!("{before}***{action}"), MAX_PATH)
        }
    }
}

/// A query as it is logged: not at all if it seems to hold a secret.
pub(super) fn query(raw: &str) -> String {
    let decoded = percent_decode_str(raw).decode_utf8_lossy().to_lowercase();
    if SECRET.iter().any(|word| decoded.contains(word)) || decoded.contains("callback/") {
        return "***".to_owned();
    }
    plain(raw, MAX_QUERY)
}

/// A caller's name as it is logged.
pub(super) fn name(caller: &str) -> String {
    plain(caller, MAX_NAME)
}

/// Who sent a request: the peer, or, where trusted proxies stand between, the last address before them.
pub(super) fn client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpAddr]) -> Option<IpAddr> {
    let mut client = peer?.to_canonical();
    if !trusted.contains(&client) {
        return Some(client);
    }
    let forwarded: Vec<&str> =
        headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).collect();
    for hop in forwarded.iter().rev().take(MAX_HOPS) {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusted.contains(&client) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn neither_callbacks_nor_secrets_nor_control_characters_get_into_the_log() {
        assert_eq!(path("/api/callback/5f0c-12/execute"), "/api/callback/***/execute");
        assert_eq!(path("/api/%63allback/5f0c-12"), "/api/callback/***");
        assert_eq!(path("/api/device/a%0Ab%1b"), "/api/device/a%Ab%1B");
        assert_eq!(query("$filter=name=%22x%22"), "$filter=name=%22x%22");
        for secret in ["pass%77ord=a", "$filter=Secret='x'", "a=callback/12"] {
            assert_eq!(query(secret), "***");
        }
        assert_eq!(query(&"a".repeat(500)), format!("{}…", "a".repeat(200)));
    }

    #[test]
    fn only_trusted_proxies_say_who_the_client_is() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut headers = HeaderMap::new();
        let forged = HeaderValue::from_static("6.6.6.6, 203.0.113.7, 10.0.0.2");
        headers.insert(HeaderName::from_static("x-forwarded-for"), forged);
        let trusted = [address("10.0.0.1"), address("10.0.0.2")];
        let seen = |peer: &str| client(Some(address(peer)), &headers, &trusted).unwrap().to_string();
        assert_eq!(seen("198.51.100.1"), "198.51.100.1");
        assert_eq!(seen("10.0.0.1"), "203.0.113.7");
        assert_eq!(seen("::ffff:10.0.0.1"), "203.0.113.7");
    }
}
