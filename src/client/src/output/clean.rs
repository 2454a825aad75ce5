//! Makes texts of others safe to show: what would move the cursor, change the window's title or turn the reading direction
//! is written as an escape.

/// Whether a terminal obeys this character, or a reader is fooled by it.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{061C}' | '\u{FEFF}')
}

/// A text on one line in which nothing is obeyed.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            clean.extend(c.escape_debug());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// What a program has written, in which nothing but the ends of lines and tabs is obeyed.
pub(crate) fn clean_lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if is_unsafe(c) && !matches!(c, '\n' | '\t') {
            clean.extend(c.escape_debug());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// The same JSON with its unsafe characters escaped. All of them stand inside texts, except the line breaks of the layout.
pub(super) fn json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_unsafe(c) {
            clean.push_str(&escape(c));
        } else {
            clean.push(c);
        }
    }
    clean
}

/// A character as JSON and YAML write it inside double quotes. All unsafe ones fit in 16 bits.
pub(super) fn escape(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_remains() {
        assert_eq!(clean("a\u{1b}]0;title\u{7}b\r\n"), "a\\u{1b}]0;title\\u{7}b\\r\\n");
        assert_eq!(clean("\u{9b}31m \u{202e}txt.exe"), "\\u{9b}31m \\u{202e}txt.exe");
        assert_eq!(clean("zwölf 日本"), "zwölf 日本");
        assert_eq!(clean_lines("a\tb\r\nc\u{1b}[2J\rd\n"), "a\tb\nc\\u{1b}[2J\\rd\n");
    }

    proptest! {
        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let value = Value::from(text);
            let escaped = json(&value.to_string());
            prop_assert!(!escaped.chars().any(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<Value>(&escaped).unwrap(), value);
        }
    }
}
