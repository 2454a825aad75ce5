//! Paging with `$after`: each document that is there all the time is seen exactly once, whatever is written meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use mf2c_tests::{Agent, Connection, Start, eventually};
use serde_json::{Value, json};

fn service(name: &str, agents: usize) -> Value {
    json!({"name": name, "exec": "e", "exec_type": "docker", "agent_type": "normal", "num_agents": agents})
}

/// All pages: how often each name was seen, of those that stay.
fn page_through(agent: &Agent, query: &str, size: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = agent.send("GET", &format!("service?{query}&$last={size}&$after={after}"), None).expect(200).json();
        let entries = page["services"].as_array().unwrap();
        assert!(entries.len() <= size, "{}", entries.len());
        for entry in entries {
            let name = entry["name"].as_str().unwrap();
            if name.starts_with("stays") {
                *seen.entry(name.to_owned()).or_default() += 1;
            }
        }
        match page.get("after").and_then(Value::as_str) {
            Some(next) => after = next.to_owned(),
            None => return seen,
        }
    }
}

/// Adds and deletes services of all orders until told to stop.
fn churn(agent: &Agent, stop: &AtomicBool, rounds: &AtomicUsize) {
    let mut connection = Connection::open(&agent.http()).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let mut ids = Vec::new();
        for n in 0..8 {
            let body = service(&format!("goes-{n}"), n % 4).to_string();
            let (status, answer) = connection.send("POST", "/api/service", &body).unwrap();
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            ids.push(answer["resource-id"].as_str().unwrap().to_owned());
        }
        for id in ids {
            assert_eq!(connection.send("DELETE", &format!("/api/{id}"), "").unwrap().0, 200);
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_stays_is_seen_once_while_others_come_and_go() {
    let agent = Start::new().agent();
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| churn(&agent, &stop, &rounds));
        // Some stand where others have been deleted.
        for part in 0..6 {
            let before = rounds.load(Ordering::Relaxed);
            eventually("a round of writes", || rounds.load(Ordering::Relaxed) > before);
            let stay: Vec<Value> = (0..10).map(|n| service(&format!("stays-{part}-{n}"), n % 4)).collect();
            let _ = agent.send("POST", "service", Some(&json!(stay).to_string())).expect(200);
        }
        for (query, size) in [
            ("", 7),
            ("$orderby=num_agents", 7),
            ("$orderby=num_agents:desc,name", 11),
            ("$orderby=name:desc", 1000),
            ("$orderby=num_agents&$filter=num_agents<2", 5),
            ("$orderby=os,unknown", 9),
            ("$orderby=created:desc", 13),
        ] {
            let seen = page_through(&agent, query, size);
            let twice: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
            assert!(twice.is_empty(), "{query}: {twice:?}");
            let expected = if query.contains("$filter") { 6 * 6 } else { 60 };
            assert_eq!(seen.len(), expected, "{query}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(rounds.load(Ordering::Relaxed) > 6);
}

#[test]
fn a_page_by_cursor_is_the_page_by_position() {
    let agent = Start::new().agent();
    let all: Vec<Value> = (0..25).map(|n| service(&format!("s{n:02}"), n / 4)).collect();
    let _ = agent.send("POST", "service", Some(&json!(all).to_string())).expect(200);
    for order in ["", "$orderby=num_agents:desc", "$orderby=exec,name:desc"] {
        let (mut after, mut at) = (String::new(), 1);
        loop {
            let by_cursor =
                agent.send("GET", &format!("service?{order}&$last=6&$after={after}"), None).expect(200).json();
            let by_position =
                agent.send("GET", &format!("service?{order}&$first={at}&$last={}", at + 5), None).expect(200).json();
            assert_eq!(by_cursor["services"], by_position["services"], "{order} from {at}");
            assert_eq!(by_cursor["count"], 25);
            at += 6;
            match by_cursor.get("after").and_then(Value::as_str) {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(at, 31, "{order}");
    }
}

#[test]
fn a_cursor_that_does_not_fit_is_refused() {
    let agent = Start::new().agent();
    let all: Vec<Value> = (0..5).map(|n| service(&format!("s{n}"), n)).collect();
    let _ = agent.send("POST", "service", Some(&json!(all).to_string())).expect(200);
    let page = agent.send("GET", "service?$orderby=name&$last=2&$after=", None).expect(200).json();
    let cursor = page["after"].as_str().unwrap();
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)), "{cursor}");
    for (query, hint) in [
        (format!("$after={cursor}"), "$orderby"),
        (format!("$orderby=name:desc&$after={cursor}"), "$orderby"),
        (format!("$orderby=name&$first=2&$after={cursor}"), "$first"),
        (format!("$orderby=name&$after={cursor}&$after=x"), "twice"),
        (format!("$orderby=name&$after={cursor}x"), "cursor"),
        ("$orderby=name&$after=nonsense".to_owned(), "cursor"),
        (format!("$orderby=name&$after={}", "A".repeat(9000)), "8192"),
    ] {
        let answer = agent.send("GET", &format!("service?{query}"), None).expect(400);
        assert!(answer.message().contains(hint), "{query}: {}", answer.message());
    }
    let _ = agent.send("GET", &format!("service?$orderby=name&$last=2&$after={cursor}"), None).expect(200);
}
