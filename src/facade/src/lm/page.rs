//! The description of the endpoints: the OpenAPI document, and the same as a page for people.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header;
use mf2c_domain::resource::openapi_of_lifecycle;
use serde_json::Value;

use super::Call;
use super::route::At;

/// The page needs nothing from anywhere, and nothing may be put into it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px sans-serif;margin:2em;max-width:60em}td{padding:.3em 1em .3em 0;vertical-align:top}\
                     code{font-size:.95em}";

impl Call<'_> {
    /// `GET /lm`: a page for browsers, the document for programs.
    pub(super) fn description(&self) -> HttpResponse {
        let accepted = self.exchange.request.headers().get(header::ACCEPT);
        let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepted.contains("text/html") {
            return self.page();
        }
        HttpResponse::Ok().insert_header((header::VARY, "accept")).json(self.document())
    }

    pub(super) fn page(&self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((header::VARY, "accept"))
            .body(page(&self.document()))
    }

    fn document(&self) -> Value {
        let prefix = if self.door.at == At::Below { "/lm" } else { "/api/v2/lm" };
        openapi_of_lifecycle(self.door.facts.version, prefix)
    }
}

/// A table of all that the document describes.
fn page(document: &Value) -> String {
    let title = escaped(document["info"]["title"].as_str().unwrap_or_default());
    let version = escaped(document["info"]["version"].as_str().unwrap_or_default());
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1><p>Version {version}. The same for programs: this address with \
         <code>Accept: application/json</code>.</p><table>"
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Some(summary) = operation["summary"].as_str() else { continue };
            let (method, path, summary) = (method.to_uppercase(), escaped(path), escaped(summary));
            // Writing into a text cannot fail.
            let _ = write!(page, "<tr><td><code>{method}</code><td><code>{path}</code><td>{summary}</tr>");
        }
    }
    page.push_str("</table></body></html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_lists_each_endpoint_of_the_document_and_needs_nothing_from_elsewhere() {
        let document = openapi_of_lifecycle("1.2.3", "/lm");
        let page = page(&document);
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
            for method in item.as_object().unwrap().keys().filter(|name| *name != "parameters") {
                assert!(page.contains(&format!("<code>{}</code><td><code>{path}</code>", method.to_uppercase())));
            }
        }
        assert!(page.contains("1.2.3") && !page.contains("://"), "{page}");
    }

    #[test]
    fn no_text_of_a_document_becomes_a_tag() {
        let document = json!({ "paths": { "/<b>": { "get": { "summary": "\"<script>\"" } } } });
        let page = page(&document);
        assert!(page.contains("/&lt;b&gt;") && !page.contains("<script>"), "{page}");
    }
}
