//! From the text of a compose file to values: bounded, with its variables filled in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::application::ComposeError;

/// A longer file is refused.
const MOST_BYTES: usize = 1 << 20;
/// Values within values within values.
const MOST_DEPTH: usize = 32;
/// Values of a file, those that aliases repeat included.
const MOST_NODES: usize = 20_000;
/// Times that one anchor is repeated.
const MOST_REPEATS: usize = 200;

/// The values of a file, with anchors and aliases resolved.
pub(crate) fn values(text: &str) -> Result<Value, ComposeError> {
    let problem = |problem: String| ComposeError(vec![problem]);
    if text.len() > MOST_BYTES {
        return Err(problem(format!("it has {} bytes, and at most {MOST_BYTES} are read", text.len())));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MOST_DEPTH,
            max_nodes: MOST_NODES,
            max_events: 3 * MOST_NODES,
            max_documents: 1,
            max_anchors: 100,
            max_aliases: MOST_REPEATS,
            max_total_scalar_bytes: MOST_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 3 * MOST_NODES,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: MOST_REPEATS,
        },
    };
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let said = error.to_string();
        problem(format!("it is no YAML that can be read: {}", said.lines().next().unwrap_or_default()))
    })?;
    Ok(value)
}

/// A text with `${X}` and `${X:-default}` replaced; `$$` stands for a dollar.
pub(crate) fn filled(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let wrong = || "write `${NAME}` or `${NAME:-default}` for a variable, and `$$` for a dollar".to_owned();
        let (inner, after) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(wrong)?;
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        let plain = |name: &str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        if name.is_empty() || !plain(name) {
            return Err(wrong());
        }
        // As compose has it: the default counts for an empty one, too.
        let known = variables.get(name).map(String::as_str);
        let value = match default {
            Some(default) => known.filter(|value| !value.is_empty()).unwrap_or(default),
            None => known.ok_or_else(|| {
                format!(
                    "the variable {name} is not in the service's environment: set it, or write `${{{name}:-default}}`"
                )
            })?,
        };
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_once() {
        let variables = BTreeMap::from([("A".to_owned(), "${B}".to_owned()), ("EMPTY".to_owned(), String::new())]);
        let filled = |text: &str| filled(text, &variables);
        assert_eq!(filled("x${A}y${C:-z}").unwrap(), "x${B}yz", "what comes in is not looked at again");
        assert_eq!(filled("$$HOME ${EMPTY:-d}${EMPTY}").unwrap(), "$HOME d");
        for bad in ["$HOME", "${", "${A", "${}", "${A b}", "${1}", "${HOME}", "${A:?x}", "$"] {
            assert!(filled(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_that_grow_when_they_are_read_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
        }
        assert!(values(&bomb).is_err());
        assert!(values(&"[".repeat(1000)).is_err());
        assert!(values("a:\n 1").is_ok());
        assert!(values(&"#".repeat(MOST_BYTES + 1)).is_err());
        assert!(values("a: 1\n---\nb: 2\n").is_err());
        assert!(values("a: 1\na: 2\n").is_err());
        assert!(values("a: &x {b: 1}\nc: *x\n").is_ok());
    }
}
