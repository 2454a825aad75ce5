//! The event stream: what happens arrives, once, in order, and only with those who may see it.

#![allow(clippy::disallowed_methods, reason = "how long a stream is silent is measured in real time")]

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mf2c_tests::{Agent, Answer, Connection, EventStream, Start, curl, eventually};
use serde_json::{Value, json};

const ADMIN: &str = "slipstream-authn-info: internal ADMIN";
const JANE: &str = "slipstream-authn-info: jane USER";
const SERVICE: &str = r#"{"name":"s","exec":"e","exec_type":"docker","agent_type":"normal"}"#;

fn follow(agent: &Agent, query: &str, headers: &[&str]) -> EventStream {
    EventStream::open(&agent.http(), &format!("/events{query}"), headers).unwrap()
}

/// A stream that has begun: what happens from now on arrives.
#[track_caller]
fn begun(agent: &Agent, query: &str, who: &[&str]) -> (EventStream, String) {
    let mut stream = follow(agent, query, who);
    let ready = stream.event();
    assert_eq!(ready.name, "ready", "{}", stream.head);
    (stream, ready.id)
}

fn add(agent: &Agent, who: Option<&str>, kind: &str, body: &str) -> String {
    agent.send_as(who, "POST", kind, Some(body)).expect(201).id()
}

fn metric(agent: &Agent, name: &str) -> u64 {
    let text = curl([format!("http://{}/metrics", agent.http())]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn asked(agent: &Agent, arguments: &[&str], query: &str) -> Answer {
    let url = format!("{}/events{query}", agent.api().trim_end_matches("/api"));
    curl(["-k", "-g", "--max-time", "30"].into_iter().chain(arguments.iter().copied()).chain([url.as_str()]))
}

#[test]
fn what_is_created_updated_and_deleted_arrives_with_the_whole_document() {
    let agent = Start::new().agent();
    let (mut stream, _) = begun(&agent, "?types=service", &[ADMIN]);
    assert!(stream.head.contains("content-type: text/event-stream\r\n"), "{}", stream.head);
    assert!(stream.head.contains("cache-control: no-store\r\n") && stream.head.contains("x-accel-buffering: no\r\n"));
    let id = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    let _ = agent.send("PUT", &id, Some(r#"{"disk":7}"#)).expect(200);
    let last = agent.send("GET", &id, None).expect(200).json();
    let _ = agent.send("DELETE", &id, None).expect(200);
    let events = [stream.event(), stream.event(), stream.event()];
    assert_eq!(events.each_ref().map(|event| event.what()), [("created", &*id), ("updated", &id), ("deleted", &id)]);
    let position = |event: &mf2c_tests::Event| event.data["position"].as_u64().unwrap();
    assert!(events.windows(2).all(|pair| position(&pair[0]) + 1 == position(&pair[1])));
    for event in &events {
        assert_eq!((&event.data["change"], &event.data["type"]), (&json!(event.name), &json!("service")));
        assert!(event.id.ends_with(&format!("-{}", position(event))), "{}", event.id);
        assert!(event.data["time"].as_str().is_some_and(|time| time.ends_with('Z')));
        assert!(event.data["resource"].get("operations").is_none());
    }
    assert!(events[0].data["resource"].get("disk").is_none());
    assert_eq!(events[1].data["resource"], events[2].data["resource"]);
    assert_eq!(
        (&events[2].data["resource"]["disk"], &events[2].data["resource"]["updated"]),
        (&json!(7), &last["updated"])
    );
    assert_eq!((metric(&agent, "mf2c_event_readers"), metric(&agent, "mf2c_event_sent_total")), (1, 3));
}

#[test]
fn a_new_state_arrives_as_an_event_of_its_own() {
    let agent = Start::new().agent();
    let instance =
        r#"{"user":"jane","service":"service/s","agreement":"agreement/a","status":"deploying","agents":[]}"#;
    let id = add(&agent, Some("jane USER"), "service-instance", instance);
    let (mut jane, _) = begun(&agent, "?types=event", &[JANE]);
    let (mut joe, _) = begun(&agent, "", &["slipstream-authn-info: joe USER"]);
    for status in ["started", "started", "stopped"] {
        let body = json!({"status": status}).to_string();
        let _ = agent.send_as(Some("jane USER"), "PUT", &id, Some(&body)).expect(200);
    }
    for status in ["started", "stopped"] {
        let event = jane.event().data["resource"].take();
        assert_eq!(event["content"], json!({"resource": {"href": id}, "state": status}));
        assert_eq!((&event["type"], &event["severity"]), (&json!("state"), &json!("medium")));
    }
    let seen = add(&agent, Some("joe USER"), "service", SERVICE);
    assert_eq!(joe.event().what(), ("created", &*seen), "joe may not see what is jane's");
}

#[test]
fn types_and_a_filter_choose_and_each_sees_only_what_he_may() {
    let agent = Start::new().agent();
    let (mut chosen, _) = begun(&agent, "?types=device,service&$filter=disk>3", &[ADMIN]);
    let (mut jane, _) = begun(&agent, "", &[JANE]);
    let (mut nobody, _) = begun(&agent, "", &[]);
    let of_admin = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    let of_jane = add(&agent, Some("jane USER"), "service", SERVICE);
    let open = r#"{"timestamp":"2020-01-01T00:00:00Z","type":"alarm","severity":"low",
        "content":{"resource":{"href":"device/d"},"state":"x"},"acl":{"owner":{"principal":"jane","type":"USER"},
        "rules":[{"principal":"ANON","type":"ROLE","right":"VIEW"}]}}"#;
    let open = add(&agent, Some("jane USER"), "event", open);
    let shared = r#"{"disk":4,"acl":{"owner":{"principal":"jane","type":"USER"},
        "rules":[{"principal":"ANON","type":"ROLE","right":"VIEW"}]}}"#;
    let _ = agent.send_as(Some("jane USER"), "PUT", &of_jane, Some(shared)).expect(200);
    let _ = agent.send("PUT", &of_admin, Some(r#"{"disk":9}"#)).expect(200);
    let _ = agent.send_as(Some("jane USER"), "DELETE", &of_jane, None).expect(200);
    let _ = agent.send_as(Some("jane USER"), "DELETE", &open, None).expect(200);
    let expected = [("updated", &*of_jane), ("updated", &of_admin), ("deleted", &of_jane)];
    expected.iter().for_each(|expected| assert_eq!(chosen.event().what(), *expected));
    let expected = [("created", &*of_jane), ("created", &open), ("updated", &of_jane), ("deleted", &of_jane)];
    expected.iter().for_each(|expected| assert_eq!(jane.event().what(), *expected));
    // Nobody may list services, so not even one that anybody may see.
    let expected = [("created", &*open), ("deleted", &open)];
    expected.iter().for_each(|expected| assert_eq!(nobody.event().what(), *expected));
}

#[test]
fn a_reader_goes_on_after_a_power_cut_without_loss_or_doubles() {
    let agent = Start::new().agent();
    let (mut stream, _) = begun(&agent, "?types=service", &[ADMIN]);
    let mut made: Vec<String> = (0..20).map(|_| add(&agent, Some("internal ADMIN"), "service", SERVICE)).collect();
    let mut seen: Vec<String> = Vec::new();
    let mut last = String::new();
    for _ in 0..7 {
        let event = stream.event();
        seen.push(event.what().1.to_owned());
        last = event.id;
    }
    let (data, _own) = agent.kill();
    let agent = Start::new().data_dir(&data).agent();
    made.extend((0..5).map(|_| add(&agent, Some("internal ADMIN"), "service", SERVICE)));
    // The header wins over the parameter.
    let header = format!("last-event-id: {last}");
    let mut stream = follow(&agent, "?types=service&from=1-1", &[ADMIN, &header]);
    made.push(add(&agent, Some("internal ADMIN"), "service", SERVICE));
    while seen.len() < made.len() {
        let event = stream.event();
        assert_eq!(event.name, "created");
        seen.push(event.what().1.to_owned());
    }
    assert_eq!(seen, made);
}

#[test]
fn who_comes_back_too_late_or_from_another_store_is_told_to_read_anew() {
    let agent = Start::new().environment("MF2C_STORE_LOG_ENTRIES", "100").agent();
    let (_, first) = begun(&agent, "", &[ADMIN]);
    let id = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    for disk in 0..150 {
        let mut connection = Connection::open(&agent.http()).unwrap();
        let body = json!({"disk": disk}).to_string();
        assert_eq!(connection.send("PUT", &format!("/api/{id}"), &body).unwrap().0, 200);
    }
    let (incarnation, _) = first.split_once('-').unwrap();
    let future = format!("{incarnation}-99999");
    for (from, reason) in [(&*first, "no longer goes back"), ("1f-3", "another store"), (&future, "another store")] {
        let mut stream = follow(&agent, &format!("?from={from}"), &[ADMIN]);
        let reset = stream.event();
        assert_eq!(reset.name, "reset");
        assert!(reset.data["reason"].as_str().is_some_and(|text| text.contains(reason)), "{}", reset.data);
        assert!(reset.id.starts_with(incarnation) && reset.data["position"].as_u64() >= Some(151));
        let _ = agent.send("PUT", &id, Some(r#"{"disk":1}"#)).expect(200);
        assert_eq!(stream.event().what(), ("updated", &*id));
    }
    assert_eq!(metric(&agent, "mf2c_event_resets_total"), 3);
}

#[test]
fn a_reader_behind_the_shared_ring_goes_on_from_the_log() {
    let agent = Start::new().agent();
    let (_, first) = begun(&agent, "", &[ADMIN]);
    let lines: String = (0..6000).map(|_| format!("{SERVICE}\n")).collect();
    let url = format!("http://{}/api/service", agent.http());
    let arguments = ["-H", ADMIN, "-H", "content-type: application/x-ndjson", "--data-binary", "@-"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines");
    std::fs::write(&file, lines).unwrap();
    let from_file = format!("@{}", file.display());
    let arguments = arguments.map(|argument| if argument == "@-" { &*from_file } else { argument });
    let _ = curl(arguments.into_iter().chain([url.as_str()])).expect(200);
    let mut stream = follow(&agent, &format!("?from={first}"), &[ADMIN]);
    let positions: Vec<u64> = (0..6000).map(|_| stream.event().data["position"].as_u64().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no hole and no doubles");
}

#[test]
fn bad_parameters_are_named() {
    let agent = Start::new().agent();
    for (query, words) in [
        ("?types=devise", "did you mean `device`?"),
        ("?type=device", "did you mean `types`?"),
        ("?filter=disk%3D", "column"),
        ("?$filter=(disk=1", "column"),
        ("?from=yesterday", "`yesterday` is no event id"),
        ("?from=%zz", "percent escape"),
    ] {
        let answer = asked(&agent, &["-H", ADMIN], query).expect(400);
        assert!(answer.message().contains(words), "{query}: {}", answer.message());
        assert_eq!(asked(&agent, &["-I", "-H", ADMIN], query).status, 400, "{query}");
    }
    let answer = asked(&agent, &["-H", "last-event-id: x"], "").expect(400);
    assert!(answer.message().contains("`x` is no event id"));
    let answer = asked(&agent, &["-H", JANE], "?types=service,configuration").expect(403);
    assert_eq!(answer.id(), "configuration");
    let _ = asked(&agent, &[], "?types=service").expect(403);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = asked(&agent, &["-X", method], "").expect(405);
        assert_eq!(answer.header("allow").as_deref(), Some("GET, HEAD"));
        assert_eq!(answer.json()["status"], 405);
    }
    let head = asked(&agent, &["-I", "--compressed"], "").expect(200);
    assert_eq!(head.header("content-type").as_deref(), Some("text/event-stream"));
    assert!(head.header("content-length").is_none() && head.header("content-encoding").as_deref() != Some("gzip"));
}

#[test]
fn a_silent_stream_gives_signs_of_life_and_moves_on() {
    let agent = Start::new().environment("MF2C_EVENTS_HEARTBEAT", "300ms").agent();
    let (mut stream, first) = begun(&agent, "?types=device", &[ADMIN]);
    let _ = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    // Nothing of it is for this reader, but the place to go on from moves.
    let moved = stream.read().unwrap().unwrap();
    assert!(moved.name.is_empty() && moved.id != first, "{moved:?}");
    let started = Instant::now();
    let before = stream.comments;
    let id = std::thread::scope(|scope| {
        scope.spawn(|| {
            mf2c_tests::let_pass(Duration::from_millis(1500));
            let device = json!({"deviceID": "d", "isLeader": false, "os": "linux", "arch": "x86_64",
                "cpuManufacturer": "any", "physicalCores": 2, "logicalCores": 4, "cpuClockSpeed": "1 GHz",
                "memory": 2048.0, "storage": 1000.0, "agentType": "normal", "networkingStandards": "eth0",
                "hwloc": "", "cpuinfo": ""});
            add(&agent, Some("internal ADMIN"), "device", &device.to_string())
        });
        stream.event().what().1.to_owned()
    });
    assert!(id.starts_with("device/"));
    let comments = stream.comments - before;
    let most = usize::try_from(started.elapsed().as_millis() / 300 + 2).unwrap();
    assert!(comments >= 1 && comments <= most, "{comments} of {most}");
}

#[test]
fn there_are_at_most_so_many_readers_and_who_leaves_makes_room() {
    let agent = Start::new().environment("MF2C_EVENTS_READERS", "2").agent();
    let (first, _second) = (begun(&agent, "", &[]), begun(&agent, "", &[]));
    let answer = asked(&agent, &[], "").expect(503);
    assert_eq!(answer.header("retry-after").as_deref(), Some("10"));
    drop(first);
    eventually("room for a reader", || metric(&agent, "mf2c_event_readers") == 1);
    let _ = begun(&agent, "", &[]);
}

#[test]
fn the_end_of_the_agent_is_the_end_of_the_stream_and_does_not_wait_for_it() {
    let mut agent = Start::new().environment("MF2C_LIMITS_SHUTDOWN", "10m").agent();
    let (mut stream, _) = begun(&agent, "", &[]);
    // It would wait for ten minutes, and no test waits so long.
    assert!(agent.stop("TERM").success());
    assert!(stream.read().unwrap().is_none(), "the stream ends whole");
}

fn resident_mib(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Edits a document so that `megabytes` of changes pass.
/// Changes so much, never further ahead of who has `read` than the change log goes back.
fn pass(connection: &mut Connection, id: &str, megabytes: usize, written: &mut usize, read: &AtomicUsize) {
    for number in 0..2 * megabytes {
        let body = json!({"description": format!("{number:06}").repeat((1 << 19) / 6)}).to_string();
        assert_eq!(connection.send("PUT", &format!("/api/{id}"), &body).unwrap().0, 200);
        *written += 1;
        eventually("who reads to follow", || read.load(Ordering::Acquire) + 50 > *written);
    }
}

#[test]
fn a_reader_who_does_not_read_costs_no_memory_disturbs_nobody_and_is_cut() {
    let agent = Start::new().environment("MF2C_EVENTS_STALL", "10s").agent();
    let id = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    let mut connection = Connection::open(&agent.http()).unwrap();
    let (mut written, read) = (0, Arc::new(AtomicUsize::new(0)));
    let reading = std::thread::spawn({
        let (mut stream, _) = begun(&agent, "?types=service", &[ADMIN]);
        let read = Arc::clone(&read);
        let mut next = move || {
            let event = stream.event();
            assert_eq!(event.name, "updated");
            read.fetch_add(1, Ordering::AcqRel);
            event.data["position"].as_u64().unwrap()
        };
        move || (0..220).map(|_| next()).collect::<Vec<_>>()
    });
    // The ring and the store's own buffers fill before the memory is looked at.
    pass(&mut connection, &id, 50, &mut written, &read);
    let before = resident_mib(&agent);
    let stalled: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = TcpStream::connect(agent.http()).unwrap();
            let head = format!("GET /events?types=service HTTP/1.1\r\nhost: localhost\r\n{ADMIN}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("all readers", || metric(&agent, "mf2c_event_readers") == 11);
    pass(&mut connection, &id, 50, &mut written, &read);
    let grown = resident_mib(&agent).saturating_sub(before);
    assert!(grown < 40, "{grown} MiB more for 10 readers who do not read");
    eventually("the end of those who do not read", || metric(&agent, "mf2c_event_readers") == 1);
    pass(&mut connection, &id, 10, &mut written, &read);
    let positions: HashSet<u64> = reading.join().unwrap().into_iter().collect();
    assert_eq!(positions.len(), 220, "who reads gets all");
    for mut stream in stalled {
        // What the system holds for it is there, then the connection has ended.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.starts_with(b"HTTP/1.1 200 OK"));
    }
}

#[test]
fn no_secret_appears_in_the_stream() {
    let agent = Start::new().agent();
    let (mut stream, first) = begun(&agent, "", &[ADMIN]);
    let spec = agent.send("GET", "openapi.json", None).expect(200).json();
    assert!(spec["paths"]["/events"]["get"]["responses"]["200"]["content"]["text/event-stream"].is_object());
    let answer = agent.send("POST", "credential", Some(r#"{"type":"api-key","method":"x","digest":"very-secret"}"#));
    let _ = add(&agent, Some("internal ADMIN"), "service", SERVICE);
    loop {
        let event = stream.event();
        assert!(!event.data.to_string().contains("very-secret"), "{}", event.data);
        if event.data["type"] == "service" {
            break;
        }
    }
    // A filter cannot ask for it either.
    if answer.status == 201 {
        let mut guess = follow(
            &agent,
            &format!("?types=credential,service&from={first}&filter=digest='very-secret' or exec='e'"),
            &[ADMIN],
        );
        assert_eq!(guess.event().data["type"], Value::from("service"));
    }
}
