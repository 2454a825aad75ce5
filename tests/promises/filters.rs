//! Which filters are read and which are refused, with the place where they go wrong.

use mf2c_tests::{Agent, Answer, Start, curl};

fn send(agent: &Agent, filter: &str) -> Answer {
    let url = format!("{}/event", agent.api());
    let filter = format!("$filter={filter}");
    curl(["-k", "-G", "-H", "slipstream-authn-info: internal ADMIN", &url, "--data-urlencode", &filter])
}

const REFUSED: &str = "Invalid CIMI filter. Parse error at line 1, column ";

/// F01 to F10, without the tables below.
const VALID: &[&str] = &[
    "alpha=3",
    "alpha!=3",
    "3=alpha",
    "alpha=3 and beta=4",
    "3=alpha and 4=beta",
    "(alpha=3)",
    "(3=alpha)",
    "alpha=3 or beta=4",
    "alpha=3 and beta=4 or gamma=5 and delta=6",
    "alpha=3 and (beta=4 or gamma=5) and delta=6",
    "b='b0'",
    "b='b-0'",
    "'b0'=b",
    "'b-0'=b",
    "cloud-vm-instanceid='exo:123-456'",
    "alpha=null",
    "null=alpha",
    "alpha!=null",
    "null!=alpha",
    "alpha^='abc'",
    "alpha^=\"abc\"",
    "'abc'^=alpha",
    "\"abc\"^=alpha",
    "property['beta']='4'",
    "property['beta']!='4'",
    "property['beta']=null",
    "property['beta']!=null",
    "type='state'       and     content/resource/href='run/3'",
    "(unknown=null)and(type='state')",
    r#"(device_id/href="d")and(start_time<"2019-01-01T00:00:00Z")and((stop_time=null)or(stop_time>"2018-01-01T00:00:00Z"))"#,
    // Beyond the original: metrics are fractions.
    "alpha=3.2",
    "alpha>-3",
    "alpha=='abc'",
    "alpha=true",
    "alpha!=false",
];

/// F07.
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

/// F08, with their single-quoted twins.
const STRINGS: &[&str] = &[r#""""#, r#""a""#, r#""\"a""#, r#""a\"""#, r#""a\"a""#, r#""b-0""#];

/// F09.
const ATTRIBUTES: &[&str] =
    &["a", "alpha", "alpha123", "a1", "a1/b2", "a1/b2/c3", "schema-org:attr1", "schema-org:attr1/schema-org:attr2"];

/// F20 to F22, F25: the filter, and the column of the fault.
const INVALID: &[(&str, usize)] = &[
    ("", 1),
    ("()", 2),
    ("alpha=beta", 7),
    ("alpha&&4", 6),
    ("alpha>true", 7),
    ("alpha>null", 7),
    ("alpha^=3", 8),
    ("alpha^=null", 8),
    ("property[beta]='4'", 10),
    ("property['beta']=4", 18),
    ("property['beta']<'4'", 17),
    ("4=property['beta']", 3),
    ("type='missing end quote", 7),
    ("a=1 AND b=2", 5),
    ("a=1 and", 8),
    ("(a=1", 5),
    ("a=1)", 4),
    ("a=1 b=2", 5),
    ("a==3", 4),
];

/// F23.
const BAD_DATES: &[&str] = &[
    "2012-01-99T13:14:25.6ZZ",
    "2012-01-02T13:14:25.6Q",
    "2012-01:02T25:14:25.6-01:15",
    "2012-01-02T13:14:25.6+02-30",
];

/// F24.
const BAD_ATTRIBUTES: &[&str] =
    &["_", "-", "/", "a-", "1", "1a", "_a", "_1", "a1/", "/a1", "a/1", ":a", "a:", "schema-org:a:b", "schema-org:a/"];

#[test]
fn what_the_grammar_allows_is_read() {
    let agent = Start::new().agent();
    let mut filters: Vec<String> = VALID.iter().map(|&filter| filter.to_owned()).collect();
    filters.extend(DATES.iter().map(|date| format!("a={date}")));
    filters.extend(STRINGS.iter().map(|string| format!("a={string}")));
    filters.extend(STRINGS.iter().map(|string| format!("a={}", string.replace('"', "'"))));
    filters.extend(ATTRIBUTES.iter().map(|attribute| format!("{attribute}=1")));
    for filter in filters {
        let answer = send(&agent, &filter);
        assert_eq!(answer.status, 200, "{filter}: {}", answer.text());
        // Clients of the original do not encode anything; only blanks cannot stand in a URL.
        if !filter.contains(' ') {
            let raw = agent.send("GET", &format!("event?$filter={}", filter.replace('+', "%2B")), None);
            assert_eq!((raw.status, raw.json()["count"].clone()), (200, 0.into()), "{filter}: {}", raw.text());
        }
    }
}

#[test]
fn what_the_grammar_excludes_is_refused_at_its_place() {
    let agent = Start::new().agent();
    for (filter, column) in INVALID {
        let answer = send(&agent, filter).expect(400);
        let message = answer.message();
        assert!(message.starts_with(&format!("{REFUSED}{column}:")), "{filter}: {message}");
        assert!(message.contains("expected "), "{filter}: {message}");
    }
    let dates = BAD_DATES.iter().map(|date| format!("a={date}"));
    for filter in dates.chain(BAD_ATTRIBUTES.iter().map(|attribute| format!("{attribute}=1"))) {
        let answer = send(&agent, &filter).expect(400);
        assert!(answer.message().starts_with(REFUSED), "{filter}: {}", answer.text());
    }
    let two = format!("{}/event?$filter=a=1&$filter=b=", agent.api());
    let answer = curl(["-k", "-g", &two]).expect(400);
    assert!(
        answer.message().starts_with(&format!("{REFUSED}14 of the joined text, in filter 2 of 2")),
        "{}",
        answer.text()
    );
}
