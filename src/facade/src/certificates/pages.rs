//! Which pages in browsers may use a client certificate.
//!
//! A browser shows the certificate that its user has chosen to every request, also to those that a page of another site
//! makes. A cookie has `SameSite` against that, a certificate has nothing: so what browsers say of the page decides.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

/// Whether a page of another site has made the request, which is none of those that the operator has named. Programs say
/// nothing of pages.
pub(super) fn is_foreign(request: &HttpRequest, named: &[String]) -> bool {
    let host = request.uri().authority().map(|authority| authority.as_str());
    let host = host.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    is_foreign_to(request.headers(), &format!("https://{}", host.unwrap_or_default()), named)
}

/// The same for a listener whose own pages are at this origin: `https://host:port`.
pub(crate) fn is_foreign_to(headers: &HeaderMap, own: &str, named: &[String]) -> bool {
    if headers.contains_key(header::ORIGIN) {
        let good = |origin: &str| {
            origin.eq_ignore_ascii_case(own) || named.iter().any(|named| named == origin && named != "*")
        };
        return !headers.get_all(header::ORIGIN).all(|origin| origin.to_str().is_ok_and(good));
    }
    // Without an origin: what a page only shows or follows, such as a picture or a link.
    let mut sites = headers.get_all("sec-fetch-site");
    !sites.all(|site| site == "same-origin" || site == "none")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn foreign(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_foreign_to(&map, "https://fog.example:8443", &["https://console.example".to_owned(), "*".to_owned()])
    }

    #[test]
    fn programs_own_pages_and_named_ones_may_use_it() {
        for headers in [
            &[][..],
            &[("origin", "https://fog.example:8443")],
            &[("origin", "https://FOG.example:8443"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://console.example"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin")],
        ] {
            assert!(!foreign(headers), "{headers:?}");
        }
    }

    #[test]
    fn other_pages_may_not_whatever_they_do() {
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "*")],
            &[("origin", "")],
            &[("origin", "http://fog.example:8443")],
            &[("origin", "https://fog.example")],
            &[("origin", "https://fog.example:8443.evil.example")],
            &[("origin", "https://fog.example:8443"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        ] {
            assert!(foreign(headers), "{headers:?}");
        }
    }
}
