//! Reads filters. The grammar is decided by the next characters alone: nothing is tried twice, so the time is linear in
//! the text, and only parentheses nest, to a bounded depth.

use winnow::{
    Parser,
    combinator::opt,
    stream::{LocatingSlice, Location, Stream},
    token::literal,
};

use super::{
    ast::{Comparison, Filter, Literal, Op},
    error::{Fault, FilterError},
    token::{Input, Operand, Parsed, Spent, blanks, operand, operator},
};
use crate::path::Path;

/// The longest filter, in bytes; several count together.
pub const MAX_BYTES: usize = 16 * 1024;
/// The deepest that parentheses may nest.
pub const MAX_NESTING: usize = 64;
/// The most comparisons; several filters count together.
pub const MAX_COMPARISONS: usize = 256;

/// Reads one filter.
///
/// # Errors
/// [`FilterError`] where the text leaves the grammar, a date is in no calendar, or a bound is passed.
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    check_length(text.len())
        .and_then(|()| read(text, &mut Spent::default()))
        .map_err(|fault| FilterError::new(text, fault))
}

/// Reads several filters that must all hold; none gives none.
///
/// # Errors
/// As [`parse`]; the position counts in the joined text `(first) and (second)`.
pub fn parse_all(texts: &[&str]) -> Result<Option<Filter>, FilterError> {
    if let [only] = texts {
        return parse(only).map(Some);
    }
    let mut filters = Vec::new();
    let (mut bytes, mut spent) = (0, Spent::default());
    for (which, text) in texts.iter().enumerate() {
        bytes += text.len();
        let read = check_length(bytes).and_then(|()| read(text, &mut spent));
        filters.push(read.map_err(|fault| FilterError::joined(texts, which, fault))?);
    }
    Ok((!filters.is_empty()).then(|| Filter::all(filters)))
}

fn check_length(bytes: usize) -> Parsed<()> {
    if bytes > MAX_BYTES {
        return Err(Fault::new(0, "at most 16384 bytes of filters").found("more"));
    }
    Ok(())
}

fn read(text: &str, spent: &mut Spent) -> Parsed<Filter> {
    let mut input = Input { input: LocatingSlice::new(text), state: *spent };
    blanks(&mut input)?;
    if input.eof_offset() == 0 {
        return Err(Fault::here(&input, "a comparison such as `name='text'`"));
    }
    let filter = disjunction(&mut input)?;
    *spent = input.state;
    if input.eof_offset() == 0 { Ok(filter) } else { Err(Fault::here(&input, "`and`, `or` or the end of the filter")) }
}

fn disjunction(input: &mut Input<'_>) -> Parsed<Filter> {
    let mut members = vec![conjunction(input)?];
    while opt(literal("or")).parse_next(input)?.is_some() {
        members.push(conjunction(input)?);
    }
    Ok(Filter::any(members))
}

fn conjunction(input: &mut Input<'_>) -> Parsed<Filter> {
    let mut members = vec![term(input)?];
    while opt(literal("and")).parse_next(input)?.is_some() {
        members.push(term(input)?);
    }
    Ok(Filter::all(members))
}

/// A comparison or a filter in parentheses, with the white space around it.
fn term(input: &mut Input<'_>) -> Parsed<Filter> {
    blanks(input)?;
    let filter = if opt(literal("(")).parse_next(input)?.is_some() {
        input.state.nesting += 1;
        if input.state.nesting > MAX_NESTING {
            return Err(Fault::here(input, "parentheses nested at most 64 deep").found("one more"));
        }
        let inner = disjunction(input)?;
        literal(")").parse_next(input).map_err(|_: Fault| Fault::here(input, "`and`, `or` or `)`"))?;
        input.state.nesting -= 1;
        inner
    } else {
        Filter::Compare(comparison(input)?)
    };
    blanks(input)?;
    Ok(filter)
}

fn comparison(input: &mut Input<'_>) -> Parsed<Comparison> {
    input.state.comparisons += 1;
    if input.state.comparisons > MAX_COMPARISONS {
        return Err(Fault::here(input, "at most 256 comparisons").found("one more"));
    }
    let left = operand(input, "an attribute, a value or `(`")?;
    blanks(input)?;
    let op_at = input.current_token_start();
    let op = operator(input)?;
    blanks(input)?;
    let right_at = input.current_token_start();
    let right = operand(input, "a value or an attribute")?;
    let is_property = matches!(left, Operand::Property(_));
    let (path, value, turned) =
        sides(left, right).map_err(|(expected, hint)| Fault::new(right_at, expected).hint(hint))?;
    if is_property && !matches!(op, Op::Eq | Op::Ne) {
        return Err(Fault::new(op_at, "`=` or `!=` after `property[…]`"));
    }
    if is_property && !matches!(value, Literal::Text { .. } | Literal::Null) {
        return Err(Fault::new(right_at, "a quoted string or `null`"));
    }
    check_kind(op, &value).map_err(|expected| Fault::new(if turned { op_at } else { right_at }, expected))?;
    Ok(Comparison { path, op: if turned { op.turned() } else { op }, value })
}

/// What was expected on the right side instead, and a hint.
type Mismatch = (&'static str, Option<&'static str>);

/// Tells the attribute from the value, and whether they stand in turned order.
fn sides(left: Operand, right: Operand) -> Result<(Path, Literal, bool), Mismatch> {
    match (left, right) {
        (
            Operand::Attribute(path) | Operand::Property(path) | Operand::Word(path, _),
            Operand::Value(value) | Operand::Word(_, value),
        ) => Ok((path, value, false)),
        (Operand::Value(value) | Operand::Word(_, value), Operand::Attribute(path) | Operand::Word(path, _)) => {
            Ok((path, value, true))
        }
        (Operand::Value(_), Operand::Value(_)) => Err(("an attribute, as the other side is a value", None)),
        (_, Operand::Attribute(_)) => Err(("a value", Some("quote texts, as in `name='text'`"))),
        (_, Operand::Property(_)) => {
            Err(("an attribute or a value", Some("`property[…]` stands on the left side only")))
        }
    }
}

/// Whether `op` is defined for such a value; says what it needs if it is not.
fn check_kind(op: Op, value: &Literal) -> Result<(), &'static str> {
    match (op, value) {
        (Op::Eq | Op::Ne, _) | (Op::StartsWith | Op::Search, Literal::Text { .. }) => Ok(()),
        (Op::StartsWith, _) => Err("a quoted string with `^=`"),
        (Op::Search, _) => Err("a quoted string with `==`, which searches for words; `=` is for equality"),
        (_, Literal::Null | Literal::Bool(_)) => Err("a number, a date or a quoted string, which have an order"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    #[test]
    fn and_binds_tighter_than_or_and_lists_are_flat() {
        assert_eq!(printed("a=1 and b=2 or c=3 and d=4"), "a=1 and b=2 or c=3 and d=4");
        assert_eq!(printed("((a=1) and (b=2 and (c=3)))"), "a=1 and b=2 and c=3");
        assert_eq!(printed("a=1 and(b=2 or(c=3 or d=4))"), "a=1 and (b=2 or c=3 or d=4)");
        assert_eq!(printed("a=1and b=2orc=3"), "a=1 and b=2 or c=3");
    }

    #[test]
    fn a_turned_comparison_is_normalised() {
        assert_eq!(
            printed("3<a and 3<=a and 'x'^=a and null!=a and 3>a and 3>=a"),
            "a>3 and a>=3 and a^='x' and a!=null and a<3 and a<=3"
        );
        assert_eq!(printed("null=null"), "null=null");
    }

    #[test]
    fn escapes_in_strings_are_decoded() {
        let Filter::Compare(comparison) = parse(r#"a='it\'s "so" \\ \n'"#).unwrap() else { panic!() };
        assert_eq!(comparison.value, Literal::text(r#"it's "so" \ n"#));
    }

    #[test]
    fn numbers_keep_their_kind() {
        for (text, value) in [
            ("-3", Literal::Int(-3)),
            ("007", Literal::Int(7)),
            ("3.2", Literal::Float(3.2)),
            ("-1.5e-3", Literal::Float(-0.0015)),
            ("9223372036854775808", Literal::Float(9_223_372_036_854_775_808.0)),
        ] {
            let Filter::Compare(comparison) = parse(&format!("a={text}")).unwrap() else { panic!() };
            assert_eq!(comparison.value, value, "{text}");
        }
        for bad in ["a=1e999", "a=3.", "a=.5", "a=-", "a=--1", "a=+1", "a=1e"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_bound_is_an_error_and_not_a_crash() {
        let nested = |depth: usize| format!("{}a=1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(MAX_NESTING)).is_ok());
        assert_eq!(parse(&nested(MAX_NESTING + 1)).unwrap_err().expected, "parentheses nested at most 64 deep");
        assert!(parse(&"(".repeat(MAX_BYTES)).is_err());
        let many = |count: usize| vec!["a=1"; count].join(" or ");
        assert!(parse(&many(MAX_COMPARISONS)).is_ok());
        assert_eq!(parse(&many(MAX_COMPARISONS + 1)).unwrap_err().expected, "at most 256 comparisons");
        assert!(parse_all(&[&many(200), &many(57)]).is_err());
        assert!(parse(&format!("a='{}'", "x".repeat(MAX_BYTES))).unwrap_err().to_string().contains("16384 bytes"));
    }

    #[test]
    fn several_filters_cannot_reach_out_of_their_parentheses() {
        assert!(parse_all(&["a=1) or (b=2", "c=3"]).is_err());
        assert_eq!(parse_all(&["a=1 or c=3", "b=2"]).unwrap().unwrap().to_string(), "(a=1 or c=3) and b=2");
        assert_eq!(parse_all(&[]), Ok(None));
    }
}
