//! Vectors E1 to E70, observed on the original, for both grammars.

use super::*;

type Row = (&'static str, &'static str, &'static [(&'static str, Value<'static>)], Want);

enum Want {
    /// The value, as the original shows it.
    Is(&'static str),
    /// Evaluating fails, and the message begins so.
    Evaluation(&'static str),
    /// No expression, and the original's message contains this.
    Parse(&'static str),
    /// No expression in the original; a value in the extended grammar, marked [N].
    New(&'static str, &'static str),
}
use Want::{Evaluation, Is, New, Parse};

const fn n(number: f64) -> Value<'static> {
    Value::Number(number)
}

const fn t(text: &'static str) -> Value<'static> {
    Value::Text(std::borrow::Cow::Borrowed(text))
}

const TIME: &str = "execution_time";

#[rustfmt::skip]
const FIRST: &[Row] = &[
    ("E1", "[execution_time] < 1000", &[(TIME, n(999.9))], Is("true")),
    ("E2", "[execution_time] < 1000", &[(TIME, n(1000.0))], Is("false")),
    ("E3", "execution_time < 10.0", &[(TIME, n(50.0))], Is("false")),
    ("E4", "execution_time < 10", &[(TIME, n(9.0))], Is("true")),
    ("E5", "execution_time < 10", &[], Evaluation("No parameter 'execution_time' found.")),
    ("E6", "execution_time < 10", &[(TIME, Value::Nil)], Evaluation("Value '<nil>' cannot be used with the comparator '<', it is not a number")),
    ("E7", "execution_time < 10", &[(TIME, t("5"))], Evaluation("Value '5' cannot be used with the comparator '<', it is not a number")),
    ("E8", "[execution time] < 10", &[("execution time", n(5.0))], Is("true")),
    ("E9", "[a-b.c] == 1", &[("a-b.c", n(1.0))], Is("true")),
    ("E10", "a.b > 1", &[], Parse("Unable to parse numeric value '.' to float64")),
    ("E11", r"execution\-time < 10", &[("execution-time", n(5.0))], Is("true")),
    ("E12", "var1 < 100 and var2 > 100", &[("var1", n(101.0)), ("var2", n(100.0))], New("Cannot transition token types from NUMERIC [100] to VARIABLE [and]", "false")),
    ("E13", "var1 < 100 && var2 > 100", &[("var1", n(1.0)), ("var2", n(101.0))], Is("true")),
    ("E14", "var1 < 100 && var2 > 100", &[("var1", n(101.0))], Is("false")),
    ("E15", "var1 < 100 || var2 > 100", &[("var1", n(1.0))], Is("true")),
    ("E16", "var1 < 100 || var2 > 100", &[("var1", n(101.0))], Evaluation("No parameter 'var2' found.")),
    ("E17", "a LT 10", &[], Parse("Cannot transition token types from VARIABLE [a] to VARIABLE [LT]")),
    ("E18", "wrong expression >= 0", &[], Parse("from VARIABLE [wrong] to VARIABLE [expression]")),
    ("E19", "", &[], Parse("Unexpected end of expression")),
    ("E19", "  \t", &[], Parse("Unexpected end of expression")),
    ("E20", "m", &[("m", n(5.0))], Is("5")),
    ("E21", "!(m > 1)", &[("m", n(1.0))], Is("true")),
    ("E22", "1 < m < 3", &[("m", n(2.0))], Evaluation("Value 'true' cannot be used with the comparator '<', it is not a number")),
    ("E23", "2 + 3 * 4 == 14", &[], Is("true")),
    ("E24", "10 - 3 - 2 == 5", &[], Is("true")),
    ("E25", "2 ** 3 ** 2", &[], Is("64")),
    ("E26", "-2 ** 2", &[], Is("4")),
    ("E27", "100 / 10 / 2", &[], Is("5")),
    ("E27", "7 % 4 * 2", &[], Is("6")),
    ("E28", "1 / 0", &[], Is("+Inf")),
    ("E28", "1/0 > 1000", &[], Is("true")),
    ("E28", "0 / 0 < 1", &[], Is("false")),
    ("E29", "5 & 3 == 1", &[], Is("true")),
    ("E29", "m & 1 == 1", &[("m", n(3.0))], Is("true")),
    ("E30", "5 | 3", &[], Is("7")),
    ("E30", "5 ^ 3", &[], Is("6")),
    ("E30", "1 << 4", &[], Is("16")),
    ("E30", "256 >> 4", &[], Is("16")),
    ("E30", "~5", &[], Is("-6")),
    ("E31", "2 + 1 << 3", &[], Is("24")),
    ("E31", "6 & 3 | 8", &[], Is("10")),
    ("E32", r"op =~ '^es\\.bsc'", &[("op", t("es.bsc.compss"))], Is("true")),
    ("E33", "op !~ 'foo'", &[("op", t("bar"))], Is("true")),
    ("E34", "op =~ '('", &[], Parse("error parsing regexp")),
    ("E35", "op =~ pat", &[("op", t("a")), ("pat", t("("))], Evaluation("Unable to compile regexp pattern '('")),
];

#[rustfmt::skip]
const SECOND: &[Row] = &[
    ("E36", "n =~ '1'", &[("n", n(1.0))], Evaluation("Value '1' cannot be used with the comparator '=~'")),
    ("E37", "op in ('a','b')", &[("op", t("b"))], Is("true")),
    ("E38", "n IN (1, 2, 3)", &[("n", n(2.0))], Is("true")),
    ("E39", "n in (1)", &[("n", n(1.0))], Evaluation("Value '1' cannot be used with the comparator 'in'")),
    ("E40", "(m > 5) ? (m < 10) : true", &[("m", n(7.0))], Is("true")),
    ("E40", "(m > 5) ? (m < 10) : true", &[("m", n(3.0))], Is("true")),
    ("E41", "m > 5 ? m < 10", &[("m", n(3.0))], Is("<nil>")),
    ("E42", "1 > 2 ? 1 > 3 ? 1 : 2 : 3", &[], Evaluation("Value '<nil>' cannot be used with the ternary operator '?', it is not a bool")),
    ("E43", "false ? 1 : false ? 2 : 3", &[], Is("3")),
    ("E43", "true ? true ? 1 : 2 : 3", &[], Is("1")),
    ("E44", "m < 10 ? 1 : 0 == 1", &[("m", n(1.0))], Is("1")),
    ("E45", "x ?? 5", &[("x", Value::Nil)], Is("5")),
    ("E45", "x ?? 5", &[], Evaluation("No parameter 'x' found.")),
    ("E46", "d > '2019-01-01'", &[("d", n(1_600_000_000.0))], Is("true")),
    ("E47", "d > '2019-01-01'", &[("d", t("2020-01-01"))], Evaluation("Value '2020-01-01' cannot be used with the comparator '>', it is not a number")),
    ("E48", "'2018-01-16T17:09:45Z' < '2019-01-17T17:09:45Z'", &[], Is("true")),
    ("E49", "'2014-01-02' == 1388620800", &[], Is("true")),
    ("E50", "x == '10:30PM'", &[("x", t("10:30PM"))], Is("false")),
    ("E51", "x in ('2019-01-01','b')", &[("x", t("2019-01-01"))], Is("false")),
    ("E52", "s == \"ok\"", &[("s", t("ok"))], Is("true")),
    ("E52", r"s == 'it\'s'", &[("s", t("it's"))], Is("true")),
    ("E53", "'a' + 1 == 'a1'", &[], Is("true")),
    ("E53", "1 == '1'", &[], Is("false")),
    ("E54", "m < 1e3", &[("m", n(1.0))], New("Cannot transition token types from NUMERIC [1] to VARIABLE [e3]", "true")),
    ("E54", "execution_time < 1e+07", &[(TIME, n(1.0))], New("Cannot transition token types from NUMERIC [1] to VARIABLE [e]", "true")),
    ("E55", "m < 0x10", &[], Parse("Cannot transition token types from NUMERIC [0] to VARIABLE [x10]")),
    ("E55", "m < 1_000", &[], Parse("Invalid token: '_'")),
    ("E55", "m < 1.2.3", &[], Parse("Unable to parse numeric value '1.2.3' to float64")),
    ("E56", "m < .5", &[("m", n(0.4))], Is("true")),
    ("E57", "m = 1", &[], Parse("Invalid token: '='")),
    ("E57", "m <> 1", &[], Parse("Invalid token: '<>'")),
    ("E58", "m >-1", &[("m", n(1.0))], New("Invalid token: '>-'", "true")),
    ("E58", "m*-1 < 0", &[("m", n(1.0))], New("Invalid token: '*-'", "true")),
    ("E58", "m<10&&!n", &[("m", n(1.0)), ("n", Value::Boolean(false))], New("Invalid token: '&&!'", "true")),
    ("E58", "!!true", &[], New("Invalid token: '!!'", "true")),
    ("E59", "m > -1", &[("m", n(1.0))], Is("true")),
    ("E59", "m > - 1", &[("m", n(1.0))], Is("true")),
    ("E59", "m * -1 < 0", &[("m", n(1.0))], Is("true")),
    ("E60", "avg(m) < 10", &[], Parse("Undefined function avg")),
    ("E61", "(m < 10", &[], Parse("Unbalanced parenthesis")),
    ("E61", "m < 10)", &[], Parse("Unbalanced parenthesis")),
    ("E61", "[m < 10", &[], Parse("Unclosed parameter bracket")),
    ("E61", "'abc", &[], Parse("Unclosed string literal")),
    ("E62", "m < ", &[], Parse("Unexpected end of expression")),
    ("E62", "< 10", &[], Parse("Cannot transition token types from UNKNOWN [<nil>] to COMPARATOR [<]")),
    ("E62", "m 10", &[], Parse("Cannot transition token types from VARIABLE [m] to NUMERIC [10]")),
    ("E63", "m < 10 , n < 5", &[("m", n(1.0)), ("n", n(2.0))], Is("[true true]")),
    ("E64", "true && false || true", &[], Is("true")),
    ("E64", "true || false && false", &[], Is("true")),
    ("E65", "π < 4", &[("π", n(3.0))], Is("true")),
    ("E65", "_m < 4", &[], Parse("Invalid token: '_'")),
    ("E65", "M < 4", &[("m", n(1.0))], Evaluation("No parameter 'M' found.")),
    ("E66", "m > 1 && 5", &[("m", n(2.0))], Evaluation("Value '5' cannot be used with the logical operator '&&', it is not a bool")),
    ("E67", "m == 0.1 + 0.2", &[("m", n(0.3))], Is("false")),
    ("E68", "[ m ] < 2", &[("m", n(9.0)), (" m ", n(1.0))], Is("true")),
    ("E69", "m + n * 2 < 10 && n in (1,2) || o =~ '^a'", &[("m", n(1.0)), ("n", n(3.0)), ("o", t("abc"))], Is("true")),
    ("E70", "m < 10 # c", &[], Parse("Invalid token: '#'")),
    ("E70", "m /* c */ < 2", &[], Parse("Invalid token: '/*'")),
];

fn check(grammar: Grammar) {
    for (name, text, values, want) in FIRST.iter().chain(SECOND) {
        let compiled = Expression::compile(text, grammar);
        let outcome = compiled.as_ref().map(|expression| {
            expression
                .evaluate(&Values::of(expression, values))
                .map(|value| value.to_string())
                .map_err(|e| e.to_string())
        });
        match (want, outcome, grammar) {
            (Is(want), Ok(Ok(is)), _) => assert_eq!(is, *want, "{name} {text}"),
            (New(_, want), Ok(Ok(is)), Grammar::Extended) => assert_eq!(is, *want, "{name} {text}"),
            (Evaluation(want), Ok(Err(error)), _) => assert!(error.starts_with(want), "{name} {text}: {error}"),
            (Parse(want) | New(want, _), Err(fault), Grammar::Original) => {
                assert!(fault.message.contains(want), "{name} {text}: {fault}");
            }
            (Parse(_), Err(fault), Grammar::Extended) => assert!(!fault.expected.is_empty(), "{name} {text}: {fault}"),
            (_, outcome, _) => panic!("{name} {text}: {outcome:?}"),
        }
    }
}

#[test]
fn the_original_grammar_does_what_the_original_did() {
    check(Grammar::Original);
}

#[test]
fn the_extended_grammar_does_the_same_but_where_it_means_more() {
    check(Grammar::Extended);
}

#[test]
fn a_number_is_no_constraint_even_where_only_its_value_tells() {
    let expression = Expression::constraint("m", Grammar::Extended).expect("E20");
    let error = expression.holds(&Values::of(&expression, &[("m", n(5.0))]));
    assert_eq!(error, Err(EvaluationError::NotABoolean { value: "5".into() }));
    assert_eq!(verdict("m", &[("m", Value::Boolean(true))]), Verdict::Kept);
}

#[test]
fn the_oddities_of_the_original_are_kept_apart() {
    let original = |text, named: &[(&str, Value<'_>)]| value(text, Grammar::Original, named).map(|v| v.to_string());
    assert_eq!(original("s == 'ok\"", &[("s", t("ok"))]), Ok("true".into()), "either quote closes the other");
    assert_eq!(original("(m < 10) 5", &[("m", n(1.0))]), Ok("true".into()), "the rest is not looked at");
    assert_eq!(original("m == ()", &[("m", Value::Nil)]), Ok("true".into()), "nothing in parentheses is nil");
    assert_eq!(original("((1, 2), 3)", &[]), Ok("[1 2 3]".into()), "a list takes further items");
    assert_eq!(original("1 << 64", &[]), Ok("0".into()));
    assert_eq!(original("not < 5 && and < 5", &[("not", n(1.0)), ("and", n(1.0))]), Ok("true".into()));
    for text in ["- -1", "! !true", "!'a'", "5 + '2019-01-01'", "m ? , 3"] {
        assert!(Expression::compile(text, Grammar::Original).is_err(), "{text}");
    }
}
