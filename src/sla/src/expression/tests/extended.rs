//! What the extended grammar adds.

use super::*;

fn n(number: f64) -> Value<'static> {
    Value::Number(number)
}

fn extended(text: &str, named: &[(&str, Value<'_>)]) -> String {
    value(text, Grammar::Extended, named).map_or_else(|error| error.to_string(), |value| value.to_string())
}

#[test]
fn words_join_and_negate_conditions() {
    for (text, want) in [
        ("m > 1 and m < 3 or false", "true"),
        ("m > 1 AND NOT m > 3", "true"),
        ("not m == 2", "false"),
        ("not not (m == 2)", "true"),
        ("not m > 3 and m > 1", "true"),
        ("m not in (1, 3)", "true"),
        ("not(m > 1)", "false"),
        ("m>1 and!(m>3)", "true"),
        ("m-1==1&&-m<0", "true"),
        ("m--1", "3"),
        ("- -m", "2"),
        ("m>1?-1:1", "-1"),
    ] {
        assert_eq!(extended(text, &[("m", n(2.0))]), want, "{text}");
    }
}

#[test]
fn words_that_join_are_names_where_no_operator_can_stand() {
    for (text, want) in [("and < or", "true"), ("not < or", "true"), ("is == not", "true"), ("[not] < 5", "true")] {
        assert_eq!(extended(text, &[("and", n(1.0)), ("or", n(2.0)), ("not", n(1.0)), ("is", n(1.0))]), want, "{text}");
    }
}

#[test]
fn quotes_close_only_themselves() {
    assert_eq!(extended("s == \"it's\"", &[("s", Value::text("it's"))]), "true");
    assert_eq!(extended("s == 'say \"x\"'", &[("s", Value::text("say \"x\""))]), "true");
}

#[test]
fn a_unit_turns_into_the_unit_of_the_variables() {
    for (text, seconds) in [
        ("800ms", 0.8),
        ("1s", 1.0),
        ("2m", 120.0),
        ("1.5h", 5_400.0),
        ("1d", 86_400.0),
        ("1e3ms", 1.0),
        ("30s+1m", 90.0),
    ] {
        for (unit, factor) in [(TimeUnit::Seconds, 1.0), (TimeUnit::Milliseconds, 1_000.0)] {
            let expression = Expression::compile_in(text, Grammar::Extended, unit).expect(text);
            let scope = Values::of(&expression, &[]);
            assert_eq!(expression.evaluate(&scope), Ok(n(seconds * factor)), "{text}");
            assert_eq!(expression.to_string(), text.replace('+', " + ").replace("1e3", "1000"));
        }
    }
}

#[test]
fn calls_over_windows_have_slots_of_their_own() {
    let text = "p95(execution_time, 300) < 800ms && count(execution_time, 5m) >= 10 and p95(execution_time, 5m) > 0 \
                && ratio([a b], 1h) < 0.01 && p99.9(x, 250ms) < 1 && x < 3 && avg(x, 1) == average(x, 1s)";
    let expression = Expression::constraint(text, Grammar::Extended).expect(text);
    let call = |function, variable: &str, millis| Call {
        function,
        variable: variable.into(),
        window: Duration::from_millis(millis),
    };
    let calls = [
        call(Function::Percentile(95.0), "execution_time", 300_000),
        call(Function::Count, "execution_time", 300_000),
        call(Function::Ratio, "a b", 3_600_000),
        call(Function::Percentile(99.9), "x", 250),
        call(Function::Average, "x", 1_000),
    ];
    assert_eq!(expression.calls(), calls);
    assert_eq!(expression.variables(), ["x".into()]);
    let shown: Vec<_> = calls.iter().map(Call::to_string).collect();
    assert_eq!(shown[2..], ["ratio([a b], 3600)", "p99.9(x, 250ms)", "avg(x, 1)"]);

    let known = |calls: &[Option<f64>]| {
        let scope = Values { variables: vec![Some(n(1.0))], calls: calls.to_vec() };
        expression.holds(&scope).expect("numbers")
    };
    assert_eq!(known(&[Some(0.7), Some(10.0), Some(0.0), Some(0.5), Some(1.0)]), Verdict::Kept);
    assert_eq!(known(&[Some(0.8), Some(10.0), Some(0.0), Some(0.5), Some(1.0)]), Verdict::Broken);
    assert_eq!(known(&[None, Some(10.0), Some(0.0), Some(0.5), Some(1.0)]), Verdict::Undetermined);
    assert_eq!(known(&[None, Some(9.0), None, None, None]), Verdict::Broken);
    let nothing = Values { variables: vec![None], calls: vec![] };
    let error = expression.evaluate(&nothing);
    assert_eq!(error.map_err(|error| error.to_string()), Err("No parameter 'p95(execution_time, 300)' found.".into()));
}

#[test]
fn a_function_without_parentheses_is_a_name() {
    assert_eq!(extended("count > avg && p95 < 3", &[("count", n(2.0)), ("avg", n(1.0)), ("p95", n(1.0))]), "true");
}

#[test]
fn what_is_missing_leaves_open_only_what_depends_on_it() {
    use Verdict::{Broken, Kept, Undetermined};
    for (text, want) in [
        ("x < 5", Undetermined),
        ("x < 5 && m > 5", Broken),
        ("m > 5 && x < 5", Broken),
        ("x < 5 && m < 5", Undetermined),
        ("x < 5 || m < 5", Kept),
        ("x < 5 || m > 5", Undetermined),
        ("!(x < 5)", Undetermined),
        ("not (x < 5 && m > 5)", Kept),
        ("x < 5 && y < 5 && m > 5", Broken),
        ("(x < 5 || y < 5) && m > 5", Broken),
        ("x < 5 ? true : true", Undetermined),
        ("m < 5 ? m < 5 : x < 5", Kept),
        ("x is missing", Kept),
        ("x is not missing", Broken),
        ("m is missing || m < 5", Kept),
        ("x is missing or x < 5", Kept),
        ("nil is missing", Kept),
        ("count(x, 60) is missing", Kept),
    ] {
        assert_eq!(verdict(text, &[("m", n(2.0)), ("nil", Value::Nil)]), want, "{text}");
    }
}

#[test]
fn the_original_grammar_leaves_a_missing_value_undetermined_too() {
    let expression = Expression::constraint("x < 5 && m > 5", Grammar::Original).expect("a constraint");
    assert_eq!(expression.holds(&Values::of(&expression, &[("m", n(1.0))])), Ok(Verdict::Undetermined));
}

#[test]
fn a_simple_bound_is_found() {
    use crate::expression::{Bound, Threshold};
    let bound = |bound, value, inclusive| Some(Threshold { bound, value, inclusive });
    for (text, want) in [
        ("x < 5", bound(Bound::Upper, 5.0, false)),
        ("5 > x", bound(Bound::Upper, 5.0, false)),
        ("a > 1 && x <= 5", bound(Bound::Upper, 5.0, true)),
        ("x < 7 && x < 5 and (x < 6)", bound(Bound::Upper, 5.0, false)),
        ("x <= 5 && x < 5", bound(Bound::Upper, 5.0, false)),
        ("x > 1 && x < 800ms", bound(Bound::Upper, 0.8, false)),
        ("x >= 99 && x > 98", bound(Bound::Lower, 99.0, true)),
        ("!(x >= 5 || a > 1)", bound(Bound::Upper, 5.0, false)),
        ("x < 2 * 60 + 1", bound(Bound::Upper, 121.0, false)),
        ("x > -1", bound(Bound::Lower, -1.0, false)),
        ("x < 5 || a > 1", None),
        ("!(x >= 5 && a > 1)", None),
        ("x * 2 < 5", None),
        ("x < y", None),
        ("y < 5", None),
        ("x < 1 / 0", None),
        ("p95(x, 60) < 5", None),
    ] {
        let expression = Expression::constraint(text, Grammar::Extended).expect(text);
        assert_eq!(expression.threshold("x"), want, "{text}");
    }
}
