//! Whether a page in a browser has made a request. Nobody signs in here, and whoever reaches this machine's own addresses is
//! served; a browser on this machine lets every page reach them, but says so.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

use crate::people::links;

/// Whether it was a page of whoever: it comes with an origin or says that it is one's, or it calls this machine by a name
/// that a stranger can have given it. `names` are those of this machine that its operator knows.
pub(crate) fn is_of_a_page(request: &HttpRequest, names: &[String]) -> bool {
    let host = request.uri().authority().map(|authority| authority.as_str());
    let host = host.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    has_page(request.headers()) || host.is_some_and(|host| !is_called_by_its_name(links::split(host).0, names))
}

fn has_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.get_all("sec-fetch-site").any(|site| site != "none")
}

/// Names without a dot and addresses are not given out by strangers.
fn is_called_by_its_name(host: &str, names: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    !bare.contains('.') || bare.parse::<IpAddr>().is_ok() || links::is_own(host, names)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn programs_that_call_this_machine_by_its_name_are_no_pages() {
        let names = ["fog.example.org".to_owned()];
        let of = |name: &'static str, value: &str| {
            is_of_a_page(&TestRequest::default().insert_header((name, value)).to_http_request(), &names)
        };
        for host in [
            "localhost:46060",
            "127.0.0.1:46060",
            "[::1]:46060",
            "10.0.0.7",
            "my_identification-1:46060",
            "fog.example.org",
        ] {
            assert!(!of("host", host), "{host}");
        }
        assert!(!is_of_a_page(&TestRequest::default().to_http_request(), &names));
        assert!(!of("sec-fetch-site", "none"), "somebody has typed it");
        for host in ["rebound.evil.example:46060", "127.0.0.1.evil.example", "localhost.evil.example", "localhost."] {
            assert!(of("host", host), "{host}");
        }
        assert!(of("origin", "https://evil.example") && of("origin", "null") && of("sec-fetch-site", "cross-site"));
    }
}
