//! The words of the filter language: attributes, operators, strings, numbers and dates.
//!
//! None of these parsers blanks over white space before its token, and each decides by the next characters alone.

use winnow::{
    Parser, Stateful,
    ascii::digit1,
    combinator::{alt, cut_err, opt, preceded, repeat},
    error::ModalError,
    stream::{LocatingSlice, Location, Stream},
    token::{any, literal, one_of, take_till, take_while},
};

use super::{
    ast::{Literal, Op},
    error::Fault,
};
use crate::{path::Path, scalar::Number, time::Timestamp};

/// The text of a filter, with what has been spent of its bounds.
pub(super) type Input<'a> = Stateful<LocatingSlice<&'a str>, Spent>;

/// What a parse yields.
pub(super) type Parsed<T> = Result<T, Fault>;

/// How much of the bounds a filter has used up so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) nesting: usize,
    pub(super) comparisons: usize,
}

/// One side of a comparison.
pub(super) enum Operand {
    Attribute(Path),
    /// `property['key']`, which the grammar allows on the left side only.
    Property(Path),
    /// `null`, `true` or `false`: a value, but an attribute where the other side is a value.
    Word(Path, Literal),
    Value(Literal),
}

/// Steps over white space.
pub(super) fn blanks(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., |c: char| c.is_ascii_whitespace()).void().parse_next(input)
}

/// Whether `text` can be one step of an attribute path.
pub(super) fn is_step(text: &str) -> bool {
    let mut names = text.split(':');
    names.by_ref().take(2).all(is_name) && names.next().is_none()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(in_name) && !text.ends_with('-')
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// One side of a comparison; `expected` is what to say where none begins.
pub(super) fn operand(input: &mut Input<'_>, expected: &'static str) -> Parsed<Operand> {
    match input.peek_token() {
        Some('"' | '\'') => Ok(Operand::Value(Literal::text(string(input)?))),
        Some(c) if c.is_ascii_digit() || c == '-' => number_or_date(input).map(Operand::Value),
        Some(c) if c.is_ascii_alphabetic() => named(input),
        _ => Err(Fault::here(input, expected)),
    }
}

fn named(input: &mut Input<'_>) -> Parsed<Operand> {
    let path = attribute(input)?;
    if let [only] = path.steps() {
        match &**only {
            "null" => return Ok(Operand::Word(path, Literal::Null)),
            "true" => return Ok(Operand::Word(path, Literal::Bool(true))),
            "false" => return Ok(Operand::Word(path, Literal::Bool(false))),
            "property" if input.peek_token() == Some('[') => return property(input),
            _ => {}
        }
    }
    Ok(Operand::Attribute(path))
}

fn attribute(input: &mut Input<'_>) -> Parsed<Path> {
    let start = input.current_token_start();
    let steps = (step, repeat::<_, _, (), _, _>(0.., preceded('/', step))).take().parse_next(input)?;
    Path::parse(steps).ok_or_else(|| Fault::new(start, "an attribute"))
}

/// `name` or `name:name`.
fn step(input: &mut Input<'_>) -> Parsed<()> {
    name(input)?;
    opt(preceded(':', name)).void().parse_next(input)
}

fn name(input: &mut Input<'_>) -> Parsed<()> {
    let start = input.current_token_start();
    let word = take_while(0.., in_name).parse_next(input)?;
    match word {
        _ if is_name(word) => Ok(()),
        _ if word.ends_with('-') => Err(Fault::new(start, "a name that ends with a letter, a digit or `_`")),
        _ => Err(Fault::new(start, "a name that begins with a letter")),
    }
}

fn property(input: &mut Input<'_>) -> Parsed<Operand> {
    let _ = any.parse_next(input)?;
    blanks(input)?;
    if !matches!(input.peek_token(), Some('"' | '\'')) {
        return Err(Fault::here(input, "a quoted key, as in `property['key']`"));
    }
    let key = string(input)?;
    blanks(input)?;
    literal("]").parse_next(input).map_err(|_: Fault| Fault::here(input, "`]`"))?;
    let path = Path::from_steps(["properties", &key]);
    path.map(Operand::Property).ok_or_else(|| Fault::here(input, "an attribute"))
}

/// A string between two `'` or two `"`; a backslash stands before a character that is meant literally.
fn string(input: &mut Input<'_>) -> Parsed<String> {
    let quote = any.parse_next(input)?;
    let start = input.current_token_start();
    let mut text = String::new();
    loop {
        text.push_str(take_till(0.., |c| c == quote || c == '\\').parse_next(input)?);
        match input.next_token() {
            Some(c) if c == quote => return Ok(text),
            Some(_) => text.extend(input.next_token()),
            None => {
                let unclosed = Fault::new(start, "the same quote at its end");
                return Err(unclosed.found("a string without its closing quote"));
            }
        }
    }
}

pub(super) fn operator(input: &mut Input<'_>) -> Parsed<Op> {
    alt((
        "<=".value(Op::Le),
        ">=".value(Op::Ge),
        "!=".value(Op::Ne),
        "^=".value(Op::StartsWith),
        "==".value(Op::Search),
        "=".value(Op::Eq),
        "<".value(Op::Lt),
        ">".value(Op::Gt),
    ))
    .parse_next(input)
    .map_err(|fault: Fault| fault.expecting("one of `=`, `!=`, `<`, `<=`, `>=`, `>`, `^=`, `==`").cut())
}

fn number_or_date(input: &mut Input<'_>) -> Parsed<Literal> {
    let rest = input.peek_finish();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let is_date = digits > 0 && rest.as_bytes().get(digits) == Some(&b'-');
    if is_date { date(input) } else { number(input) }
}

fn number(input: &mut Input<'_>) -> Parsed<Literal> {
    let start = input.current_token_start();
    let fraction = preceded('.', cut_err(digit1));
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1);
    let text = (opt('-'), digit1, opt(fraction), opt(exponent))
        .take()
        .parse_next(input)
        .map_err(|fault: Fault| fault.expecting("a digit").cut())?;
    match Number::parse(text) {
        Some(Number::Int(value)) => Ok(Literal::Int(value)),
        Some(Number::Float(value)) => Ok(Literal::Float(value)),
        None => Err(Fault::new(start, "a number within 64-bit floating point")),
    }
}

/// `2012-01`, `2012-01-02`, and either with a time: `T13:14:25`, a fraction, and `Z` or an offset.
fn date(input: &mut Input<'_>) -> Parsed<Literal> {
    const FORM: &str = "a date such as 2012-01, 2012-01-31 or 2012-01-31T23:59:59.999Z";
    let start = input.current_token_start();
    let day = opt(preceded('-', cut_err(digit1)));
    let zone = alt(('Z'.void(), (one_of(['+', '-']), digit1, ':', digit1).void()));
    let time = (digit1, ':', digit1, ':', digit1, opt(preceded('.', cut_err(digit1))), zone).void();
    let (text, with_day) = (digit1, '-', digit1, day, opt(preceded('T', cut_err(time))))
        .map(|(_, _, _, day, _)| day.is_some())
        .with_taken()
        .parse_next(input)
        .map(|(with_day, text)| (text, with_day))
        .map_err(|fault: Fault| fault.expecting(FORM).cut())?;
    let at = match text.split_once('T') {
        Some((month, time)) if !with_day => Timestamp::parse(&format!("{month}-01T{time}")),
        _ => Timestamp::parse_partial(text),
    };
    match at {
        Some(at) => Ok(Literal::Date { text: text.to_owned(), at }),
        None => Err(Fault::new(start, FORM).found("a date that is not in the calendar or has wrong digits")),
    }
}
