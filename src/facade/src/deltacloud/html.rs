//! Answers as pages for people: plain ones, which need nothing from anywhere.

use std::fmt::{Display, Write as _};

use super::VERSION;
use super::markup::Escaped;
use super::shown::{ShownApi, ShownDriver, ShownError, ShownKey};

/// Nothing may be put into a page, and its forms lead nowhere else.
pub(super) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const STYLE: &str = "body{font:16px sans-serif;margin:2em;max-width:60em}th,td{padding:.3em 1em .3em 0;text-align:left;\
                     vertical-align:top}pre,code{font-size:.9em}input,textarea{display:block;margin:.3em 0 1em;width:100%}\
                     form.inline{display:inline}";

// Writing into a text cannot fail.

fn page(title: &str, body: impl Display) -> String {
    let title = Escaped(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
}

pub(super) fn api(api: &ShownApi) -> String {
    let mut out = format!("<p>API version {VERSION}, driver <code>{}</code></p>\n<ul>", Escaped(&api.driver));
    for link in &api.links {
        let _ = write!(out, "<li><a href=\"{}\">{}</a></li>", Escaped(&link.href), link.rel);
    }
    out.push_str("</ul>");
    page("Deltacloud API", out)
}

pub(super) fn keys(keys: &[ShownKey], base: &str) -> String {
    let mut out = "<table><tr><th>Name</th><th>Type</th><th>Fingerprint or username</th><th></th></tr>\n".to_owned();
    for key in keys {
        let about = key.fingerprint().or(key.login().map(|(username, _)| username)).unwrap_or_default();
        let _ = writeln!(
            out,
            "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
            Escaped(&key.href),
            Escaped(&key.name),
            key.kind().word(),
            Escaped(about),
            destroy(key)
        );
    }
    let _ = write!(out, "</table>\n<p><a href=\"{}keys/new\">Create new key</a></p>", Escaped(base));
    page("Keys", out)
}

/// The form by which a page deletes.
fn destroy(key: &ShownKey) -> String {
    if !key.destroyable {
        return String::new();
    }
    format!(
        "<form class=\"inline\" action=\"{}\" method=\"post\"><input type=\"hidden\" name=\"_method\" value=\"delete\">\
         <button>Destroy</button></form>",
        Escaped(&key.href)
    )
}

pub(super) fn key(key: &ShownKey, base: &str) -> String {
    let mut out = format!("<dl><dt>ID</dt><dd>{}</dd>", Escaped(&key.name));
    if let Some(fingerprint) = key.fingerprint() {
        let _ = write!(out, "<dt>Fingerprint</dt><dd><code>{}</code></dd>", Escaped(fingerprint));
    }
    if let Some(public_key) = key.public_key() {
        let _ = write!(out, "<dt>Public key</dt><dd><code>{}</code></dd>", Escaped(public_key));
    }
    if let Some(pem) = &key.pem {
        let _ = write!(out, "<dt>Private key, shown this once</dt><dd><pre>{}</pre></dd>", pre(pem));
    }
    if let Some((username, password)) = key.login() {
        let (username, password) = (Escaped(username), Escaped(password));
        let _ = write!(out, "<dt>Username</dt><dd>{username}</dd><dt>Password</dt><dd><code>{password}</code></dd>");
    }
    let _ = write!(
        out,
        "<dt>State</dt><dd>{}</dd></dl>\n{}\n<p><a href=\"{}keys\">All keys</a></p>",
        Escaped(key.state()),
        destroy(key),
        Escaped(base)
    );
    page(&key.name, out)
}

/// Lines stay lines.
fn pre(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", Escaped(line))).collect()
}

pub(super) fn new_key(base: &str) -> String {
    let form = format!(
        "<form action=\"{}keys\" method=\"post\"><label>Name<input name=\"name\" required maxlength=\"255\"></label>\
         <label>Public key, if there is one already<textarea name=\"public_key\" rows=\"6\"></textarea></label>\
         <button>Create</button></form>",
        Escaped(base)
    );
    page("Create new SSH key", form)
}

pub(super) fn drivers(drivers: &[ShownDriver]) -> String {
    let mut out = "<ul>".to_owned();
    for ShownDriver { id, href } in drivers {
        let _ = write!(out, "<li><a href=\"{}\">{}</a></li>", Escaped(href), Escaped(id));
    }
    out.push_str("</ul>");
    page("Drivers", out)
}

pub(super) fn driver(driver: &ShownDriver) -> String {
    page(&driver.id, "<p>The driver of this agent.</p>")
}

pub(super) fn error(error: &ShownError) -> String {
    let about = format!("<p>{}</p><p><code>{}</code></p>", Escaped(&error.message), Escaped(&error.url));
    page(&format!("Error {}", error.status), about)
}
