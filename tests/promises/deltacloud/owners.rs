//! Whose keys are whose: D-28, the same documents in CIMI, and proofs that end when what they rest on changes.

use mf2c_tests::Start;
use serde_json::json;

use super::place::{PASSWORD, Place};

const JANE: Option<&str> = Some("jane USER");

#[test]
fn d_28_keys_of_others_are_nowhere() {
    let place = Place::new();
    let _ = place.make("k");
    assert!(place.names("joe").is_empty());
    let _ = place.of("joe", &[], "/api/keys/k?format=xml").expect(404);
    let _ = place.of("joe", &["-X", "DELETE"], "/api/keys/k?format=xml").expect(404);
    // Each has names of his own.
    let _ = place.of("joe", &["-d", "name=k"], "/api/keys?format=xml").expect(201);
    let _ = place.of("joe", &["-X", "DELETE"], "/api/keys/k?format=xml").expect(204);
    assert_eq!(place.names("jane"), ["k"]);
    // An administrator has his own as well; those of others he sees in CIMI.
    let admin = format!("admin:{}", place.agent.admin_password());
    assert_eq!(place.ask(&["-u", &admin], "/api/keys?format=json").expect(200).json(), json!({"keys": []}));
    assert_eq!(place.agent.send("GET", "credential?$filter=type='ssh-key'", None).expect(200).json()["count"], 1);
}

#[test]
fn a_key_is_one_document_here_and_in_cimi() {
    let place = Place::new();
    let _ = place.make("here");
    let form = json!({"href": "credential-template/generate-ssh-key"});
    let form = json!({"credentialTemplate": form, "name": "there"}).to_string();
    let made = place.agent.send_as(JANE, "POST", "credential", Some(&form)).expect(201);
    assert!(made.json()["privateKey"].as_str().unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let public = place.list("jane").iter().find(|key| key["id"] == "here").unwrap()["public_key"].clone();
    let form = json!({"href": "credential-template/store-ssh-key", "publicKey": public});
    let stored = json!({"credentialTemplate": form}).to_string();
    let named = place.agent.send_as(JANE, "POST", "credential", Some(&stored)).expect(201);
    let names = place.names("jane");
    assert!(names.len() == 3 && names.iter().any(|name| name.starts_with("key-")), "{names:?}");
    // The name and the key stay what they are, whatever is sent for them.
    let id = made.id();
    let change = json!({"name": "other", "publicKey": "x", "fingerprint": "x", "state": "x", "description": "mine"});
    let edited = place.agent.send_as(JANE, "PUT", &id, Some(&change.to_string())).expect(200).json();
    assert_eq!(
        (&edited["name"], &edited["description"], &edited["state"]),
        (&json!("there"), &json!("mine"), &json!("AVAILABLE"))
    );
    let _ =
        place.agent.send_as(JANE, "PUT", &format!("{id}?$select=name,publicKey,state,type"), Some("{}")).expect(200);
    assert_eq!(place.agent.send_as(JANE, "GET", &id, None).expect(200).json()["name"], "there");
    let taken =
        json!({"credentialTemplate": {"href": "credential-template/generate-ssh-key"}, "name": "here"}).to_string();
    let _ = place.agent.send_as(JANE, "POST", "credential", Some(&taken)).expect(409);
    for id in [id, named.id()] {
        let _ = place.agent.send_as(JANE, "DELETE", &id, None).expect(200);
    }
    assert_eq!(place.names("jane"), ["here"]);
    let filter = "credential?$filter=name='here'";
    assert_eq!(place.agent.send_as(JANE, "GET", filter, None).expect(200).json()["count"], 1);
    let _ = place.jane(&["-X", "DELETE"], "/api/keys/here?format=xml").expect(204);
    assert_eq!(place.agent.send_as(JANE, "GET", filter, None).expect(200).json()["count"], 0);
}

#[test]
fn what_cannot_be_made_in_cimi_is_refused_with_the_reason() {
    let place = Place::new();
    let make = |form: serde_json::Value, name: &str| {
        let body = json!({"credentialTemplate": form, "name": name}).to_string();
        place.agent.send_as(JANE, "POST", "credential", Some(&body)).expect(400).message()
    };
    let href = |method: &str| format!("credential-template/{method}");
    for (form, name, told) in [
        (json!({"href": href("store-ssh-key")}), "k", "publicKey` is missing"),
        (json!({"href": href("store-ssh-key"), "publicKey": "garbage"}), "k", "no public key"),
        (json!({"href": href("store-ssh-key"), "publicKey": "x", "ttl": 1}), "k", "`credentialTemplate.ttl` is not"),
        (json!({"href": href("generate-ssh-key"), "publicKey": "x"}), "k", "publicKey` is not"),
        (json!({"href": href("generate-ssh-key")}), "new", "means something else"),
        (json!({"href": href("store-username-password"), "username": "u"}), "k", "password` is missing"),
        (json!({"href": href("store-username-password"), "username": "u", "password": "p"}), " k", "white space"),
    ] {
        let message = make(form, name);
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn a_key_ends_with_its_user() {
    let place = Place::new();
    let _ = place.make("k");
    let _ = place.agent.send("DELETE", "user/jane", None).expect(200);
    assert_eq!(place.agent.send("GET", "credential?$filter=type='ssh-key'", None).expect(200).json()["count"], 0);
    let _ = place.jane(&[], "/api/keys").expect(401);
}

#[test]
fn a_proof_that_was_good_counts_no_longer_than_what_it_rests_on() {
    let place = Place::new();
    let _ = place.jane(&[], "/api/keys").expect(200);
    let change = |body: serde_json::Value| place.agent.send("PUT", "user/jane", Some(&body.to_string())).expect(200);
    let _ = change(json!({"state": "SUSPENDED"}));
    let _ = place.jane(&[], "/api/keys").expect(401);
    let _ = change(json!({"state": "ACTIVE"}));
    let _ = place.jane(&[], "/api/keys").expect(200);
    let _ = change(json!({"password": "another horse 9"}));
    let _ = place.jane(&[], "/api/keys").expect(401);
    let _ = place.ask(&["-u", "jane:another horse 9"], "/api/keys").expect(200);
}

#[test]
fn an_api_key_and_its_secret_count_as_its_user_until_it_is_deleted() {
    let place = Place::new();
    let _ = place.make("k");
    let form = json!({"credentialTemplate": {"href": "credential-template/generate-api-key"}}).to_string();
    let made = place.agent.send_as(JANE, "POST", "credential", Some(&form)).expect(201);
    let (id, secret) = (made.id(), made.json()["secretKey"].as_str().unwrap().to_owned());
    for name in [id.as_str(), id.strip_prefix("credential/").unwrap()] {
        let listed = place.ask(&["-u", &format!("{name}:{secret}")], "/api/keys?format=json").expect(200).json();
        assert_eq!(listed["keys"][0]["id"], "k");
        let _ = place.ask(&["-u", &format!("{name}:wrong")], "/api/keys").expect(401);
    }
    let _ = place.agent.send_as(JANE, "DELETE", &id, None).expect(200);
    let _ = place.ask(&["-u", &format!("{id}:{secret}")], "/api/keys").expect(401);
}

#[test]
fn passwords_are_not_guessed_here_either() {
    let place = Place::new();
    let statuses: Vec<u16> = (0..30)
        .map(|number| place.ask(&["-u", &format!("jane:guess {number}")], "/api/keys?format=json").status)
        .take_while(|status| *status != 429)
        .collect();
    assert!(statuses.len() < 30 && statuses.iter().all(|status| *status == 401), "{statuses:?}");
    let wait = place.jane(&[], "/api/keys?format=json").expect(429);
    assert!(wait.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    // Nobody signs in to CIMI meanwhile either: it is the same lock.
    let form = json!({"href": "session-template/internal", "username": "jane", "password": PASSWORD});
    let body = json!({ "sessionTemplate": form }).to_string();
    let _ = place.agent.send_as(None, "POST", "session", Some(&body)).expect(429);
}

#[test]
fn a_password_that_was_right_lately_is_refused_too_while_others_guess() {
    let place = Place::new();
    let _ = place.jane(&[], "/api/keys?format=json").expect(200);
    let guess = |number: &u32| place.ask(&["-u", &format!("jane:guess {number}")], "/api/keys?format=json").status;
    let tried = (0..40).take_while(|number| guess(number) != 429).count();
    assert!(tried < 40);
    // Right and wrong ones are told apart by nobody now.
    let _ = place.jane(&[], "/api/keys?format=json").expect(429);
}

#[test]
fn many_requests_at_once_prove_themselves_once() {
    let place = Place::new();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || place.jane(&[], "/api/keys?format=json").status;
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 40]);
}

#[test]
fn the_door_opens_no_sessions_and_is_shut_unless_it_is_asked_for() {
    let place = Place::new();
    for _ in 0..3 {
        let _ = place.jane(&[], "/api/keys").expect(200);
    }
    assert_eq!(place.agent.send("GET", "session?$filter=username='jane'", None).expect(200).json()["count"], 0);
    let without = Start::new().agent();
    assert!(!without.log().contains("deltacloud"), "{}", without.log());
}
