//! The filter vectors F01 to F37 of `spec/cimi.md` 14.4 to 14.6, one row each.

use super::{Filter, parse, parse_all};

/// F01 to F06 and F10: what must parse.
const VALID: &[(&str, &[&str])] = &[
    ("F01", &["alpha=3", "alpha!=3", "3=alpha", "alpha=3 and beta=4", "3=alpha and 4=beta"]),
    (
        "F02",
        &[
            "(alpha=3)",
            "(3=alpha)",
            "alpha=3 or beta=4",
            "alpha=3 and beta=4 or gamma=5 and delta=6",
            "alpha=3 and (beta=4 or gamma=5) and delta=6",
        ],
    ),
    ("F03", &["b='b0'", "b='b-0'", "'b0'=b", "'b-0'=b", "cloud-vm-instanceid='exo:123-456'"]),
    ("F04", &["alpha=null", "null=alpha", "alpha!=null", "null!=alpha"]),
    ("F05", &["alpha^='abc'", "alpha^=\"abc\"", "'abc'^=alpha", "\"abc\"^=alpha"]),
    ("F06", &["property['beta']='4'", "property['beta']!='4'", "property['beta']=null", "property['beta']!=null"]),
    (
        "F10",
        &[
            "type='state'       and     content/resource/href='run/3'",
            "(unknown=null)and(type='state')",
            r#"(device_id/href="d")and(start_time<"2019-01-01T00:00:00Z")and((stop_time=null)or(stop_time>"2018-01-01T00:00:00Z"))"#,
        ],
    ),
    ("extension", &["alpha=3.2", "alpha>-3", "alpha<=1e3", "a=2012-01T13:14:25Z"]),
];

/// F07: dates.
const DATES: &[&str] = &[
    "2012-01",
    "2012-01-02",
    "2012-01-02T13:14:25Z",
    "2012-01-02T13:14:25.6Z",
    "2012-01-02T13:14:25-01:15",
    "2012-01-02T13:14:25.6-01:15",
    "2012-01-02T13:14:25+02:30",
    "2012-01-02T13:14:25.6+02:30",
];

/// F08: strings, in double quotes; their single-quoted twins follow.
const STRINGS: &[&str] = &[r#""""#, r#""a""#, r#""\"a""#, r#""a\"""#, r#""a\"a""#, r#""b-0""#];

/// F09: attributes.
const ATTRIBUTES: &[&str] =
    &["a", "alpha", "alpha123", "a1", "a1/b2", "a1/b2/c3", "schema-org:attr1", "schema-org:attr1/schema-org:attr2"];

/// F20 to F22: what must not parse.
const INVALID: &[(&str, &[&str])] = &[
    ("F20", &["", " ", "()", "alpha=beta", "alpha&&4"]),
    ("F21", &["alpha>true", "alpha>null", "alpha^=3", "alpha^=null"]),
    (
        "F22",
        &[
            "property[beta]='4'",
            "property['beta']=4",
            "property['beta']<'4'",
            "4=property['beta']",
            "'4'=property['beta']",
        ],
    ),
    ("case", &["a=1 AND b=2", "a=TRUE", "a=NULL", "NOT a=1"]),
];

/// F23: bad dates, with the column of the fault in `a=<date>`.
const BAD_DATES: &[(&str, usize)] = &[
    ("2012-01-99T13:14:25.6ZZ", 3),
    ("2012-01-02T13:14:25.6Q", 24),
    ("2012-01:02T25:14:25.6-01:15", 10),
    ("2012-01-02T13:14:25.6+02-30", 27),
    ("2012-01-99T13:14:25Z", 3),
    ("2012-02-30", 3),
    ("2012-13", 3),
    ("12-1", 3),
];

/// F24: bad attributes.
const BAD_ATTRIBUTES: &[&str] = &[
    "_",
    "-",
    "/",
    "a-",
    "1",
    "1a",
    "_a",
    "_1",
    "a1/",
    "/a1",
    "a/1",
    ":a",
    "a:",
    "schema-org:a:b",
    "schema-org:a/",
    "a b",
];

#[test]
fn what_the_grammar_allows_is_read() {
    for (name, filters) in VALID {
        for filter in *filters {
            assert!(parse(filter).is_ok(), "{name}: {filter}: {}", parse(filter).unwrap_err());
        }
    }
    for date in DATES {
        for filter in [format!("a={date}"), format!("{date}<a"), format!(" a  >= {date} ")] {
            assert!(parse(&filter).is_ok(), "F07: {filter}: {}", parse(&filter).unwrap_err());
        }
    }
    for double in STRINGS {
        let single = double.replace('"', "'");
        assert!(parse(&format!("a={double}")).is_ok() && parse(&format!("{single}=a")).is_ok(), "F08: {double}");
    }
    for attribute in ATTRIBUTES {
        let filter = parse(&format!("{attribute}=1")).unwrap();
        assert_eq!(filter.paths()[0].to_string(), *attribute, "F09");
        assert_eq!(parse(&format!("1= {attribute} ")), Ok(filter), "F09");
    }
}

#[test]
fn what_the_grammar_excludes_is_refused_with_a_position() {
    for (name, filters) in INVALID {
        for filter in *filters {
            let error = parse(filter).expect_err(&format!("{name}: {filter} was accepted"));
            assert!(
                error.to_string().starts_with("Invalid CIMI filter. Parse error at line 1, column "),
                "{name}: {error}"
            );
        }
    }
    for (date, column) in BAD_DATES {
        let error = parse(&format!("a={date}")).expect_err(&format!("F23: {date} was accepted"));
        assert_eq!(error.column, *column, "F23: {date}: {error}");
    }
    for attribute in BAD_ATTRIBUTES {
        assert!(parse(&format!("{attribute}=1")).is_err(), "F24: {attribute}");
        assert!(parse(&format!("'x'={attribute}")).is_err(), "F24: {attribute}");
    }
}

#[test]
fn a_missing_end_quote_is_reported_where_the_string_begins() {
    let message = parse("type='missing end quote").unwrap_err().to_string();
    assert!(message.starts_with("Invalid CIMI filter. Parse error at line 1, column 7"), "F25: {message}");
}

/// Six events as the original's test has them, with hrefs `run/0` to `run/5`.
fn events() -> Vec<String> {
    (0..6).map(|n| format!(r#"{{"type":"state","content":{{"resource":{{"href":"run/{n}"}}}}}}"#)).collect()
}

/// Documents 0 to 3, `admin` on the first two and `user` on the others.
fn documents() -> Vec<String> {
    (0..4).map(|n| format!(r#"{{"sequence":{n},"{}":"me"}}"#, if n < 2 { "admin" } else { "user" })).collect()
}

fn chosen(filter: &Filter, documents: &[String]) -> Vec<usize> {
    (0..documents.len()).filter(|n| filter.matches(documents[*n].as_bytes())).collect()
}

#[test]
fn filters_choose_the_events_that_the_original_chooses() {
    let all: &[usize] = &[0, 1, 2, 3, 4, 5];
    let rows: &[(&str, &[&str], &[usize])] = &[
        ("F30", &["type='state'"], all),
        ("F30", &["type!=null"], all),
        ("F30", &["null!=type"], all),
        ("F31", &["type='XXX'"], &[]),
        ("F31", &["type=null"], &[]),
        ("F31", &["type='state' and type='XXX'"], &[]),
        ("F32", &["type='XXXX' or type='state'"], all),
        ("F32", &["type='XXXX' or type='YYYY'"], &[]),
        ("F33", &["type='state'", "type='XXX'"], &[]),
        ("F33", &["type='state'", "content/resource/href='run/3'"], &[3]),
        ("F34", &["type^='st'"], all),
        ("F34", &["type^='stXXX'"], &[]),
        ("F34", &["content/resource/href^='run/'"], all),
    ];
    for (name, filters, expected) in rows {
        let filter = parse_all(filters).unwrap().unwrap();
        assert_eq!(chosen(&filter, &events()), *expected, "{name}: {filters:?}");
    }
}

#[test]
fn filters_choose_the_documents_that_the_original_chooses() {
    let rows: &[(&str, &str, &[usize])] = &[
        ("F35", "sequence=2", &[2]),
        ("F35", "sequence!=2", &[0, 1, 3]),
        ("F35", "sequence>=2", &[2, 3]),
        ("F35", "sequence>1", &[2, 3]),
        ("F35", "sequence<2", &[0, 1]),
        ("F35", "sequence<=1", &[0, 1]),
        ("F36", "admin!=null", &[0, 1]),
        ("F36", "admin=null", &[2, 3]),
        ("F37", "(sequence=0 and admin!=null) or (sequence=2 and admin=null)", &[0, 2]),
    ];
    for (name, filter, expected) in rows {
        assert_eq!(chosen(&parse(filter).unwrap(), &documents()), *expected, "{name}: {filter}");
    }
}
