//! Writes filters as text that [`parse`](super::parse) reads back.

use std::fmt::{Display, Formatter, Result, Write};

use super::{
    ast::{Comparison, Filter, Literal},
    token,
};
use crate::path::Path;

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (members, word) = match self {
            Self::Compare(comparison) => return comparison.fmt(f),
            Self::And(members) => (members, " and "),
            Self::Or(members) => (members, " or "),
        };
        for (at, member) in members.iter().enumerate() {
            if at > 0 {
                f.write_str(word)?;
            }
            match (self, member) {
                (_, Self::Compare(_)) | (Self::Or(_), Self::And(_)) => write!(f, "{member}")?,
                _ => write!(f, "({member})")?,
            }
        }
        Ok(())
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write_path(f, &self.path)?;
        write!(f, "{}{}", self.op.symbol(), self.value)
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            // The debug form keeps the fraction or the exponent, so that it is read as the same kind of number.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Date { text, .. } => f.write_str(text),
            Self::Text { text, .. } => write_quoted(f, text),
        }
    }
}

/// A key that the grammar has no name for can only have come from `property[…]`.
fn write_path(f: &mut Formatter<'_>, path: &Path) -> Result {
    match path.steps() {
        [top, key] if &**top == "properties" && !token::is_step(key) => {
            f.write_str("property[")?;
            write_quoted(f, key)?;
            f.write_str("]")
        }
        _ => write!(f, "{path}"),
    }
}

fn write_quoted(f: &mut Formatter<'_>, text: &str) -> Result {
    f.write_char('\'')?;
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('\'')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Comparison, Filter, Literal, Op, parse};
    use crate::{path::Path, time::Timestamp};

    fn ordinal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            any::<i64>().prop_map(Literal::Int),
            any::<f64>().prop_filter("a literal is finite", |value| value.is_finite()).prop_map(Literal::Float),
            any::<String>().prop_map(Literal::text),
            "20[0-9]{2}-0[1-9]-0[1-9]".prop_map(Literal::text),
            ("20[0-9]{2}-(0[1-9]|1[0-2])(-0[1-9])?").prop_map(|text| {
                let at = Timestamp::parse_partial(&text).unwrap();
                Literal::Date { text, at }
            }),
        ]
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        let name = || "[a-z]([A-Za-z0-9_-]{0,4}[A-Za-z0-9_])?(:[A-Z][0-9]?)?(/(null|[a-z]))?";
        let path = || {
            prop_oneof![name(), Just("true".to_owned()), Just("null".to_owned())]
                .prop_map(|text| Path::parse(&text).unwrap())
        };
        let equal = prop_oneof![Just(Op::Eq), Just(Op::Ne)];
        let relation = prop_oneof![Just(Op::Lt), Just(Op::Le), Just(Op::Ge), Just(Op::Gt)];
        let textual = prop_oneof![Just(Op::StartsWith), Just(Op::Search)];
        let text = || any::<String>().prop_map(Literal::text);
        let word = prop_oneof![Just(Literal::Null), any::<bool>().prop_map(Literal::Bool), ordinal()];
        let property = any::<String>().prop_map(|key| Path::from_steps(["properties", &key]).unwrap());
        prop_oneof![
            (path(), equal.clone(), word),
            (path(), relation, ordinal()),
            (path(), textual, text()),
            (property, equal, prop_oneof![Just(Literal::Null), text()]),
        ]
        .prop_map(|(path, op, value)| Comparison { path, op, value })
    }

    fn filter() -> impl Strategy<Value = Filter> {
        comparison().prop_map(Filter::Compare).prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Filter::all),
                proptest::collection::vec(inner, 1..4).prop_map(Filter::any),
            ]
        })
    }

    proptest! {
        #[test]
        fn reading_what_was_printed_gives_the_same_filter(filter in filter()) {
            let text = filter.to_string();
            prop_assert_eq!(parse(&text), Ok(filter), "printed as {}", text);
        }

        #[test]
        fn no_document_makes_a_filter_panic(
            filter in filter(),
            document in any::<Vec<u8>>(),
            nearly in r#"[\[{]{1,3}"[a-z]":[\[{"0-9a-z:,.\]}]{0,20}"#,
        ) {
            let _ = filter.matches(&document);
            let _ = filter.matches(nearly.as_bytes());
        }

        #[test]
        fn no_text_makes_the_parser_panic(
            text in any::<String>(),
            nearly in r#"[a-c123 ()='"<>!^:/\\TZ.\[\]+&-]{0,40}"#,
        ) {
            for text in [text, nearly] {
                match parse(&text) {
                    Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
                    Err(error) => {
                        prop_assert!(error.to_string().starts_with("Invalid CIMI filter. Parse error at line "));
                        prop_assert!(error.column >= 1 && error.line >= 1);
                    }
                }
            }
        }
    }
}
