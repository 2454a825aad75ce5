//! Single values: which are of their kind, and the one form in which they are stored.

use serde_json::Value;

use super::kind::Kind;
use crate::id::is_href;
use crate::time::Timestamp;

/// Whether a text, a number or a truth value is of its kind; accepted whole numbers lose a fraction of zero.
pub(super) fn normalize_scalar(kind: Kind, value: &mut Value) -> bool {
    if let Some((least, greatest)) = kind.bounds() {
        let Some(number) = whole(value) else { return false };
        let fits = number >= least && greatest.is_none_or(|greatest| number <= greatest);
        if fits && !value.is_u64() {
            // One form for whole numbers, so that typed readers need not expect `3.0`.
            *value = number.into();
        }
        return fits;
    }
    match (kind, &*value) {
        (Kind::NonBlank, Value::String(text)) => !text.trim().is_empty(),
        (Kind::Text, Value::String(_)) | (Kind::Bool, Value::Bool(_)) | (Kind::Float, Value::Number(_)) => true,
        (Kind::Timestamp, Value::String(text)) => Timestamp::parse(text).is_some(),
        (Kind::Word, Value::String(text)) => is_word(text),
        (Kind::Email, Value::String(text)) => is_email(text),
        (Kind::Href, Value::String(text)) => is_href(text),
        (Kind::Shaped(shape), Value::String(text)) => (shape.holds)(text),
        (Kind::OneOf(words), Value::String(text)) => words.contains(&text.as_str()),
        _ => false,
    }
}

/// A whole number, also where it is written with a fraction of zero.
fn whole(value: &Value) -> Option<u64> {
    // Above 2^53 a float no longer tells neighbouring whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64)
    })
}

/// Makes a number of a text that is one, where the kind is a number.
pub(super) fn normalize_number(kind: Kind, value: &mut Value) {
    let Some(text) = value.as_str().map(str::trim) else { return };
    let number = if kind.bounds().is_some() {
        text.parse::<u64>().ok().map(Value::from)
    } else if matches!(kind, Kind::Float) {
        text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
    } else {
        None
    };
    if let Some(number) = number {
        *value = number;
    }
}

/// Whether a text may be the `href` of a link of this kind.
pub(super) fn is_target(kind: Kind, text: &str) -> bool {
    if !matches!(kind, Kind::WideLink) {
        return is_href(text);
    }
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-'))
}

fn is_word(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(plain)
}

/// The form that HTML gives addresses (`spec/cimi-resources.md` 3.16).
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !local.is_empty()
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_{|}~-`".contains(&b))
        && host.split('.').all(is_label)
}

/// Whether two values mean the same: `50` is `50.0`.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
