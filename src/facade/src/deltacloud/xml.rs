//! Answers in XML, as Deltacloud's server writes them.

use std::fmt::Write as _;

use super::VERSION;
use super::markup::{Cdata, Escaped};
use super::shown::{ShownApi, ShownDriver, ShownError, ShownKey};

/// The first line of all documents but the entry point.
const PROLOG: &str = "<?xml version='1.0' encoding='utf-8' ?>\n";

// Writing into a text cannot fail.

pub(super) fn api(api: &ShownApi) -> String {
    let mut out = format!("<api driver='{}' version='{VERSION}'", Escaped(&api.driver));
    if let Some(provider) = &api.provider {
        let _ = write!(out, " provider='{}'", Escaped(provider));
    }
    out.push_str(">\n");
    for link in &api.links {
        let _ = writeln!(out, "  <link href='{}' rel='{}'></link>", Escaped(&link.href), link.rel);
    }
    out.push_str("</api>\n");
    out
}

pub(super) fn keys(keys: &[ShownKey]) -> String {
    let mut out = format!("{PROLOG}<keys>\n");
    for key in keys {
        element(key, "  ", &mut out);
    }
    out.push_str("</keys>\n");
    out
}

pub(super) fn key(key: &ShownKey) -> String {
    let mut out = PROLOG.to_owned();
    element(key, "", &mut out);
    out
}

fn element(key: &ShownKey, indent: &str, out: &mut String) {
    let (href, name, kind) = (Escaped(&key.href), Escaped(&key.name), key.kind().word());
    let _ = writeln!(out, "{indent}<key href='{href}' id='{name}' type='{kind}'>\n{indent}  <name>{name}</name>");
    let _ = write!(out, "{indent}  <actions>");
    if key.destroyable {
        let _ = write!(out, "\n{indent}    <link href='{href}' method='delete' rel='destroy' />\n{indent}  ");
    }
    out.push_str("</actions>\n");
    if let Some(fingerprint) = key.fingerprint() {
        let _ = writeln!(out, "{indent}  <fingerprint>{}</fingerprint>", Escaped(fingerprint));
    }
    if let Some(pem) = &key.pem {
        let _ = writeln!(out, "{indent}  <pem>{}</pem>", Cdata(pem.trim_end()));
    }
    if let Some((username, password)) = key.login() {
        let _ = writeln!(out, "{indent}  <username>{}</username>", Cdata(username));
        let _ = writeln!(out, "{indent}  <password>{}</password>", Cdata(password));
    }
    let _ = writeln!(out, "{indent}  <state>{}</state>\n{indent}</key>", Escaped(key.state()));
}

pub(super) fn drivers(drivers: &[ShownDriver]) -> String {
    let mut out = format!("{PROLOG}<drivers>\n");
    for driver in drivers {
        describe(driver, "  ", &mut out);
    }
    out.push_str("</drivers>\n");
    out
}

pub(super) fn driver(driver: &ShownDriver) -> String {
    let mut out = PROLOG.to_owned();
    describe(driver, "", &mut out);
    out
}

fn describe(ShownDriver { id, href }: &ShownDriver, indent: &str, out: &mut String) {
    let (id, href) = (Escaped(id), Escaped(href));
    let _ = writeln!(out, "{indent}<driver href='{href}' id='{id}'>\n{indent}  <name>{id}</name>\n{indent}</driver>");
}

pub(super) fn error(error: &ShownError) -> String {
    let ShownError { status, message, url, driver, provider, parameters } = error;
    let mut out = format!("{PROLOG}<error status='{status}' url='{}'>\n", Escaped(url));
    let _ = writeln!(out, "  <backend driver='{}' provider='{}'></backend>", Escaped(driver), Escaped(provider));
    let _ = writeln!(out, "  <code>{status}</code>\n  <message>{}</message>", Cdata(message));
    out.push_str("  <backtrace></backtrace>\n  <request>\n");
    for (name, value) in parameters {
        // Deltacloud's server shows values as Ruby writes texts.
        let value = serde_json::to_string(value).unwrap_or_default();
        let _ = writeln!(out, "    <param name='{}'>{}</param>", Escaped(name), Cdata(&value));
    }
    out.push_str("  </request>\n</error>\n");
    out
}
