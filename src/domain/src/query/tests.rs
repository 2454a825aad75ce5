//! What the query parameters promise, with the vectors T70 to T78 of `spec/cimi.md` 14.3.

use proptest::prelude::*;

use super::*;

fn query(raw: &str) -> Query {
    try_query(raw).unwrap()
}

fn try_query(raw: &str) -> Result<Query, QueryError> {
    Query::from_pairs(&decode_pairs(raw)?)
}

fn order(raw: &str) -> Vec<String> {
    let shown = |key: &OrderKey| format!("{} {}", key.path, if key.descending { "desc" } else { "asc" });
    query(raw).order.iter().map(shown).collect()
}

fn selected(raw: &str) -> Option<Vec<String>> {
    query(raw).select.map(|paths| paths.iter().map(Path::to_string).collect())
}

#[test]
fn nothing_asked_is_everything() {
    assert_eq!(query("unknown=1&$format=json"), Query::everything());
    assert_eq!(Query::everything().window(), (0, MAX_WINDOW));
}

#[test]
fn parameters_work_with_and_without_the_dollar_sign() {
    let with = query("$filter=a=1&$orderby=a&$first=2&$last=3&$select=a&$expand=*&$aggregation=sum:a");
    assert_eq!(query("filter=a=1&orderby=a&first=2&last=3&select=a&expand=*&aggregation=sum:a"), with);
    assert_eq!(with.expand, ["*"]);
}

#[test]
fn windows_are_those_of_the_original() {
    let rows = [
        ("$first=10&$last=5", (9, 0)),   // T72
        ("$first=3", (2, MAX_WINDOW)),   // T73
        ("$last=2", (0, 2)),             // T73
        ("$first=3&$last=4", (2, 2)),    // T73
        ("$last=0", (0, 0)),             // T74
        ("$first=-1&$last=10", (0, 10)), // T74
        ("$last=-5", (0, 0)),
        ("$first=x&$first=4&$first=5", (3, MAX_WINDOW)),
        ("$last=1.5&$last=&$last= 7 ", (0, 7)),
        ("$last=99999999999999999999999", (0, MAX_WINDOW)),
        ("$first=2&$last=99999", (1, MAX_WINDOW)),
        ("$first=10&$last=10", (9, 1)),
    ];
    for (raw, window) in rows {
        assert_eq!(query(raw).window(), window, "{raw}");
    }
    assert_eq!(query("$first=99999999999999999999999").window().1, MAX_WINDOW);
}

#[test]
fn the_order_is_a_list_with_directions() {
    assert_eq!(order("$orderby=a:desc,b"), ["a desc", "b asc"]); // T77
    assert_eq!(order("$orderby=a:dummy"), ["a:dummy asc"]); // T77
    assert!(order("$orderby=:asc").is_empty()); // T77
    assert_eq!(
        order("$orderby= a : desc , b:asc&orderby=c/d:desc,e.f"),
        ["a : desc asc", "b asc", "c/d desc", "e/f asc"]
    );
    assert_eq!(order("$orderby=timestamp:asc,,/"), ["timestamp asc"]); // T71
}

#[test]
fn a_selection_is_a_list_and_a_star_is_none() {
    assert_eq!(selected("$select=attr1,sequence"), Some(vec!["attr1".into(), "sequence".into()])); // T76
    assert_eq!(selected("$select= a/b , a/b&$select=c"), Some(vec!["a/b".into(), "c".into()]));
    assert_eq!(selected("$select=a,*"), None);
    assert_eq!(selected("$select=,"), None);
    assert_eq!(selected("$select=/"), Some(vec![]));
}

#[test]
fn bad_and_unknown_aggregations_are_ignored() {
    let labels = |raw: &str| query(raw).aggregations.iter().map(|a| a.label.clone()).collect::<Vec<_>>();
    assert_eq!(labels("$aggregation=sum:attr0,invalid,min:attr2/child"), ["sum:attr0", "min:attr2/child"]); // T78
    assert_eq!(labels("$aggregation=sum:a,sum:a&aggregation=median:a,max:,SUM:b,terms:x:y"), ["sum:a", "terms:x:y"]);
}

#[test]
fn several_filters_must_all_hold() {
    let filter = query("$filter=a=1 or c=3&$filter=b=2").filter.unwrap();
    assert_eq!(filter.to_string(), "(a=1 or c=3) and b=2");
    let error = try_query("$filter=a=1&$filter=b=").unwrap_err();
    assert!(matches!(&error, QueryError::Filter(fault) if fault.which == Some((2, 2))), "{error}");
    assert!(error.to_string().starts_with("Invalid CIMI filter. Parse error at line 1, column "));
    assert!(matches!(try_query("$filter="), Err(QueryError::Filter(_))));
}

#[test]
fn a_cursor_excludes_a_position_and_another_cursor() {
    assert_eq!(query("$after=abc&$last=5&after=abc").after.as_deref(), Some("abc"));
    assert_eq!(try_query("$after=abc&$first=1"), Err(QueryError::AfterWithFirst));
    assert_eq!(try_query("$after=abc&$after=abd"), Err(QueryError::TwoCursors));
    assert_eq!(try_query(&format!("$after={}", "x".repeat(MAX_CURSOR_BYTES + 1))), Err(QueryError::CursorTooLong));
}

#[test]
fn every_list_is_bounded() {
    for (name, limit, entry) in [
        ("orderby", MAX_ORDER_KEYS, "a"),
        ("select", MAX_SELECTED, "a"),
        ("expand", MAX_SELECTED, "a"),
        ("aggregation", MAX_AGGREGATIONS, "sum:a"),
    ] {
        let list = |count: usize| (0..count).map(|n| format!("{entry}{n}")).collect::<Vec<_>>().join(",");
        assert!(try_query(&format!("${name}={}", list(limit))).is_ok(), "{name}");
        let error = try_query(&format!("${name}={}", list(limit + 1))).unwrap_err();
        assert_eq!(error, QueryError::TooMany { name, limit });
        assert!(error.to_string().starts_with(&format!("`${name}` has more than {limit} entries")), "{error}");
    }
}

proptest! {
    #[test]
    fn no_parameters_panic_and_the_window_is_bounded(
        pairs in proptest::collection::vec(("\\$?(filter|orderby|first|last|select|expand|aggregation|after)", "[a-c0-9:,/*. +-]{0,30}"), 0..8)
    ) {
        if let Ok(query) = Query::from_pairs(&pairs) {
            prop_assert!(query.first >= 1 && query.window().1 <= MAX_WINDOW);
        }
    }
}

#[test]
fn what_is_hidden_is_answered_as_if_it_were_absent() {
    let query = |text: &str| Query::from_pairs(&decode_pairs(text).unwrap()).unwrap();
    let hide = |text: &str| query(text).without(&["password"]);
    let nothing = Some(Filter::Or(vec![]));
    for secret in ["password^='a'", "password!=null", "password/a='b'", "'a'<=password", "password='x' and a=1"] {
        let filter = hide(&format!("$filter={}", secret.replace(' ', "%20"))).filter;
        let filter = match filter {
            Some(Filter::And(members)) => members.into_iter().find(|member| *member == Filter::Or(vec![])),
            other => other,
        };
        assert_eq!(filter, nothing, "{secret}");
    }
    assert_eq!(hide("$filter=password=null").filter, Some(Filter::And(vec![])));
    assert_eq!(hide("$filter=a=1").filter, query("$filter=a=1").filter);
    let ordered = hide("$orderby=password:desc,name&$aggregation=min:password,terms:name");
    let paths = ordered.order.iter().map(|key| &key.path).chain(ordered.aggregations.iter().map(|sum| &sum.path));
    let tops: Vec<&str> = paths.map(Path::top).collect();
    assert_eq!(tops, ["", "name", "", "name"]);
}
