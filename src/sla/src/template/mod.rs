//! Agreements from templates: placeholders `{{.name}}` take typed parameters, and periods count from now (`spec/sla.md` 3.7).
//!
//! A parameter is a value and never a piece of the document or of a constraint: what it says cannot add a member to the one or a
//! condition to the other.

mod parameters;
mod rendered;

use mf2c_domain::resource::SERVER_OWNED;
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::period::Period;
use parameters::resolve;
use rendered::rendered;

/// Why a template makes no agreement.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// Parameters that placeholders need are missing.
    #[error("Found non-replaced placeholder at index {index}. Agreement is {rendered}")]
    Missing {
        /// The first of them: `client.id`.
        name: String,
        /// Where it is in `rendered`, in bytes.
        index: usize,
        /// The agreement with `<no value>` in its place.
        rendered: String,
    },
    /// A parameter that is not what the template declares.
    #[error("parameter `{name}` is {given}, expected {expected}")]
    Parameter {
        /// Its name.
        name: String,
        /// What it is.
        given: String,
        /// What it should be.
        expected: String,
    },
    /// Braces with something else than a name.
    #[error("`{{{{{placeholder}}}}}` is no placeholder: expected a name such as `{{{{.user}}}}`")]
    Placeholder {
        /// What stands in them.
        placeholder: String,
    },
    /// A text where a constraint takes a number.
    #[error(
        "parameter `{name}` is {given}, but in `{constraint}` it must be a number; put the placeholder in quotes to compare texts"
    )]
    InConstraint {
        /// Its name.
        name: String,
        /// What it is.
        given: String,
        /// The constraint of the template.
        constraint: String,
    },
    /// The template itself is unfit.
    #[error("template `{field}` is {given}, expected {expected}")]
    Template {
        /// Which part.
        field: &'static str,
        /// What it is.
        given: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The attributes of a new agreement from those of a template. `id` becomes `details.id`; the state is the template's; it begins
/// now, and if the template has a `details.duration` it ends that much later.
///
/// # Errors
/// [`TemplateError`] where a parameter is missing or unfit.
pub fn generate(
    template: &Map<String, Value>,
    parameters: &Map<String, Value>,
    now: Timestamp,
    id: &str,
) -> Result<Map<String, Value>, TemplateError> {
    let Some(details) = template.get("details").and_then(Value::as_object) else {
        let given = template.get("details").map_or("missing".to_owned(), short);
        return Err(TemplateError::Template { field: "details", given, expected: "an object" });
    };
    let parameters = resolve(details.get("parameters"), parameters)?;
    let mut agreement = template.clone();
    SERVER_OWNED.iter().chain(&["acl"]).for_each(|owned| {
        agreement.remove(*owned);
    });
    let expiration = match details.get("duration").map(|duration| (duration, duration.as_str().and_then(Period::parse)))
    {
        None => None,
        Some((_, Some(period))) => Some(period.after(now)),
        Some((given, None)) => {
            let expected = "a period such as P1M or 28d";
            return Err(TemplateError::Template { field: "details.duration", given: short(given), expected });
        }
    };
    if let Some(Value::Object(details)) = agreement.get_mut("details") {
        details.remove("parameters");
        details.remove("duration");
        details.insert("type".to_owned(), "agreement".into());
        details.insert("id".to_owned(), id.into());
        details.insert("creation".to_owned(), now.to_string().into());
        if let Some(expiration) = expiration {
            details.insert("expiration".to_owned(), expiration.to_string().into());
        }
    }
    let mut missing = None;
    fill(&mut agreement, &parameters, &mut missing)?;
    if let Some(name) = missing {
        let rendered = rendered(&filled(template, &parameters)?);
        let index = rendered.find(NO_VALUE).unwrap_or(0);
        return Err(TemplateError::Missing { name, index, rendered });
    }
    if let Some(name) = agreement.get("details").and_then(|details| details.get("name")).cloned() {
        agreement.insert("name".to_owned(), name);
    }
    Ok(agreement)
}

/// The template itself with its parameters, as the original shows it: nothing of the agreement is in it yet.
fn filled(template: &Map<String, Value>, parameters: &Map<String, Value>) -> Result<Map<String, Value>, TemplateError> {
    let mut shown = template.clone();
    SERVER_OWNED.iter().chain(&["acl"]).for_each(|owned| {
        shown.remove(*owned);
    });
    if let Some(Value::Object(details)) = shown.get_mut("details") {
        details.remove("parameters");
        details.remove("duration");
    }
    fill(&mut shown, parameters, &mut None)?;
    // Ids are short there.
    let id = template.get("id").and_then(Value::as_str);
    if let Some(short) = id.and_then(|id| id.rsplit('/').next()) {
        shown.insert("id".to_owned(), short.into());
    }
    Ok(shown)
}

/// What stands for a missing parameter, as in the original.
const NO_VALUE: &str = "<no value>";

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

fn fill(
    object: &mut Map<String, Value>,
    parameters: &Map<String, Value>,
    missing: &mut Option<String>,
) -> Result<(), TemplateError> {
    for (name, value) in object.iter_mut() {
        let constraint = name == "constraint" || name == "warning";
        fill_value(value, constraint, parameters, missing)?;
    }
    Ok(())
}

/// The depth is that of a stored document, which the store bounds.
fn fill_value(
    value: &mut Value,
    constraint: bool,
    parameters: &Map<String, Value>,
    missing: &mut Option<String>,
) -> Result<(), TemplateError> {
    match value {
        Value::String(text) if text.contains("{{") => {
            *text = replaced(text, constraint, parameters, missing)?;
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill_value(item, false, parameters, missing)),
        Value::Object(members) => fill(members, parameters, missing),
        _ => Ok(()),
    }
}

fn replaced(
    text: &str,
    constraint: bool,
    parameters: &Map<String, Value>,
    missing: &mut Option<String>,
) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        out.push_str(before);
        let unclosed = || TemplateError::Placeholder { placeholder: behind.chars().take(40).collect() };
        let (inside, after) = behind.split_once("}}").ok_or_else(unclosed)?;
        rest = after;
        let name = inside.trim().strip_prefix('.').filter(|name| is_path(name));
        let name = name.ok_or_else(|| TemplateError::Placeholder { placeholder: inside.chars().take(40).collect() })?;
        match find(parameters, name) {
            None => {
                out.push_str(NO_VALUE);
                missing.get_or_insert_with(|| name.to_owned());
            }
            Some(value) if constraint => out.push_str(&in_constraint(&out, name, value, text)?),
            Some(value) => out.push_str(&plain(name, value)?),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_path(name: &str) -> bool {
    name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

fn find<'a>(parameters: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = parameters.get(path) {
        return Some(value);
    }
    let (head, rest) = path.split_once('.')?;
    find(parameters.get(head)?.as_object()?, rest)
}

/// The value as text; numbers have all their digits and no exponent (A30).
fn plain(name: &str, value: &Value) -> Result<String, TemplateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_f64() => Ok(number.as_f64().unwrap_or_default().to_string()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => {
            let expected = "a text, a number, true or false".to_owned();
            Err(TemplateError::Parameter { name: name.to_owned(), given: short(value), expected })
        }
    }
}

/// Within quotes any text, escaped; outside of them a number, true or false.
fn in_constraint(before: &str, name: &str, value: &Value, constraint: &str) -> Result<String, TemplateError> {
    let text = plain(name, value)?;
    if in_quotes(before) {
        return Ok(text
            .chars()
            .flat_map(|c| matches!(c, '\'' | '"' | '\\').then_some('\\').into_iter().chain([c]))
            .collect());
    }
    let number = text.trim().parse::<f64>().is_ok_and(f64::is_finite) && !text.trim().starts_with('+');
    let fits = value.is_boolean() || number && !before.trim_end().ends_with('\\') && !in_brackets(before);
    if !fits {
        let given = short(value);
        return Err(TemplateError::InConstraint {
            name: name.to_owned(),
            given,
            constraint: constraint.chars().take(200).collect(),
        });
    }
    Ok(text.trim().to_owned())
}

/// Either quote begins a text, and either ends it, in the original; the same quote does in the extended language. So a text is
/// only within quotes if it is by both.
fn in_quotes(before: &str) -> bool {
    let (mut open, mut escaped) = (None, false);
    for c in before.chars() {
        match (c, open) {
            _ if escaped => escaped = false,
            ('\\', _) => escaped = true,
            ('\'' | '"', None) => open = Some(c),
            ('\'' | '"', Some(quote)) if quote == c => open = None,
            _ => {}
        }
    }
    open.is_some()
}

fn in_brackets(before: &str) -> bool {
    before.rfind('[').is_some_and(|open| before.rfind(']').is_none_or(|close| close < open))
}

#[cfg(test)]
mod tests;
