//! What belongs to one agent alone never leaves it: it is looked for in what the others answer, and byte by byte in their stores.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mf2c_tests::Fog;
use serde_json::{Value, json};

/// Types of which nothing travels, as `cluster.md` (f) and (g.4) say, and what else an agent keeps to itself.
const OWN: [&str; 14] = [
    "user",
    "email",
    "session",
    "session-template",
    "configuration",
    "credential",
    "callback",
    "user-identifier",
    "user-param",
    "webhook",
    "webhook-failure",
    "join-token",
    "certificate",
    "proposal",
];

fn add(fog: &Fog, name: &str, kind: &str, body: &Value) -> Value {
    fog.agent(name).send("POST", kind, Some(&body.to_string())).expect(201).json()
}

/// The last part of an id, which nothing else has.
fn key(made: &Value) -> String {
    made["resource-id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// Makes one of everything at an agent: words by which each is known wherever it is.
fn secrets(fog: &Fog, name: &str) -> Vec<String> {
    let mark = |what: &str| format!("{what}zq{}", name.replace('-', ""));
    let (person, password) = (mark("jane"), "correct horse battery");
    let form = json!({
        "href": "user-template/direct", "username": person, "password": password, "state": "ACTIVE",
        "emailAddress": format!("{}@example.org", mark("mail")),
    });
    let _ = add(fog, name, "user", &json!({ "userTemplate": form }));
    let api_key =
        json!({"credentialTemplate": {"href": "credential-template/generate-api-key"}, "name": mark("apikey")});
    let api_key = add(fog, name, "credential", &api_key);
    let stored = json!({"href": "credential-template/store-secret", "secret": mark("stored")});
    let stored = add(fog, name, "credential", &json!({ "credentialTemplate": stored }));
    let _ = add(fog, name, "user-param", &json!({"paramsType": "execution", "sshPublicKey": mark("ssh")}));
    let _ =
        add(fog, name, "webhook", &json!({"url": format!("https://127.0.0.1:9/{}", mark("hook")), "types": ["event"]}));
    let callback =
        json!({"action": "validate", "targetResource": {"href": "email/none"}, "data": {"mark": mark("callback")}});
    let callback = add(fog, name, "callback", &callback);
    let cookie = fog.agent(name).sign_in(&person, password);
    let sessions = fog.agent(name).send_with(&cookie, "GET", "session", None).expect(200).json();
    let session =
        sessions["sessions"][0]["id"].as_str().expect("the own session").rsplit('/').next().unwrap().to_owned();
    let mut marks =
        vec![person, mark("mail"), key(&api_key), mark("apikey"), mark("ssh"), mark("hook"), key(&callback), session];
    marks.extend([key(&stored), mark("stored")]);
    if fog.role(name) == "leader" {
        let before = tokens(fog, name);
        let _ = fog.told(name, &["token", "create"]);
        marks.extend(tokens(fog, name).into_iter().filter(|token| !before.contains(token)));
    }
    marks
}

fn tokens(fog: &Fog, name: &str) -> Vec<String> {
    let listed = fog.agent(name).send("GET", "join-token", None).expect(200).json();
    let all = listed["joinTokens"].as_array().into_iter().flatten();
    all.map(|token| token["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

/// Which of these words stand in any file below a folder.
fn found(folder: &Path, words: &[String]) -> BTreeSet<String> {
    let mut grep = Command::new("grep");
    // What is gone while it is read holds nothing.
    grep.args(["--recursive", "--text", "--only-matching", "--no-filename", "--fixed-strings", "--no-messages"]);
    let words = words.iter().flat_map(|word| ["-e", word]);
    let told = grep.args(words).arg(folder).output().expect("grep runs").stdout;
    String::from_utf8_lossy(&told).lines().map(str::to_owned).collect()
}

#[test]
fn users_keys_sessions_mails_tokens_and_hooks_are_in_no_store_and_no_answer_of_leader_backup_or_cloud() {
    let fog = Fog::new().with("MF2C_WEBHOOKS_ALLOW_PRIVATE", "true").three_levels();
    let all = ["cloud", "lead", "spare", "kid"];
    for owner in ["kid", "lead"] {
        let marks = secrets(&fog, owner);
        assert!(marks.len() >= 8 + usize::from(owner == "lead"), "{marks:?}");
        // What travels comes in the order of the writes: when this is there, the rest would be.
        let last = fog.put(owner, &format!("after-all-zq-{owner}"));
        let store = |name: &str| fog.data_dir(name).join("store");
        for name in all.iter().filter(|name| **name != owner && **name != "kid") {
            fog.reaches(name, &last);
            let travels = [format!("after-all-zq-{owner}")];
            assert_eq!(found(&store(name), &travels).len(), 1, "what travels is found by its bytes at {name}");
        }
        assert_eq!(found(&store(owner), &marks), marks.iter().cloned().collect(), "all is found where it belongs");
        for name in all.iter().filter(|name| **name != owner) {
            assert_eq!(found(&store(name), &marks), BTreeSet::new(), "in the store of {name}, of {owner}");
        }
        for (name, kind) in all.iter().flat_map(|name| OWN.map(|kind| (*name, kind))).filter(|(name, _)| *name != owner)
        {
            let told = fog.agent(name).send("GET", kind, None).expect(200).text();
            let told_of = marks.iter().find(|mark| told.contains(mark.as_str()));
            assert_eq!(told_of, None, "{kind} at {name} tells of {owner}");
        }
    }
}
