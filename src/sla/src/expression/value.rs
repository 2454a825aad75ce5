//! What an expression yields and what its variables hold, and how the original writes such values into texts.

use std::borrow::Cow;
use std::fmt;

/// A value of a variable or of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Every number is a double.
    Number(f64),
    /// The outcome of a comparison.
    Boolean(bool),
    /// A text; compared byte by byte.
    Text(Cow<'a, str>),
    /// JSON's null, and a `? :` whose taken side is left out.
    Nil,
    /// Several values, for `in`.
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// A text that is not copied.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

/// As the original's texts show values (`%v` of Go).
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write_number(*number, f),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Text(text) => f.write_str(text),
            Self::Nil => f.write_str("<nil>"),
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" ")?;
                    }
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The shortest digits that read back the same; with an exponent below 1e-4 and from 1e21.
fn write_number(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if number.is_nan() {
        return f.write_str("NaN");
    }
    if number.is_infinite() {
        return f.write_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    }
    let size = number.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return write!(f, "{number}");
    }
    let text = format!("{number:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return f.write_str(&text) };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    write!(f, "{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_the_original_shows_them() {
        for (number, shown) in [
            (5.0, "5"),
            (999.9, "999.9"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-07"),
            (-2.5e300, "-2.5e+300"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(Value::Number(number).to_string(), shown);
        }
        let list = Value::List(vec![Value::Number(1.0), Value::text("a"), Value::Nil]);
        assert_eq!(list.to_string(), "[1 a <nil>]");
    }
}
