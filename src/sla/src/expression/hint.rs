//! What may have been meant: words and symbols of other languages, and what to write instead.

use super::node::FUNCTIONS;

/// Symbols of other languages, and what they are called here. Longer ones first.
const SYMBOLS: [(&str, &str); 15] = [
    ("===", "did you mean `==`?"),
    ("!==", "did you mean `!=`?"),
    ("<=>", "write `==`, `<` or `>`"),
    ("<>", "did you mean `!=`?"),
    ("=<", "did you mean `<=`?"),
    ("=>", "did you mean `>=`?"),
    ("≤", "write `<=`"),
    ("≥", "write `>=`"),
    ("≠", "write `!=`"),
    ("//", "there are no comments"),
    ("/*", "there are no comments"),
    ("#", "there are no comments"),
    (";", "a constraint is one expression: join conditions with `&&`"),
    ("=", "did you mean `==`?"),
    ("_", "a name that begins so is written in brackets, as in `[_name]`"),
];

/// What stands here instead of an operator of the language: its length, and a hint.
pub(super) fn wrong_symbol(rest: &str) -> Option<(usize, Option<&'static str>)> {
    let (symbol, hint) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol))?;
    let known = rest.starts_with("==") && !rest.starts_with("===") || rest.starts_with("=~");
    (!known).then_some((symbol.len(), Some(*hint)))
}

/// A greedily read symbol of the original.
pub(super) fn symbol(symbol: &str) -> Option<&'static str> {
    match SYMBOLS.iter().find(|(known, _)| *known == symbol) {
        Some((_, hint)) => Some(hint),
        None if symbol.chars().count() > 1 => Some("put blanks between operators, as in `m > -1`"),
        None => None,
    }
}

/// A character that begins nothing.
pub(super) fn character(rest: &str) -> Option<&'static str> {
    match rest.chars().next()? {
        '‘' | '’' | '“' | '”' | '´' | '`' | '«' | '»' => Some("quote texts with `'` or `\"`"),
        '–' | '−' | '—' => Some("did you mean `-`?"),
        '×' => Some("did you mean `*`?"),
        '{' | '}' => Some("group with `(` and `)`"),
        ']' => Some("a name in brackets begins with `[`"),
        '$' | '@' => Some("write the name alone, or in brackets, as in `[$name]`"),
        _ => None,
    }
}

/// A word where an operator is expected.
pub(super) fn word(word: &str) -> Option<String> {
    let operator = match word.to_ascii_lowercase().as_str() {
        "lt" | "less" | "below" | "under" => "<",
        "gt" | "greater" | "above" | "over" => ">",
        "le" | "lte" => "<=",
        "ge" | "gte" => ">=",
        "eq" | "equals" | "equal" => "==",
        "ne" | "neq" => "!=",
        "like" | "matches" | "contains" => "=~",
        "mod" => "%",
        "xor" => "^",
        "between" => return Some("write two conditions, as in `1 < m && m < 3`".to_owned()),
        "plus" => "+",
        "minus" => "-",
        "and" => "&&",
        "or" => "||",
        _ => return None,
    };
    Some(format!("`{word}` is no operator: write `{operator}`"))
}

/// What follows the digits of a number.
pub(super) fn suffix(suffix: &str) -> Option<String> {
    let unit = match suffix.to_ascii_lowercase().as_str() {
        "msec" | "millis" | "millisecond" | "milliseconds" | "ms" => "ms",
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        _ if suffix.starts_with('_') => return Some("write the digits without `_`".to_owned()),
        _ if suffix.starts_with(['x', 'X', 'b', 'o']) => return Some("numbers are decimal".to_owned()),
        _ if suffix.starts_with('.') => return Some("a number has one `.` at most".to_owned()),
        _ => return None,
    };
    Some(format!("did you mean `{unit}`?"))
}

/// `a.b`: the dot right behind a name.
pub(super) fn dotted(text: &str, at: usize) -> Option<&'static str> {
    let before = text.get(..at)?.chars().next_back()?;
    before.is_alphanumeric().then_some("a name with a dot is written in brackets, as in `[a.b]`")
}

/// A function that there is not.
pub(super) fn function(name: &str) -> Option<String> {
    let wanted = name.to_ascii_lowercase();
    let known = match wanted.as_str() {
        "mean" => "avg",
        "median" => "p50",
        "total" => "sum",
        "percentile" | "quantile" => "p95",
        "throughput" => "rate",
        _ => {
            let near = FUNCTIONS.iter().map(|(known, _)| (strsim::osa_distance(known, &wanted), known));
            near.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance)?.1
        }
    };
    Some(format!("did you mean `{known}`?"))
}
