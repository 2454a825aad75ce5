//! Texts as XML and HTML can hold them. Pure.

use std::fmt;

/// Whether XML 1.0 can hold a character (2.2).
const fn fits(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A text between tags, or within an attribute in either quotes. Writes it with what means something there escaped.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(letter))?,
                letter if fits(letter) => fmt::Write::write_char(f, letter)?,
                _ => f.write_str("\u{FFFD}")?,
            }
        }
        Ok(())
    }
}

/// A text as a section of character data, or as several where it holds the end of one.
pub(super) struct Cdata<'t>(pub(super) &'t str);

impl fmt::Display for Cdata<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.chars().map(|letter| if fits(letter) { letter } else { '\u{FFFD}' }).collect();
        write!(f, "<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            Escaped("<b a='1' c=\"2\">&\n\u{1}é").to_string(),
            "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;&#10;\u{FFFD}é"
        );
        assert_eq!(Cdata("a]]>b\u{0}]]").to_string(), "<![CDATA[a]]]]><![CDATA[>b\u{FFFD}]]]]>");
        assert_eq!(Cdata("").to_string(), "<![CDATA[]]>");
    }
}
