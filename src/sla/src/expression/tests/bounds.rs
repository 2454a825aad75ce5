//! What can grow has a bound.

use super::*;

const BOTH: [Grammar; 2] = [Grammar::Original, Grammar::Extended];

fn refused(text: &str, grammar: Grammar) -> String {
    Expression::constraint(text, grammar).expect_err("past a bound").message
}

#[test]
fn a_text_of_a_mebibyte_is_refused() {
    for grammar in BOTH {
        assert!(refused(&"x".repeat(1 << 20), grammar).contains("1048576 bytes"));
        assert!(Expression::constraint(&"x".repeat(64 * 1024), grammar).is_ok());
    }
}

#[test]
fn ten_thousand_levels_are_refused_and_sixty_four_are_not() {
    for grammar in BOTH {
        let nested = |depth: usize| format!("{}x{}", "(".repeat(depth), ")".repeat(depth));
        assert!(refused(&nested(10_000), grammar).contains("too deep"));
        assert!(refused(&nested(65), grammar).contains("too deep"));
        assert!(Expression::constraint(&nested(64), grammar).is_ok());
        let unclosed = "(".repeat(10_000);
        assert!(Expression::constraint(&unclosed, grammar).is_err());
        let steps = format!("{}x{}", "1 < (".repeat(10_000), ")".repeat(10_000));
        assert!(Expression::compile(&steps, grammar).is_err());
    }
    assert!(refused(&format!("{}x", "!".repeat(10_000)), Grammar::Extended).contains("too deep"));
    assert!(refused(&format!("{}x", "not ".repeat(10_000)), Grammar::Extended).contains("too deep"));
}

#[test]
fn the_deepest_tree_is_read_evaluated_printed_and_dropped() {
    // Each pair of parentheses with operators of several levels inside.
    for grammar in BOTH {
        let deepest = (1..=64).rev().find_map(|depth| {
            let text = format!("{}1{}", "1 | 1 + 1 * (".repeat(depth), ")".repeat(depth));
            Expression::compile(&text, grammar).ok()
        });
        let expression = deepest.expect("some depth is read");
        assert!(expression.evaluate(&Values::of(&expression, &[])).is_ok());
        assert_eq!(Expression::compile(&expression.to_string(), grammar).as_ref(), Ok(&expression));
    }
}

#[test]
fn a_long_chain_is_no_deep_tree() {
    for grammar in BOTH {
        let chain = |length: usize| format!("x{}", " + x".repeat(length - 1));
        let expression = Expression::compile(&chain(2_048), grammar).expect("a long sum");
        assert_eq!(expression.evaluate(&Values::of(&expression, &[("x", Value::Number(1.0))])), Ok(2_048.0.into()));
        assert_eq!(Expression::compile(&expression.to_string(), grammar).as_ref(), Ok(&expression));
        assert!(refused(&chain(2_049), grammar).contains("too long"));
        assert!(refused(&format!("x{}", " ? x : x".repeat(5_000)), grammar).contains("too long"));
    }
}

#[test]
fn a_pattern_costs_time_by_the_text_alone() {
    let text = "a".repeat(50_000);
    assert_eq!(verdict("s =~ '^(a+)+$'", &[("s", Value::text(&text))]), Verdict::Kept);
    assert_eq!(verdict("s =~ '^(a|a|aa)+b$'", &[("s", Value::text(&text))]), Verdict::Broken);
    assert!(fault("s =~ '(((a{100}){100}){100}){100}'").message.contains("too large"));
    assert!(fault(&format!("s =~ '{}'", "a".repeat(5_000))).message.contains("4096 bytes"));
    let expression = Expression::constraint("s =~ p", Grammar::Extended).expect("a constraint");
    let scope = Values::of(&expression, &[("s", Value::text("a")), ("p", Value::text("((a{100}){100}){100}"))]);
    assert!(matches!(expression.holds(&scope), Err(EvaluationError::Pattern { .. })));
}

#[test]
fn texts_do_not_grow_without_end() {
    let long = "x".repeat(40_000);
    let named = [("s", Value::text(&long))];
    assert_eq!(value("s + s", Grammar::Extended, &named), Err(EvaluationError::TooLong));
    assert!(value("s + 1", Grammar::Extended, &named).is_ok());
    let Err(error) = value("-s", Grammar::Extended, &named) else { panic!("no number") };
    assert!(error.to_string().len() < 300, "{error}");
}
