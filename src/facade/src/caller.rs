//! Who asks: what a header claims in development, who is signed in with the session whose cookie came along, or whom the
//! client certificate of the connection names, in this order.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::uri::Authority;
use actix_web::web::Data;
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Timestamp;
use mf2c_store::Store;

use crate::certificates;
use crate::cimi::Api;
use crate::error::ApiError;
use crate::front::Peer;
use crate::people::links;
use crate::recognizer::Recognizer;

/// The header by which the original let anybody be anybody: `internal ADMIN`, `jane USER`.
pub const AUTHN_INFO: &str = "slipstream-authn-info";

/// The cookie that holds a session's token: `token=<JWT>`, or the token alone.
pub const COOKIE: &str = "com.sixsq.slipstream.cookie";

/// Headers that show that somebody else stands between the client and us.
const FORWARDING: [&str; 9] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// The caller of a request: whom the header names, where it counts; else who is signed in; else whom the certificate of
/// the connection names; else nobody. A session comes before a certificate: it was begun on purpose, while browsers and
/// tools show a certificate once it is set up. A bad proof makes nobody of a caller, and is no error: a browser sends what
/// it has.
#[must_use]
pub fn caller_of(request: &HttpRequest, api: &Api) -> Caller {
    named(request, api)
        .or_else(|| signed_in(request.headers(), &api.tokens, &api.store, || api.world.clock.now()))
        .or_else(|| certificates::bearer(request, api)?.ok())
        .unwrap_or_else(Caller::anonymous)
}

/// A refusal for want of credentials, with the reason why the certificate of the connection is none.
#[must_use]
pub fn explained(error: ApiError, request: &HttpRequest, api: &Api, caller: &Caller) -> ApiError {
    if caller.identity().is_some() || !error.wants_credentials() {
        return error;
    }
    match certificates::bearer(request, api) {
        Some(Err(unfit)) => error.because(&unfit),
        _ => error,
    }
}

/// Whether a caller is still who he was: his session has neither expired nor been ended. To be asked again while a
/// stream goes on.
#[must_use]
pub fn still_valid(caller: &Caller, store: &Store, now: Timestamp) -> bool {
    caller.holds(now) && caller.session().is_none_or(|session| store.get(session).is_some())
}

/// Whom the header names. It counts only if it is allowed, from a loopback address, if no proxy has forwarded the request,
/// because behind one everybody comes from loopback, and if the client calls this machine by a name that it has: a page
/// in a browser on this machine may have had its own name lead here.
fn named(request: &HttpRequest, api: &Api) -> Option<Caller> {
    let claims = request.headers().get(AUTHN_INFO).filter(|_| api.settings.header_allowed)?;
    if !comes_from_here(request, &api.settings.names) {
        tracing::warn!(
            header = AUTHN_INFO,
            "ignored the header of a request that does not come straight from this machine"
        );
        return None;
    }
    let mut words = claims.to_str().unwrap_or_default().split_whitespace();
    words.next().map(|identity| Caller::new(identity, words))
}

/// Whether a request comes straight from a program on this machine that calls it by its name.
pub(crate) fn comes_from_here(request: &HttpRequest, names: &[String]) -> bool {
    let near = request.conn_data::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
    near && !is_forwarded(request.headers()) && is_called_by_its_name(request, names)
}

/// Names without a dot are given out by whoever runs the network, not to strangers; the guide calls the agent `cimi`
/// and `service-manager`.
fn is_called_by_its_name(request: &HttpRequest, names: &[String]) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(Authority::as_str).or(host);
    let host = host.map(|host| links::split(host).0);
    host.is_none_or(|host| {
        links::is_own(host, names) || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Tells whether a caller may still do what he was allowed to do when his request came.
pub type StillAllowed = Box<dyn Fn() -> bool>;

/// What an answer that lasts, such as the event stream, asks now and then: whether the caller's session still counts, or
/// his certificate still gives the same rights. A header and anonymity have no end.
#[must_use]
pub fn still_allowed(request: &HttpRequest, api: &Data<Api>, caller: &Caller) -> StillAllowed {
    let (api, caller) = (Data::clone(api), caller.clone());
    let peer = caller.certificate().and_then(|_| request.conn_data::<Peer>());
    match peer.and_then(|peer| peer.user.clone()) {
        Some(bearer) => {
            Box::new(move || bearer.caller(&api.store, api.world.clock.now()).is_ok_and(|now| now == caller))
        }
        None => Box::new(move || still_valid(&caller, &api.store, api.world.clock.now())),
    }
}

/// Whether somebody else stands between the client and us.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::VIA) || FORWARDING.iter().any(|name| headers.contains_key(*name))
}

/// Who is signed in with the session that the cookie names.
fn signed_in(headers: &HeaderMap, tokens: &Recognizer, store: &Store, now: impl Fn() -> Timestamp) -> Option<Caller> {
    let caller = tokens.caller(token(headers)?, now())?;
    // The token is good, but the session may have been ended.
    let is_there = store.get(caller.session()?).is_some();
    is_there.then_some(caller)
}

/// The token in the one cookie of our name; none where two of them differ, because nobody knows which one is meant.
fn token(headers: &HeaderMap) -> Option<&str> {
    let mut found = None;
    for header in headers.get_all(header::COOKIE) {
        // Cookies of others may hold bytes that are no text.
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let Some(value) = pair.trim_ascii().strip_prefix(COOKIE.as_bytes()) else { continue };
            let Some(value) = value.trim_ascii_start().strip_prefix(b"=") else { continue };
            if found.is_some_and(|found| found != value) {
                return None;
            }
            found = Some(value);
        }
    }
    let value = std::str::from_utf8(found?).ok()?.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some(value.strip_prefix("token=").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(cookies: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn the_token_is_found_among_other_cookies_with_and_without_its_name() {
        let token = Some("a.b-_c".to_owned());
        for cookie in [
            "com.sixsq.slipstream.cookie=token=a.b-_c",
            "com.sixsq.slipstream.cookie=a.b-_c",
            "com.sixsq.slipstream.cookie=\"token=a.b-_c\"",
            "x=1; com.sixsq.slipstream.cookie=token=a.b-_c; y",
            ";;com.sixsq.slipstream.cookie=a.b-_c;com.sixsq.slipstream.cookie2=z",
        ] {
            assert_eq!(read(&[cookie.as_bytes()]), token, "{cookie}");
        }
        assert_eq!(read(&[b"x=\xff\xfe", b"com.sixsq.slipstream.cookie=a.b-_c"]), token);
    }

    #[test]
    fn one_token_may_come_twice_but_two_tokens_are_none() {
        let [a, b] = [b"com.sixsq.slipstream.cookie=a".as_slice(), b"com.sixsq.slipstream.cookie=b"];
        assert_eq!(read(&[a, a]), Some("a".to_owned()));
        assert_eq!(read(&[a, b]), None);
        assert_eq!(read(&[b"com.sixsq.slipstream.cookie=a; com.sixsq.slipstream.cookie=b"]), None);
        assert_eq!(read(&[b"com.sixsq.slipstream.cookie=\xff"]), None);
        for none in [&b""[..], b"com.sixsq.slipstream.cookie", b"COM.SIXSQ.slipstream.cookie=a", b"=a", b";"] {
            assert_eq!(read(&[none]), None);
        }
    }
}
