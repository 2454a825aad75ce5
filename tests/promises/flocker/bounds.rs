//! How much there may be of each kind, and whose room it is.

use std::fmt::Write as _;
use std::fs;

use mf2c_tests::{eventually, run};
use serde_json::{Value, json};

use super::place::{Door, N};

const DATASETS: &str = "/v1/configuration/datasets";
const LEASES: &str = "/v1/configuration/leases";

fn id(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// A method, a path and a body.
type Asked = (&'static str, String, Value);

/// The statuses of many requests.
fn many(door: &Door, who: &str, requests: impl Iterator<Item = Asked>) -> Vec<String> {
    let all: Vec<Asked> = requests.collect();
    all.chunks(200).flat_map(|some| together(door, who, some)).collect()
}

/// The statuses of some requests over one connection.
fn together(door: &Door, who: &str, requests: &[Asked]) -> Vec<String> {
    let mut config = String::new();
    for (method, path, body) in requests {
        let body = body.to_string().replace('"', "\\\"");
        let data = if *method == "POST" { format!("data = \"{body}\"\n") } else { String::new() };
        write!(
            config,
            "{}url = \"https://127.0.0.1:{}{path}\"\nrequest = {method}\n{data}silent\nshow-error\ncacert = cluster.crt\n\
             cert = {who}.crt\nkey = {who}.key\noutput = /dev/null\nwrite-out = \"%{{http_code}}\\n\"\n",
            if config.is_empty() { "" } else { "next\n" },
            door.port
        )
        .unwrap();
    }
    fs::write(door.place.path("requests"), config).unwrap();
    let mut command = door.place.command("curl");
    command.args(["--config", "requests"]);
    run(command).expect(0).out.lines().map(str::to_owned).collect()
}

fn lease(number: usize, expires: Value) -> Asked {
    ("POST", LEASES.to_owned(), json!({"dataset_id": id(number), "node_uuid": N, "expires": expires}))
}

fn dataset(number: usize) -> Asked {
    ("POST", DATASETS.to_owned(), json!({"dataset_id": id(number), "primary": N}))
}

#[track_caller]
fn all(statuses: &[String], count: usize, status: &str) {
    assert_eq!(statuses.len(), count);
    let other = statuses.iter().position(|told| told != status);
    assert_eq!(other.map(|at| (at, &statuses[at])), None);
}

#[test]
fn leases_of_one_user_leave_room_for_others_and_those_that_have_ended_are_gone() {
    let door = Door::open(&["ann", "ben", "boss"]);
    let _ = door.agent.send("PUT", "user/boss", Some(r#"{"isSuperUser":true}"#)).expect(200);
    let stored = || door.agent.send("GET", "flocker-lease?$last=1", None).expect(200).json()["count"].clone();
    let ended = many(&door, "ann", (0..1200).map(|number| lease(number, json!(0))));
    all(&ended, 1200, "201");
    eventually("what has ended is gone", || stored() == 0);
    all(&many(&door, "ann", (0..1000).map(|number| lease(number, Value::Null))), 1000, "201");
    let one_more = |who: &str, number| {
        let (_, path, body) = lease(number, Value::Null);
        door.post(who, &path, &body)
    };
    one_more("ann", 5000).refused(507, "You have 1000 leases here, the most that a user may have. Delete some.");
    // She may renew what she has; others have room of their own, and administrators all that there is.
    assert_eq!(one_more("ann", 7).status, 200);
    for (at, who) in ["ben", "boss"].into_iter().enumerate() {
        let _ = one_more(who, 6000 + at).expect(201);
    }
    door.delete("ben", &format!("{LEASES}/{}", id(0))).refused(404, "Lease not found.");
    let _ = door.delete("boss", &format!("{LEASES}/{}", id(0))).expect(200);
    let _ = one_more("ann", 5000).expect(201);
    assert_eq!(stored(), 1002);
}

#[test]
fn datasets_that_are_gone_take_nobodys_room_and_the_newest_are_remembered() {
    let door = Door::open(&["ann", "ben"]);
    let pairs =
        (0..1100).flat_map(|number| [dataset(number), ("DELETE", format!("{DATASETS}/{}", id(number)), json!(0))]);
    let told = many(&door, "ann", pairs);
    let (made, gone): (Vec<_>, Vec<_>) = told.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
    all(&made, 1100, "201");
    all(&gone, 1100, "200");
    let stored = || door.agent.send("GET", "flocker-dataset?$last=1", None).expect(200).json()["count"].clone();
    eventually("the oldest are forgotten", || stored() == 1000);
    let again = |number: usize| door.delete("ann", &format!("{DATASETS}/{}", id(number)));
    assert_eq!(again(1099).expect(200).json()["deleted"], true);
    again(0).refused(404, "Dataset not found.");
    all(&many(&door, "ann", (2000..3000).map(dataset)), 1000, "201");
    let one_more = |who: &str, number| {
        let (_, path, body) = dataset(number);
        door.post(who, &path, &body)
    };
    one_more("ann", 4000).refused(507, "You have 1000 datasets here, the most that a user may have. Delete some.");
    let _ = one_more("ben", 4000).expect(201);
    let _ = again(2000).expect(200);
    let _ = one_more("ann", 4001).expect(201);
}
