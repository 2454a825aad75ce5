//! The address that links in mails begin with.
//!
//! A link in a mail proves who its reader is, so it must lead here. What a request says of the host is taken only where
//! that is a name of this agent: else somebody could have a mail sent whose link leads to him.

use actix_web::http::header;
use mf2c_actors::account_manager::Origin;

use crate::cimi::Exchange;
use crate::proxy;

/// Where a request comes from, for the account manager.
pub(crate) fn origin(exchange: &Exchange<'_>) -> Origin {
    let source = proxy::client(exchange.request, &exchange.api.settings.trusted_proxies);
    Origin { by: exchange.caller.clone(), source, base: base(exchange) }
}

/// The address of this agent as people reach it: `https://fog.example.org:8443`.
pub(crate) fn base(exchange: &Exchange<'_>) -> String {
    let settings = &exchange.api.settings;
    if let Some(url) = &settings.external_url {
        return url.trim_end_matches('/').to_owned();
    }
    let base = exchange.base_uri();
    let reached = base.strip_suffix("/api/").unwrap_or(&base);
    let (scheme, authority) = reached.split_once("://").unwrap_or(("https", reached));
    let (host, port) = split(authority);
    let forwarded = exchange.request.headers().contains_key(header::HeaderName::from_static("x-forwarded-host"));
    let by_proxy = forwarded && proxy::is_trusted(exchange.request, &settings.trusted_proxies);
    if by_proxy || is_own(host, &settings.names) {
        return reached.to_owned();
    }
    let own = settings.names.first().map_or("localhost", String::as_str);
    let own = if own.contains(':') { format!("[{own}]") } else { own.to_owned() };
    format!("{scheme}://{own}{port}")
}

/// The host, and what follows it: a port with its colon, or nothing.
pub(crate) fn split(authority: &str) -> (&str, &str) {
    match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
        Some(at) if authority[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => authority.split_at(at),
        _ => (authority, ""),
    }
}

/// Whether a host is this agent: by a name of its own, or on the machine of whoever reads the mail.
pub(crate) fn is_own(host: &str, names: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let near = bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    near || names.iter().any(|name| name.eq_ignore_ascii_case(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_port() {
        for (authority, host, port) in [
            ("fog.example.org:8443", "fog.example.org", ":8443"),
            ("fog.example.org", "fog.example.org", ""),
            ("[::1]:8443", "[::1]", ":8443"),
            ("[::1]", "[::1]", ""),
        ] {
            assert_eq!(split(authority), (host, port));
        }
    }

    #[test]
    fn only_names_of_the_agent_are_its_own() {
        let names = ["fog.example.org".to_owned(), "10.0.0.5".to_owned(), "fd00::5".to_owned()];
        for own in ["localhost", "127.0.0.1", "[::1]", "FOG.example.org", "10.0.0.5", "[fd00::5]"] {
            assert!(is_own(own, &names), "{own}");
        }
        for other in ["evil.example", "fog.example.org.evil.example", "10.0.0.6", "", "127.0.0.1.evil.example"] {
            assert!(!is_own(other, &names), "{other}");
        }
    }
}
