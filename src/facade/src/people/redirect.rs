//! Where a form sends its browser afterwards: `redirectURI`.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use mf2c_domain::resource::Form;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// The attribute of a form that holds it.
pub(super) const FIELD: &str = "redirectURI";
/// The longest one, in bytes.
const MAX_LEN: usize = 2048;

/// A place to go to that cannot be mistaken for anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect(String);

impl Redirect {
    /// What a form says, if it says anything. It is read before the form is checked, so that faults get there too.
    pub(super) fn in_form(body: &Map<String, Value>, form: &Form) -> Result<Option<Self>, ApiError> {
        match body.get(form.wrapper).and_then(|filled| filled.get(FIELD)).and_then(Value::as_str) {
            Some(text) => Self::parse(text).map(Some),
            None => Ok(None),
        }
    }

    /// An `http` or `https` address, or a path on this server. A path must not begin with two slashes, which would be
    /// another server; and nothing may end the header it will stand in.
    fn parse(text: &str) -> Result<Self, ApiError> {
        let path = text.starts_with('/') && !text[1..].starts_with(['/', '\\']);
        let absolute = ["http://", "https://"].iter().any(|scheme| {
            text.strip_prefix(scheme)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['))
        });
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
        if text.len() <= MAX_LEN && plain && (path || absolute) {
            return Ok(Self(text.to_owned()));
        }
        Err(ApiError::bad_request(format!(
            "`{FIELD}` is no place to go to: expected a path such as /login, or http(s)://..., of at most {MAX_LEN} bytes"
        )))
    }

    pub(super) fn target(&self) -> &str {
        &self.0
    }

    /// 303 back to the form with what is wrong.
    pub(super) fn after(&self, error: &ApiError) -> HttpResponse {
        let document = error.document();
        let message = document.get("message").and_then(Value::as_str).unwrap_or_default();
        let (place, fragment) = self.0.split_once('#').unwrap_or((&self.0, ""));
        let join = if place.contains('?') { '&' } else { '?' };
        let hash = if fragment.is_empty() { "" } else { "#" };
        let error = utf8_percent_encode(message, NON_ALPHANUMERIC);
        HttpResponse::build(StatusCode::SEE_OTHER)
            .insert_header((header::LOCATION, format!("{place}{join}error={error}{hash}{fragment}")))
            .json(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_go_on_to_a_path_or_to_a_web_address() {
        for good in ["/", "/login?x=1", "http://redirect.example.org", "https://[::1]:8443/a#b"] {
            assert_eq!(Redirect::parse(good).unwrap().target(), good);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_or_into_the_header_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_LEN));
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "JAVASCRIPT:x",
            "data:text/html,x",
            "ftp://a",
            "http:///a",
            "http://",
            "https:/a",
            "a",
            "/a\r\nset-cookie: x=1",
            "/a b",
            "/\t/evil.example",
            "/\u{e4}",
            &long,
        ] {
            assert!(Redirect::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_fault_is_told_where_the_form_goes_on() {
        let told = |to: &str| {
            let answer = Redirect::parse(to).unwrap().after(&ApiError::bad_request("a & b"));
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            answer.headers().get(header::LOCATION).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(told("/login"), "/login?error=a%20%26%20b");
        assert_eq!(told("/login?x=1#top"), "/login?x=1&error=a%20%26%20b#top");
    }
}
