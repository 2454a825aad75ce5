//! The agent as a process: how it starts, what it says, what it refuses, how it stops and what is there afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use mf2c_tests::{Agent, Connection, Start, curl, eventually, let_pass};
use serde_json::Value;

const PROFILE: &str = r#"{"device_id": "device/1", "service_consumer": true, "resource_contributor": false}"#;

fn add_profile(agent: &Agent) -> String {
    agent.send("POST", "user-profile", Some(PROFILE)).expect(201).id()
}

/// A number of `/metrics`.
fn metric(agent: &Agent, name: &str) -> u64 {
    let text = watched(agent, "metrics").expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// What those who watch over an agent ask, without credentials.
fn watched(agent: &Agent, path: &str) -> mf2c_tests::Answer {
    curl(["-k", &format!("https://{}/{path}", agent.https())])
}

#[test]
fn the_only_line_on_standard_output_says_where_the_api_is() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut first = Start::new().data_dir(data_dir.path()).agent();
    // A first start tells of the administrator too.
    let said: Vec<String> = first.printed().lines().map(str::to_owned).collect();
    assert!(said.len() == 3 && said[0].starts_with("administrator: ") && said[2].starts_with("ready "), "{said:?}");
    assert_eq!(first.stop("TERM").code(), Some(0));
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    let ready = format!("ready https://127.0.0.1:{}/api\n", agent.https().rsplit(':').next().unwrap());
    println!("ready after {:?}", agent.ready_after);
    let _ = agent.send("GET", "cloud-entry-point", None).expect(200);
    assert_eq!(agent.stop("TERM").code(), Some(0));
    assert_eq!(agent.printed(), ready);
}

#[test]
fn a_port_that_is_taken_is_refused_with_the_flag_that_chooses_another() {
    let data_dir = tempfile::tempdir().unwrap();
    // If this fails, somebody else has the port, which serves as well.
    let _taken = TcpListener::bind("127.0.0.1:8443");
    let refused = Start::new().bare().data_dir(data_dir.path()).refused().expect(1);
    refused.tells(&["127.0.0.1:8443", "`--api`", "in use"]);
    assert_eq!(refused.out, "");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let start = Start::new().plain().arguments(["--http", &address]).data_dir(data_dir.path());
    start.refused().expect(1).tells(&[&address, "`--http`"]);
}

#[test]
fn a_signal_lets_what_is_in_flight_be_answered_and_leaves_everything_on_disk() {
    for signal in ["TERM", "INT"] {
        let data_dir = tempfile::tempdir().unwrap();
        let mut agent = Start::new().data_dir(data_dir.path()).agent();
        let before = add_profile(&agent);
        let requests = "mf2c_http_requests_in_flight";
        let others = metric(&agent, requests);
        let mut slow = Connection::open(&agent.http()).unwrap();
        let (first, rest) = PROFILE.split_at(20);
        slow.begin("POST", "/api/user-profile", PROFILE.len(), first).unwrap();
        eventually("its head is read", || metric(&agent, requests) > others);
        assert!(data_dir.path().join("control.sock").exists());
        agent.signal(signal);
        eventually("the word that it stops", || agent.log().contains("stopping"));
        let (status, answer) = slow.raw(rest.as_bytes()).expect("an answer to what was in flight");
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(agent.wait().code(), Some(0), "{}", agent.log());
        assert!(agent.log().contains("everything is on disk"), "{}", agent.log());
        assert!(!data_dir.path().join("control.sock").exists());

        let agent = Start::new().data_dir(data_dir.path()).agent();
        for id in [&before, answer["resource-id"].as_str().unwrap()] {
            let _ = agent.send("GET", id, None).expect(200);
        }
    }
}

#[test]
fn a_client_that_never_finishes_does_not_keep_the_agent_from_stopping() {
    let mut agent = Start::new().environment("MF2C_LIMITS_SHUTDOWN", "1s").agent();
    let mut stuck = Connection::open(&agent.http()).unwrap();
    stuck.begin("POST", "/api/user-profile", 1000, "{").unwrap();
    let idle = Connection::open(&agent.http()).unwrap();
    assert_eq!(agent.stop("TERM").code(), Some(0), "{}", agent.log());
    drop(idle);
}

#[test]
fn a_second_agent_on_the_same_data_is_refused_and_the_first_goes_on() {
    let agent = Start::new().agent();
    let refused = Start::new().data_dir(agent.data_dir()).refused().expect(1);
    let (directory, process) = (agent.data_dir().display().to_string(), format!("process {}", agent.pid()));
    refused.tells(&[&directory, &process, "--data-dir"]);
    assert_eq!(refused.err.lines().filter(|line| line.starts_with("mf2c: ")).count(), 1, "{}", refused.err);
    let _ = add_profile(&agent);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Start::new().data_dir(&file.join("data")).refused().expect(1);
    refused.tells(&["data directory", &file.display().to_string()]);
}

#[test]
fn plain_http_is_off_and_nobody_is_believed_unless_asked_for() {
    let agent = Start::new().plain().agent();
    assert!(agent.log_lines().all(|line| line.get("http").is_none_or(Value::is_null)), "{}", agent.log());
    let over_http = curl([format!("http://{}/api/cloud-entry-point", agent.https())]);
    assert_eq!(over_http.status, 0, "{}", over_http.text());
    let believed = agent.send("GET", "user-profile", None);
    assert_eq!(believed.status, 403, "{}", believed.text());
}

#[test]
fn the_log_is_on_standard_error_as_text_or_json() {
    let mut agent = Start::new().agent();
    assert_eq!(agent.stop("TERM").code(), Some(0));
    let lines: Vec<Value> = agent.log_lines().collect();
    assert_eq!(lines.len(), agent.log().lines().count(), "{}", agent.log());
    for field in ["timestamp", "level", "message"] {
        assert!(lines.iter().all(|line| line[field].is_string()), "{field}: {}", agent.log());
    }
    let warning = lines.iter().find(|line| line["level"] == "WARN").expect("development mode is warned of");
    assert!(warning["message"].as_str().unwrap().contains("loopback"), "{warning}");

    let mut agent = Start::new().bare().arguments(["--api", "127.0.0.1:0"]).agent();
    assert_eq!(agent.stop("TERM").code(), Some(0));
    let log = agent.log();
    assert_eq!(agent.log_lines().count(), 0, "{log}");
    assert!(log.lines().all(|line| ["INFO ", "WARN "].iter().any(|level| line.contains(level))), "{log}");
    assert!(!log.contains('\u{1b}'), "colours where there is no terminal: {log}");
}

#[test]
fn a_certificate_is_made_once_and_clients_that_trust_it_can_go_on_doing_so() {
    let data_dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (data_dir.path().join("tls/server.pem"), data_dir.path().join("tls/server.key"));
    let mut fingerprints = BTreeSet::new();
    for _ in 0..3 {
        let agent = Start::new().data_dir(data_dir.path()).agent();
        let port = agent.https().rsplit(':').next().unwrap();
        let url = format!("https://localhost:{port}/api/cloud-entry-point");
        let trusting = curl(["--cacert", certificate.to_str().unwrap(), &url]);
        assert_eq!(trusting.status, 200, "{}", trusting.text());
        assert_eq!(curl([url]).status, 0, "who does not know the certificate does not trust it");
        fingerprints.extend(agent.log_lines().filter_map(|line| Some(line.get("fingerprint")?.as_str()?.to_owned())));
    }
    assert_eq!(fingerprints.len(), 1, "{fingerprints:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(data_dir.path().join("tls").as_path()), mode(&key)), (0o700, 0o600));

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = Start::new().data_dir(data_dir.path()).refused().expect(1);
    refused.tells(&["0644", &format!("chmod 600 {}", key.display())]);
}

#[test]
fn what_was_stored_and_who_the_machine_is_survive_restarts() {
    let data_dir = tempfile::tempdir().unwrap();
    let start = || {
        let start = Start::new().data_dir(data_dir.path()).environment("MF2C_DEVICE_ENABLED", "true");
        let agent = start.agent();
        eventually("this machine's documents", || metric(&agent, "mf2c_documents{type=\"device-dynamic\"}") > 0);
        agent
    };
    let agent = start();
    let profile = agent.send("GET", &add_profile(&agent), None).expect(200);
    let device = agent.send("GET", "device", None).expect(200).json();
    let mut agent = agent;
    for restart in 0..3 {
        let ended = if restart == 1 { agent.stop("KILL").code() } else { agent.stop("TERM").code() };
        assert_eq!(ended, (restart != 1).then_some(0));
        agent = start();
        let again = agent.send("GET", profile.json()["id"].as_str().unwrap(), None).expect(200);
        assert_eq!((again.header("etag"), again.json()), (profile.header("etag"), profile.json()));
        for kind in ["device", "device-dynamic", "agent"] {
            assert_eq!(agent.send("GET", kind, None).expect(200).json()["count"], 1, "{kind}");
        }
        let device_again = agent.send("GET", "device", None).json();
        for field in ["id", "deviceID", "created"] {
            assert_eq!(device_again["devices"][0][field], device["devices"][0][field], "{field}");
        }
    }
}

#[test]
fn the_device_document_describes_this_machine_and_the_dynamic_one_follows_it() {
    let agent = Start::new()
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_DEVICE_SAMPLE_EVERY", "200ms")
        .environment("MF2C_DEVICE_PUBLISH_EVERY", "1s")
        .agent();
    let dynamic = || agent.send("GET", "device-dynamic", None).expect(200).json()["deviceDynamics"][0].clone();
    eventually("the first sample", || dynamic().is_object());
    let first = dynamic();
    let device = agent.send("GET", "device", None).expect(200).json()["devices"][0].clone();
    assert_eq!(first["device"]["href"], device["id"]);
    assert_eq!(device["arch"], std::env::consts::ARCH);
    assert!(device["os"].as_str().unwrap().contains("Linux"), "{}", device["os"]);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap().matches("processor\t:").count();
    assert!(processors == 0 || device["logicalCores"] == processors, "{} of {processors}", device["logicalCores"]);
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let memory: f64 = memory.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0;
    let described = device["memory"].as_f64().unwrap();
    assert!((described - memory).abs() / memory < 0.01, "{described} MiB of {memory}");
    assert!(device["storage"].as_f64().unwrap() > first["storageFree"].as_f64().unwrap());
    assert_eq!(device["deviceID"].as_str().unwrap().len(), 128);
    let updated = |document: &Value| document["updated"].as_str().unwrap().to_owned();
    eventually("a newer publication", || {
        let newer = dynamic();
        updated(&newer) > updated(&first) && newer["interfaces"] != first["interfaces"]
    });
    assert_eq!(updated(&agent.send("GET", "device", None).json()["devices"][0]), updated(&device), "facts do not move");
}

#[test]
fn an_idle_agent_does_not_write() {
    let agent = Start::new()
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_DEVICE_SAMPLE_EVERY", "100ms")
        .environment("MF2C_DEVICE_PUBLISH_EVERY", "1h")
        .environment("MF2C_DEVICE_THRESHOLD_PERCENT", "100")
        .agent();
    eventually("this machine's documents", || {
        let types = ["agent", "device-dynamic", "user-profile", "sharing-model"];
        types.iter().all(|kind| metric(&agent, &format!("mf2c_documents{{type=\"{kind}\"}}")) == 1)
    });
    eventually("what it can run", || agent.send("GET", "device", None).json()["devices"][0]["backends"].is_array());
    let before = metric(&agent, "mf2c_store_position");
    let_pass(Duration::from_secs(2));
    assert_eq!(metric(&agent, "mf2c_store_position"), before);
}

#[test]
fn health_and_metrics_need_no_credentials_and_metrics_follow_what_happens() {
    let agent = Start::new().plain().agent();
    assert_eq!(watched(&agent, "healthz").expect(200).text(), "ok\n");
    let metrics = watched(&agent, "metrics").expect(200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"), "{}", metrics.head);
    for line in metrics.text().lines() {
        let parts: Vec<&str> = line.rsplitn(2, ' ').collect();
        let is_comment = line.starts_with("# HELP ") || line.starts_with("# TYPE ");
        assert!(is_comment || parts[0].parse::<f64>().is_ok(), "{line}");
    }
    let agent = Start::new().agent();
    let position = metric(&agent, "mf2c_store_position");
    add_profile(&agent);
    assert_eq!(metric(&agent, "mf2c_documents{type=\"user-profile\"}"), 1);
    assert_eq!(metric(&agent, "mf2c_store_position"), position + 1);
}
