//! Which pages in browsers may use the API (the CORS protocol of the Fetch standard), by configuration.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
/// What a page may send besides what every page may.
const ALLOWED: HeaderValue =
    HeaderValue::from_static("Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, X-Request-Id");
/// What a page may read besides what every page may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("ETag, Location, Retry-After, Idempotency-Replayed, X-Request-Id");
/// How long a browser may remember the answer to a preflight, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The origins that are allowed.
#[derive(Debug, Clone, Default)]
pub(super) struct Cors {
    origins: Vec<String>,
    any: bool,
}

impl Cors {
    /// `*` among the origins allows every page, without cookies.
    pub(super) fn new(origins: &[String]) -> Self {
        let any = origins.iter().any(|origin| origin == "*");
        Self { origins: origins.iter().filter(|origin| *origin != "*").cloned().collect(), any }
    }

    fn is_off(&self) -> bool {
        self.origins.is_empty() && !self.any
    }

    /// The origin to allow, and whether the page may use the cookies that it has here.
    fn allowed(&self, request: &HeaderMap) -> Option<(HeaderValue, bool)> {
        let origin = request.get(ORIGIN)?;
        if self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return Some((origin.clone(), true));
        }
        self.any.then_some((HeaderValue::from_static("*"), false))
    }

    /// The answer to a preflight of an allowed page; everybody else goes on to where OPTIONS leads.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HttpResponse> {
        if self.is_off() || *method != Method::OPTIONS || !request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        self.allowed(request)?;
        let mut response = HttpResponse::NoContent();
        response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS));
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED));
        response.insert_header((ACCESS_CONTROL_MAX_AGE, REMEMBERED));
        Some(response.finish())
    }

    /// Tells the browser on any answer whether the page may read it.
    pub(super) fn tell(&self, allowed: Option<(HeaderValue, bool)>, response: &mut HeaderMap) {
        if self.is_off() {
            return;
        }
        if !self.origins.is_empty() {
            response.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some((origin, credentials)) = allowed {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            if credentials {
                response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
    }

    /// What [`Cors::tell`] needs to know of the request.
    pub(super) fn look(&self, request: &HeaderMap) -> Option<(HeaderValue, bool)> {
        if self.is_off() { None } else { self.allowed(request) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origins: &[&str], origin: &str) -> HeaderMap {
        let cors = Cors::new(&origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>());
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        let mut response = HeaderMap::new();
        cors.tell(cors.look(&request), &mut response);
        response
    }

    #[test]
    fn only_the_very_origin_is_allowed_and_a_star_never_with_cookies() {
        let console = "https://console.example.org";
        let allowed = asked(&[console], console);
        assert_eq!(allowed.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), console);
        assert!(allowed.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        for stranger in ["https://console.example.org.evil.org", "http://console.example.org", "null"] {
            let refused = asked(&[console], stranger);
            assert!(!refused.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{stranger}");
            assert_eq!(refused.get(VARY).unwrap(), "Origin");
        }
        let anybody = asked(&["*"], "https://elsewhere.example.org");
        assert_eq!(anybody.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(!anybody.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert_eq!(asked(&[], console).len(), 0);
    }
}
