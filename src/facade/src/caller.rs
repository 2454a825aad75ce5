//! Who asks. Until people can sign in, a request is anonymous, or, in development, what a header claims.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use mf2c_domain::caller::Caller;

use crate::front::Peer;

/// The header by which the original let anybody be anybody: `internal ADMIN`, `jane USER`.
pub const AUTHN_INFO: &str = "slipstream-authn-info";

/// Headers that show that somebody else stands between the client and us.
const FORWARDING: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// The caller of a request. The header counts only if `header_allowed`, from a loopback address, and if no proxy has
/// forwarded the request: behind one, everybody comes from loopback.
#[must_use]
pub fn caller_of(request: &HttpRequest, header_allowed: bool) -> Caller {
    if !header_allowed || !request.headers().contains_key(AUTHN_INFO) {
        return Caller::anonymous();
    }
    let near = request.conn_data::<Peer>().is_some_and(|peer| peer.address.ip().to_canonical().is_loopback());
    if !near || is_forwarded(request.headers()) {
        tracing::warn!(
            header = AUTHN_INFO,
            "ignored the header of a request that does not come straight from this machine"
        );
        return Caller::anonymous();
    }
    let claims = request.headers().get(AUTHN_INFO).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut words = claims.split_whitespace();
    words.next().map_or_else(Caller::anonymous, |identity| Caller::new(identity, words))
}

/// Whether somebody else stands between the client and us.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::VIA) || FORWARDING.iter().any(|name| headers.contains_key(*name))
}
