//! `webhook`: an address that is told of changes.

use url::Url;

use crate::filter;
use crate::resource;
use crate::resource::kind::{Field, Fill, Kind, Shape, list, one_of, shaped, text};
use crate::resource::spec::{Action, Names, Offered, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "webhook",
        title: "Webhook",
        tag: "webhooks",
        uri: "urn:mf2c:resource:Webhook",
        about: "an address that is told of changes to what its owner may see",
    },
    USERS_MODIFY,
    FIELDS,
)
.actions(&[Action {
    name: "rotate-secret",
    rel: "rotate-secret",
    about: "replaces the secret and shows the new one, once; the old one is of no use any more",
    methods: &["POST"],
    body: None,
    success: 200,
    to: Offered::Editors,
    when: Action::always,
}]);

/// The longest URL, in bytes.
const MAX_URL: usize = 2048;

const FIELDS: &[Field] = &[
    shaped("url", &URL).required("where changes are sent to"),
    list("types", &Kind::Shaped(&TYPE))
        .unique()
        .not_empty()
        .optional("of which types; all that the owner may list if absent"),
    shaped("filter", &FILTER).optional("of which documents, in the filter language; all if absent"),
    one_of("state", &["ACTIVE", "PAUSED"])
        .required("whether changes are sent; a paused webhook catches up when it is made active again")
        .or(Fill::Text("ACTIVE")),
    text("reason").optional("why the agent has paused it"),
    text("secret")
        .required("what deliveries are signed with; made by the agent and shown once")
        .or(Fill::Secret)
        .secret(),
];

const URL: Shape = Shape {
    expected: "an http or https URL of at most 2048 bytes without user and fragment, such as https://example.org/hook",
    format: Some("uri"),
    holds: is_target,
};

const TYPE: Shape = Shape { expected: "the name of a resource type such as device", format: None, holds: is_told_of };

const FILTER: Shape =
    Shape { expected: "a filter such as os='linux' and memory>=1024", format: None, holds: is_filter };

/// The URL as it will be used: read by the library that also connects, so that both understand the same by it.
fn is_target(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    text.len() <= MAX_URL
        && matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && plain
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// What failed is not told of: each failure to tell would be one more to tell.
fn is_told_of(text: &str) -> bool {
    text != "webhook-failure" && resource::find(text).is_some()
}

fn is_filter(text: &str) -> bool {
    filter::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_plain_http_url() {
        for good in
            ["https://example.org/hook?a=1", "http://127.0.0.1:8080", "https://[2001:db8::1]/x", "HTTPS://EXAMPLE.org"]
        {
            assert!(is_target(good), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "https://",
            "https://jane@example.org",
            "https://a:b@example.org",
            "https://example.org/#x",
            "https://example.org/a b",
            "https://exa\nmple.org",
            "javascript:alert(1)",
            "https://example.org:99999",
        ] {
            assert!(!is_target(bad), "{bad}");
        }
        assert!(!is_target(&format!("https://example.org/{}", "a".repeat(MAX_URL))));
    }

    #[test]
    fn failures_are_not_told_of_and_unknown_types_are_refused() {
        assert!(is_told_of("device") && is_told_of("webhook"));
        assert!(!is_told_of("webhook-failure") && !is_told_of("devices") && !is_told_of("Device"));
    }
}
