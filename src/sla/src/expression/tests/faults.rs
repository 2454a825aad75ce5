//! What a fault says: where, what was expected, and what may have been meant.

use super::*;

#[test]
fn a_fault_says_what_may_have_been_meant() {
    for (text, column, hint) in [
        ("m = 1", 3, "did you mean `==`?"),
        ("m <> 1", 3, "did you mean `!=`?"),
        ("m === 1", 3, "did you mean `==`?"),
        ("m =< 1", 3, "did you mean `<=`?"),
        ("m ≤ 1", 3, "write `<=`"),
        ("a LT 10", 3, "`LT` is no operator: write `<`"),
        ("a lte 10", 3, "write `<=`"),
        ("op matches 'x'", 4, "write `=~`"),
        ("a between 1 and 3", 3, "write two conditions"),
        ("1 < m < 3", 1, "compare twice"),
        ("a > 1 & b > 2", 1, "compare twice"),
        ("(a > 1) & b", 1, "did you mean `&&`?"),
        ("(a > 1) | b", 1, "did you mean `||`?"),
        ("a.b > 1", 2, "`[a.b]`"),
        ("_m < 4", 1, "in brackets"),
        ("m < 800msec", 8, "did you mean `ms`?"),
        ("m < 1_000", 6, "without `_`"),
        ("m < 0x10", 6, "decimal"),
        ("m < 10 # c", 8, "no comments"),
        ("m < 10; n < 5", 7, "join conditions with `&&`"),
        ("m < 10 n < 5", 8, "join conditions"),
        ("m < 10, n < 5", 1, "join conditions with `&&`"),
        ("execution_time * 2", 1, "compare it"),
        ("m < 10)", 7, "no `(`"),
        ("m < '10'+1-2", 5, "without quotes"),
        ("m > \u{201c}a\u{201d}", 5, "quote texts"),
        ("n in (1)", 6, "`==`"),
        ("avrage(m, 60) < 1", 1, "did you mean `average`?"),
        ("mean(m, 60) < 1", 1, "did you mean `avg`?"),
        ("avg(m) < 10", 6, "avg(m, 300)"),
        ("m is null", 6, "compare values with `==`"),
        ("op =~ 'a('", 7, "written twice"),
    ] {
        let fault = fault(text);
        let said = fault.hint.clone().unwrap_or_default();
        assert!(said.contains(hint), "{text}: {fault}");
        assert_eq!((fault.line, fault.column), (1, column), "{text}: {fault}");
    }
}

#[test]
fn a_fault_says_what_was_expected() {
    for (text, position, expected) in [
        ("", 0, "a variable"),
        ("m <", 3, "a variable"),
        ("m < && n", 4, "a variable"),
        ("(m < 10", 0, "a `)`"),
        ("[m < 10", 0, "`]`"),
        ("m == 'abc", 5, "`'`"),
        ("[] < 1", 0, "a name"),
        ("m > 1 && 5", 9, "a condition"),
        ("!5", 1, "a condition"),
        ("-(m < 1) > 0", 1, "a number"),
        ("m > 5 ? m < 10", 14, "`:`"),
        ("m : 5", 2, "`?`"),
        ("m ? 1 : 2 ? 3 : 4", 0, "a condition"),
        ("a ? b ? c : d : e", 6, "`:` before"),
        ("5 is missing", 0, "a variable"),
        ("p95(5, 60) < 1", 4, "the name of a variable"),
        ("p95(m, n) < 1", 7, "a window"),
        ("p95(m, 0) < 1", 7, "1 s to 366 days"),
        ("p95(m, 400d) < 1", 7, "1 s to 366 days"),
        ("p100(m, 60) < 1", 0, "a percentile"),
        ("p95(m, 60", 9, "`)`"),
        ("'a' < 5", 6, "a text"),
        ("m < 1e999", 4, "a number"),
        ("[avg](m, 60) < 1", 0, "`avg`"),
    ] {
        let fault = fault(text);
        assert_eq!(fault.position, position, "{text}: {fault}");
        assert!(fault.expected.contains(expected), "{text}: {fault}");
    }
}

#[test]
fn lines_and_columns_count_characters() {
    let fault = fault("π < 4 &&\n  größe = 5");
    assert_eq!((fault.line, fault.column, fault.position), (2, 9, 20));
    assert_eq!(
        fault.to_string(),
        "`=` is no operator at line 2, column 9: expected an operator such as `<` or `&&`, or the end; did you mean `==`?"
    );
}

#[test]
fn the_original_is_given_hints_as_well() {
    let fault = Expression::constraint("m >-1", Grammar::Original).expect_err("greedy");
    assert_eq!(fault.message, "Invalid token: '>-'");
    assert!(fault.hint.is_some_and(|hint| hint.contains("put blanks")));
    let fault = Expression::constraint("execution_time * 2", Grammar::Original).expect_err("a number");
    assert!(fault.message.contains("a number"), "{fault}");
}
