//! `/metrics`: a page that Prometheus reads without a complaint, whose every family is explained, for those who may read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mf2c_tests::{Agent, Start, curl, eventually};

/// A page of metrics, read as strictly as Prometheus' own checker does.
#[derive(Default)]
struct Page {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, String), f64>,
}

fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == ':')
}

/// The labels of `a="b",c="d"`.
fn labels(text: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("labels `{text}`"));
        let (value, behind) = behind.split_once('"').unwrap_or_else(|| panic!("labels `{text}`"));
        assert!(is_name(name) && !value.contains(['\\', '\n']), "label `{name}` of `{text}`");
        assert!(found.insert(name, value).is_none(), "`{name}` twice in `{text}`");
        rest = behind.strip_prefix(',').unwrap_or(behind);
        assert!(rest.is_empty() || behind.starts_with(','), "labels `{text}`");
    }
    found
}

impl Page {
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end");
        let (mut page, mut family) = (Self::default(), String::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(about) = line.strip_prefix("# HELP ") {
                let (name, help) = about.split_once(' ').expect("a help text");
                assert!(is_name(name) && help.ends_with('.') && !help.contains('\\'), "{line}");
                let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type after the help");
                let (same, kind) = kind.split_once(' ').expect("a type");
                assert!(same == name && ["counter", "gauge", "histogram"].contains(&kind), "{name}: {kind}");
                assert!(page.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} begins twice");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
                family = name.to_owned();
                continue;
            }
            page.sample(line, &family);
        }
        page.check_histograms();
        page
    }

    fn sample(&mut self, line: &str, family: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("`{line}`"));
        let (name, inside) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("`{line}`"))),
            None => (series, ""),
        };
        let part = name.strip_prefix(family).unwrap_or_else(|| panic!("`{line}` stands below {family}"));
        let parts: &[&str] = if self.kinds[family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(parts.contains(&part), "`{line}` stands below {family}");
        labels(inside);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("`{line}`"));
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let twice = self.samples.insert((name.to_owned(), inside.to_owned()), value);
        assert!(twice.is_none(), "{series} twice");
    }

    /// Buckets rise with their bounds, and the last one holds everything.
    fn check_histograms(&self) {
        for (family, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
            for ((name, inside), value) in &self.samples {
                if *name != format!("{family}_bucket") {
                    continue;
                }
                let mut all = labels(inside);
                let bound = all.remove("le").expect("a bound");
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
                let rest: Vec<String> = all.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                series.entry(rest.join(",")).or_default().push((bound, *value));
            }
            for (inside, mut buckets) in series {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{family} {inside}: {buckets:?}");
                let (last, all) = *buckets.last().expect("a bucket");
                assert!(last.is_infinite(), "{family} {inside}");
                let count = self.samples[&(format!("{family}_count"), inside.clone())];
                assert!((count - all).abs() < 0.5, "{family} {inside}");
                assert!(self.samples.contains_key(&(format!("{family}_sum"), inside)));
            }
        }
    }

    fn value(&self, name: &str, inside: &str) -> f64 {
        self.samples.get(&(name.to_owned(), inside.to_owned())).copied().unwrap_or(0.0)
    }
}

fn page(agent: &Agent) -> Page {
    let answer = curl(["-k", &format!("https://{}/metrics", agent.https())]).expect(200);
    assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    Page::read(&answer.text())
}

/// An agent of which everything has been asked once.
fn used() -> Agent {
    let agent = Start::new().agent();
    let _ = agent.send("POST", "sharing-model", Some("{}")).expect(400);
    let event = r#"{"content": {"resource": {"href": "device/1"}, "state": "x"}, "severity": "low", "type": "state",
        "timestamp": "2026-01-02T03:04:05.000Z"}"#;
    let id = agent.send("POST", "event", Some(event)).expect(201).id();
    let _ = agent.send("GET", &id, None).expect(200);
    let _ = agent.send("GET", "event", None).expect(200);
    let _ = agent.send("GET", "event/x/y", None).expect(404);
    let _ = agent.send("MADEUP", "event", None);
    agent
}

#[test]
fn the_page_can_be_read_strictly_and_tells_what_happened() {
    let agent = used();
    let page = page(&agent);
    let requests = |method: &str, route: &str, status: &str| {
        let inside = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        page.value("mf2c_http_requests_total", &inside)
    };
    for (method, route, status) in [
        ("POST", "/api/{type}", "400"),
        ("POST", "/api/{type}", "201"),
        ("GET", "/api/{type}/{name}", "200"),
        ("GET", "/api/{type}/{name}/{action}", "404"),
        ("other", "/api/{type}", "405"),
    ] {
        assert!((requests(method, route, status) - 1.0).abs() < 0.5, "{method} {route} {status}");
    }
    let timed = page.value("mf2c_http_request_duration_seconds_count", "route=\"/api/{type}\"");
    assert!((timed - 4.0).abs() < 0.5, "{timed}");
    assert!(page.value("mf2c_http_requests_in_flight", "") >= 1.0, "the one for this page");
    assert!(page.value("mf2c_http_connections", "") >= 1.0);
    assert!(page.value("mf2c_store_commit_duration_seconds_count", "") >= 1.0);
    assert!(page.value("mf2c_store_batch_changes_sum", "") >= 1.0);
    assert!((page.value("mf2c_documents", "type=\"event\"") - 1.0).abs() < 0.5);
    assert!(page.value("process_resident_memory_bytes", "") > 1e6);
    assert!(page.value("mf2c_data_directory_bytes", "") > 1e3);
    let (start, end) =
        (page.value("process_start_time_seconds", ""), page.value("mf2c_certificate_expiry_timestamp_seconds", ""));
    assert!((end - start - 825.0 * 86_400.0).abs() < 90_000.0, "{start} {end}");
}

#[test]
fn connections_and_requests_that_have_gone_are_counted_no_more() {
    let agent = used();
    eventually("the end of all connections but one", || {
        let page = page(&agent);
        page.value("mf2c_http_connections", "") < 1.5 && page.value("mf2c_http_requests_in_flight", "") < 1.5
    });
}

#[test]
fn every_family_is_explained_in_operations_and_nothing_else_is() {
    let shown: BTreeSet<String> = page(&used()).kinds.into_keys().collect();
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let operations = fs::read_to_string(operations).unwrap();
    let rows = operations.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter(|row| row.starts_with("mf2c_") || row.starts_with("process_"));
    let explained: BTreeSet<String> = names.filter_map(|row| Some(row.split(['`', '{']).next()?.to_owned())).collect();
    assert_eq!(explained, shown, "left: docs/operations.md, right: /metrics");
}

#[test]
fn metrics_are_for_this_machine_and_administrators_unless_configured() {
    let status = |agent: &Agent, headers: &[&str]| {
        let url = format!("https://{}/metrics", agent.https());
        let headers = headers.iter().flat_map(|header| ["-H", header]);
        curl(["-k", &url].into_iter().chain(headers)).status
    };
    let (admin, jane) = ("slipstream-authn-info: internal ADMIN", "slipstream-authn-info: jane USER");
    let through_a_proxy = "x-forwarded-for: 203.0.113.7";
    let usual = Start::new().agent();
    assert_eq!((status(&usual, &[]), status(&usual, &[through_a_proxy])), (200, 403));
    let open = Start::new().environment("MF2C_API_METRICS", "open").agent();
    assert_eq!((status(&open, &[]), status(&open, &[through_a_proxy])), (200, 200));
    let closed = Start::new().environment("MF2C_API_METRICS", "admin").agent();
    assert_eq!((status(&closed, &[]), status(&closed, &[jane]), status(&closed, &[admin])), (403, 403, 200));
}
