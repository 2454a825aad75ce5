//! Laws: print then parse is the identity, and no text and no value brings anything down.

use proptest::prelude::*;

use super::*;
use crate::expression::{
    evaluate::{Evaluation, Stop},
    plain::Plain,
};

const LEAVES: [&str; 12] =
    ["m", "n", "[a b]", "1", "0.5", "true", "'a'", "'it\\'s'", "'2019-01-01'", "[true]", "(1, m)", "[a\\]]"];
const EXTENDED_LEAVES: [&str; 8] =
    ["1e3", "800ms", "p99.9(m, 5m)", "count([a b], 250ms)", "m is missing", "[and]", "(n is not missing)", "not m"];
const OPS: [&str; 25] = [
    "+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in", "&&",
    "||", "??", "?", ":",
];

/// Texts that are nearly all expressions.
fn texts(grammar: Grammar) -> impl Strategy<Value = String> {
    let extended = grammar == Grammar::Extended;
    let mut leaves = LEAVES.to_vec();
    let mut ops = OPS.to_vec();
    if extended {
        leaves.extend(EXTENDED_LEAVES);
        ops.extend(["and", "or", "not in"]);
    }
    prop::sample::select(leaves).prop_map(str::to_owned).prop_recursive(5, 48, 3, move |inner| {
        prop_oneof![
            6 => (inner.clone(), prop::sample::select(ops.clone()), inner.clone())
                .prop_map(|(left, op, right)| format!("{left} {op} {right}")),
            2 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => (prop::sample::select(vec!["-", "!", "~"]), inner.clone()).prop_map(|(op, inner)| format!("{op}({inner})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("({a}, {b})")),
        ]
    })
}

fn values() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<f64>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        "[a(\\\\*]{0,4}".prop_map(|text| Value::Text(text.into())),
        Just(Value::Nil),
        Just(Value::List(vec![Value::Number(1.0), Value::text("a")])),
    ]
}

fn read_back(text: &str, grammar: Grammar, values: &[Option<Value<'static>>]) {
    let Ok(expression) = Expression::compile(text, grammar) else { return };
    let printed = expression.to_string();
    let again =
        Expression::compile(&printed, grammar).unwrap_or_else(|fault| panic!("{text:?} as {printed:?}: {fault}"));
    assert_eq!(again, expression, "{text:?} as {printed:?}");
    assert_eq!(again.to_string(), printed);
    let scope = Values { variables: values.to_vec(), calls: vec![Some(1.0)] };
    let (first, second) = (expression.evaluate(&scope), again.evaluate(&scope));
    assert_eq!(format!("{first:?}"), format!("{second:?}"), "{text:?} as {printed:?}");
    let evaluation = Evaluation { expression: &expression, scope: &scope };
    if let Some(short) = evaluation.plain(&expression.root) {
        let long = evaluation.node(&expression.root);
        let agree = match (short, &long) {
            (Plain::Missing, Err(Stop::Missing(_))) => true,
            (Plain::Number(short), Ok(Value::Number(long))) => short == *long || (short.is_nan() && long.is_nan()),
            (Plain::True, Ok(Value::Boolean(long))) => *long,
            (Plain::False, Ok(Value::Boolean(long))) => !*long,
            _ => false,
        };
        assert!(agree, "{text:?}: {short:?} by the short way");
    }
    let _ = expression.holds(&scope);
    let _ = expression.threshold("m");
}

#[test]
fn what_nests_as_deep_as_it_may_is_printed_no_deeper() {
    for (text, grammar) in [
        ("-".repeat(64) + "x", Grammar::Extended),
        ("not ".repeat(32) + "a == b", Grammar::Extended),
        ("(1 + ".repeat(62) + "(x not in (1, 2))" + &")".repeat(62), Grammar::Extended),
        ("(1 + ".repeat(63) + "(x is not missing == y)" + &")".repeat(63), Grammar::Extended),
        ("(1 + ".repeat(64) + "'2019-01-01'" + &")".repeat(64), Grammar::Extended),
        ("(1 < ".repeat(64) + "'2019-01-01'" + &")".repeat(64), Grammar::Original),
        ("(1 < ".repeat(64) + &")".repeat(64), Grammar::Original),
    ] {
        assert!(Expression::compile(&text, grammar).is_ok(), "{text}");
        read_back(&text, grammar, &[]);
    }
}

proptest! {
    #[test]
    fn print_then_parse_is_the_identity_in_the_original(
        text in texts(Grammar::Original), values in prop::collection::vec(prop::option::of(values()), 4)
    ) {
        read_back(&text, Grammar::Original, &values);
    }

    #[test]
    fn print_then_parse_is_the_identity_in_the_extension(
        text in texts(Grammar::Extended), values in prop::collection::vec(prop::option::of(values()), 4)
    ) {
        read_back(&text, Grammar::Extended, &values);
    }

    #[test]
    fn what_the_original_accepts_the_extension_evaluates_to_the_same(
        text in texts(Grammar::Original), values in prop::collection::vec(values(), 5)
    ) {
        let (Ok(original), Ok(extended)) =
            (Expression::compile(&text, Grammar::Original), Expression::compile(&text, Grammar::Extended))
            else { return Ok(()) };
        let scope = Values { variables: values.into_iter().map(Some).collect(), calls: vec![] };
        let (first, second) = (original.evaluate(&scope), extended.evaluate(&scope));
        prop_assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }

    #[test]
    fn no_text_brings_the_parser_down(text in any::<String>(), values in prop::collection::vec(prop::option::of(values()), 4)) {
        for grammar in [Grammar::Original, Grammar::Extended] {
            read_back(&text, grammar, &values);
            if let Err(fault) = Expression::constraint(&text, grammar) {
                prop_assert!(text.is_char_boundary(fault.position));
            }
        }
    }

    #[test]
    fn nor_does_a_jumble_of_words(
        words in prop::collection::vec(prop::sample::select(
            ["m", "n", "(", ")", ",", "[", "]", "'", "\"", "\\", " ", ".", "5", "e", "s", "in", "not", "is", "missing", "and",
             "avg", "p9", "<", "=", "~", "!", "-", "?", ":", "&", "*", "é", "2019-01-01"].to_vec()), 0..24),
        values in prop::collection::vec(prop::option::of(values()), 4)
    ) {
        let text = words.concat();
        for grammar in [Grammar::Original, Grammar::Extended] {
            read_back(&text, grammar, &values);
            let _ = Expression::constraint(&text, grammar);
        }
    }
}
