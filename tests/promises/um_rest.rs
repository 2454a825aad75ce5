//! The original's user management (`spec/lifecycle.md` B): paths, statuses, shapes and rights, at the address of the
//! API and at a listener of its own.

use mf2c_tests::{Agent, Start, curl, eventually};
use serde_json::{Value, json};

use crate::discovery::door_of;
use crate::lm_rest::{JANE, add, ask, ask_as, refused};
use crate::lm_services::{Runner, bare, becomes, launched, process};

const ADMIN: &str = "super ADMIN";

/// An agent that describes its device, and what it shares.
fn start() -> Agent {
    let agent = Start::new().environment("MF2C_DEVICE_ENABLED", "true").agent();
    said(&agent);
    agent
}

/// Waits until the agent has said what its device shares.
fn said(agent: &Agent) {
    eventually("the sharing model", || ask(agent, "GET", "/um/sharing-model", None).status == 200);
}

fn id_of(agent: &Agent, kind: &str) -> String {
    let key = kind.replace('-', "_");
    let own = ask(agent, "GET", &format!("/um/{kind}"), None).expect(200).json();
    own[&key]["id"].as_str().unwrap_or_else(|| panic!("no id in {own}")).to_owned()
}

/// A user with an account; his name as a header says it.
fn user(agent: &Agent, name: &str) -> String {
    let form = json!({"href": "user-template/direct", "username": name, "password": "correct horse", "state": "ACTIVE",
        "emailAddress": format!("{name}@example.org")});
    let _ = agent.send("POST", "user", Some(&json!({ "userTemplate": form }).to_string())).expect(201);
    format!("{name} USER")
}

#[test]
fn the_current_device_is_shown_with_what_it_shares() {
    let agent = start();
    for prefix in ["/um", "/um/api/v2/um"] {
        // Users see what the device shares, and administrators the device.
        let get = |tail: &str| ask_as(&agent, ADMIN, "GET", &format!("{prefix}{tail}"), None).expect(200).json();
        let user = get("/current/user");
        assert_eq!((&user["error"], &user["user_id"]), (&false.into(), &"ADMIN".into()));
        assert_eq!(user["user_profile"]["resource_contributor"], true);
        for path in ["/current/device", "/current/all"] {
            let _ = refused(ask(&agent, "GET", &format!("{prefix}{path}"), None), 403);
        }
        let device = get("/current/device");
        assert_eq!(device["user_profile"]["device_id"], device["device"]["id"]);
        let all = get("/current/all")["info"].clone();
        assert_eq!(all["agent"]["device_id"], device["device"]["id"]);
        assert_eq!(all["sharing_model"], get("/sharing-model")["sharing_model"]);
        assert_eq!(get("/user-profile")["user_profile"], user["user_profile"]);
        assert_eq!(get("")["status"], "Running");
    }
    assert!(refused(ask(&agent, "GET", "/um/current/weather", None), 404).contains("expected user, device or all"));
    for path in ["/um/current/user", "/um/user-profile", "/um/assesment", "/um/check"] {
        let _ = refused(ask_as(&agent, "", "GET", path, None), 403);
    }
    let _ = refused(ask(&agent, "GET", "/um/else", None), 404);
    let _ = refused(ask(&agent, "POST", "/um/check", Some(&json!({}))), 405);
}

#[test]
fn where_nothing_is_shared_it_is_missing_and_nothing_else() {
    let agent = Start::new().agent();
    for path in ["/um/current/user", "/um/current/all", "/um/user-profile", "/um/sharing-model"] {
        let _ = refused(ask(&agent, "GET", path, None), 404);
    }
}

#[test]
fn profiles_and_models_are_read_changed_and_deleted_by_those_whom_cimi_lets() {
    let agent = start();
    for (kind, id_key, key, change) in [
        ("user-profile", "profile_id", "profile", json!({ "service_consumer": false })),
        ("sharing-model", "sharing_model_id", "sharing_model", json!({ "max_apps": 3, "apps_running": 7 })),
    ] {
        let id = id_of(&agent, kind);
        let name = id.split_once('/').unwrap().1;
        let path = format!("/um/{kind}/{name}");
        for path in [path.clone(), format!("/um/{kind}/{id}")] {
            let found = ask(&agent, "GET", &path, None).expect(200).json();
            assert_eq!((&found[id_key], &found[key]["id"]), (&json!(id), &json!(id)));
        }
        let _ = refused(ask(&agent, "PUT", &path, Some(&change)), 403);
        let _ = refused(ask(&agent, "DELETE", &path, None), 403);
        let _ = refused(ask(&agent, "GET", &format!("/um/{kind}/nobody-has-this"), None), 404);
        let _ = refused(ask_as(&agent, ADMIN, "PUT", &path, Some(&json!({}))), 400);
        let told = refused(ask_as(&agent, ADMIN, "PUT", &path, Some(&json!({ "max_apps": 0 }))), 400);
        assert!(told.contains("max_apps"), "{told}");
        let changed = ask_as(&agent, ADMIN, "PUT", &path, Some(&change)).expect(200).json();
        for (name, value) in change.as_object().unwrap().iter().filter(|(name, _)| *name != "apps_running") {
            assert_eq!((&changed["data"][name], &changed[key][name]), (value, value));
        }
        // A whole document can be sent back.
        let whole = agent.send("GET", &id, None).expect(200).json();
        let _ = ask_as(&agent, ADMIN, "PUT", &path, Some(&whole)).expect(200);
        let _ = ask_as(&agent, ADMIN, "DELETE", &path, None).expect(200);
        let _ = refused(ask(&agent, "GET", &path, None), 404);
        assert_eq!(agent.send("GET", &id, None).status, 404);
    }
}

#[test]
fn what_runs_is_counted_and_the_assessment_never_stops() {
    let agent = start();
    let put = |path: &str, body: Value| ask(&agent, "PUT", path, Some(&body));
    assert_eq!(put("/um/sharing-model", json!({ "apps_running": -1 })).expect(200).json(), Value::Null);
    let _ = refused(put("/um/sharing-model", json!({ "apps_running": "many" })), 400);
    let _ = refused(put("/um/sharing-model", json!({ "max_apps": 1 })), 406);
    let model = ask(&agent, "GET", "/um/sharing-model", None).expect(200).json();
    assert!(model["sharing_model"].get("apps_running").is_none());
    assert_eq!(ask(&agent, "GET", "/um/assesment", None).expect(200).json()["status"], "Running");
    assert_eq!(put("/um/assesment", json!({ "operation": "start" })).expect(200).json()["status"], "Running");
    assert!(refused(put("/um/assesment", json!({ "operation": "stop" })), 409).contains("always runs"));
    let _ = refused(put("/um/assesment", json!({ "operation": "dance" })), 501);
    let _ = refused(put("/um/assesment", json!({})), 406);
}

#[test]
fn the_verdict_follows_the_profile_and_tells_its_reasons() {
    let agent = start();
    let check = || ask(&agent, "GET", "/um/check", None).expect(200).json();
    eventually("a verdict for it", || check()["result"] == true);
    let found = check();
    assert_eq!((&found["error"], &found["apps_running"]), (&false.into(), &0.into()));
    assert_eq!(found["sharing_model"]["id"], id_of(&agent, "sharing-model").as_str());
    let profile = format!("/um/{}", id_of(&agent, "user-profile"));
    let no_more = json!({ "resource_contributor": false });
    let _ = ask_as(&agent, ADMIN, "PUT", &profile, Some(&no_more)).expect(200);
    eventually("a verdict against it", || check()["result"] == false);
    let found = check();
    assert!(found["message"].as_str().unwrap().contains("may not run another service: "), "{found}");
    assert_eq!((found["reasons"].as_array().unwrap().len(), &found["error"]), (1, &false.into()));
    assert_eq!(found["user_profile"]["resource_contributor"], false);
}

#[test]
fn users_are_seen_and_deleted_by_themselves_and_administrators() {
    let agent = Start::new().agent();
    let (tom, eve) = (user(&agent, "tom"), user(&agent, "eve"));
    let found = ask_as(&agent, &tom, "GET", "/um/user/tom", None).expect(200).json();
    assert_eq!((&found["user_id"], &found["user"]["emailAddress"]), (&"user/tom".into(), &"tom@example.org".into()));
    assert!(found["user"].get("password").is_none(), "{found}");
    let delete = |who: &str, body: Value| ask_as(&agent, who, "DELETE", "/um/user", Some(&body));
    let _ = refused(ask_as(&agent, &eve, "GET", "/um/user/tom", None), 403);
    let _ = refused(ask_as(&agent, &eve, "GET", "/um/user/nobody", None), 404);
    let _ = refused(delete(&eve, json!({ "user_id": "user/tom" })), 403);
    let _ = refused(delete(&tom, json!({})), 406);
    let _ = refused(delete(ADMIN, json!({ "user_id": "nobody" })), 404);
    assert!(refused(delete(ADMIN, json!({ "user_id": "admin" })), 409).contains("last active administrator"));

    let service = json!({ "name": "s", "exec": "x", "exec_type": "docker", "agent_type": "normal" });
    let profile = json!({ "device_id": "device/t", "service_consumer": true, "resource_contributor": true });
    let model = json!({ "device_id": "device/t", "gps_allowed": true, "max_cpu_usage": 1, "max_memory_usage": 1,
        "max_storage_usage": 1, "max_bandwidth_usage": 1, "battery_limit": 1, "max_apps": 1 });
    let instance = json!({ "user": "tom", "service": "service/s", "status": "started", "agents": [] });
    let documents =
        [("service", service), ("user-profile", profile), ("sharing-model", model), ("service-instance", instance)];
    let of = |who: &str| {
        documents
            .each_ref()
            .map(|(kind, body)| agent.send_as(Some(who), "POST", kind, Some(&body.to_string())).expect(201).id())
    };
    let (toms, eves) = (of(&tom), of(&eve));
    let told = delete(&tom, json!({ "user_id": "user/tom" })).expect(200).json();
    assert_eq!((&told["message"], &told["user_id"]), (&"User deleted".into(), &"user/tom".into()));
    for (kind, _) in &documents {
        assert_eq!(told["deleted"][kind], 1, "{told}");
    }
    for (gone, stays) in toms.iter().zip(&eves) {
        assert_eq!((agent.send("GET", gone, None).status, agent.send("GET", stays, None).status), (404, 200), "{gone}");
    }
    assert_eq!(agent.send("GET", "user/tom", None).status, 404);
}

#[test]
fn what_a_user_runs_is_stopped_when_he_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let _ = user(&agent, "jane");
    let id = process(&agent, "sleeper", "/bin/sleep", &["600"]);
    let name = bare(&launched(&agent, &json!({ "service_id": id }))["service_instance"]);
    becomes(&agent, &name, "started");
    assert_eq!(agent.send("GET", "workload?$last=0", None).json()["count"], 1);
    let told = ask(&agent, "DELETE", "/um/user", Some(&json!({ "user_id": "jane" }))).expect(200).json();
    assert_eq!(told["deleted"]["service-instance"], 1, "{told}");
    eventually("nothing runs", || agent.send("GET", "workload?$last=0", None).json()["count"] == 0);
    eventually("the instance is gone", || agent.send("GET", &format!("service-instance/{name}"), None).status == 404);
}

#[test]
fn the_listener_of_its_own_has_the_originals_paths_and_nothing_else() {
    let start = Start::new().environment("MF2C_DEVICE_ENABLED", "true");
    let agent = start.environment("MF2C_SERVICES_UM_LISTEN", "127.0.0.1:0").agent();
    let door = format!("http://{}", door_of(&agent, "services.um_listen"));
    said(&agent);
    let who = format!("slipstream-authn-info: {JANE}");
    let get = |path: &str| curl(["-H", &who, &format!("{door}{path}")]);
    assert_eq!(get("/api/v2").expect(200).json()["app"], "User Management REST API");
    let model = get("/api/v2/um/sharing-model").expect(200).json();
    assert_eq!(model, ask(&agent, "GET", "/um/sharing-model", None).json());
    for path in ["/um/sharing-model", "/api/user-profile", "/lm"] {
        let _ = get(path).expect(404);
    }
}

#[test]
fn what_is_shared_is_said_once_and_never_again_over_what_an_owner_says() {
    let folder = tempfile::tempdir().unwrap();
    let start = |max_apps: &str| {
        let start = Start::new().data_dir(folder.path()).environment("MF2C_DEVICE_ENABLED", "true");
        let agent = start.environment("MF2C_SHARING_MAX_APPS", max_apps).agent();
        said(&agent);
        agent
    };
    let shown =
        |agent: &Agent| ask(agent, "GET", "/um/sharing-model", None).expect(200).json()["sharing_model"].clone();
    let agent = start("7");
    let model = shown(&agent);
    let expected = json!({ "gps_allowed": false, "max_cpu_usage": 80, "max_memory_usage": 80, "max_storage_usage": 80,
        "max_bandwidth_usage": 80, "battery_limit": 20, "max_apps": 7 });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&model[name], value, "{name}");
    }
    assert_eq!(model["acl"]["owner"], json!({ "principal": "ADMIN", "type": "ROLE" }));
    let (model, profile) = (model["id"].as_str().unwrap().to_owned(), id_of(&agent, "user-profile"));
    let _ = agent.send("PUT", &model, Some(r#"{"max_cpu_usage": 10}"#)).expect(200);
    let _ = agent.send("DELETE", &profile, None).expect(200);
    drop(agent.kill());

    let agent = start("9");
    let now = shown(&agent);
    assert_eq!((&now["max_cpu_usage"], &now["max_apps"]), (&json!(10), &json!(7)), "what was edited stays");
    eventually("a profile again", || agent.send("GET", &profile, None).status == 200);
    for kind in ["sharing-model", "user-profile"] {
        assert_eq!(agent.send("GET", kind, None).json()["count"], 1, "{kind}");
    }
    // Whoever has made one himself gets no second one.
    for id in [&model, &profile] {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    let mut own = now;
    own["max_apps"] = 3.into();
    let own = add(&agent, "sharing-model", &own);
    drop(agent.kill());
    let agent = start("9");
    // By then it was looked for both.
    eventually("a profile once more", || agent.send("GET", &profile, None).status == 200);
    assert_eq!((shown(&agent)["id"].as_str(), shown(&agent)["max_apps"].as_u64()), (Some(own.as_str()), Some(3)));
    assert_eq!(agent.send("GET", "sharing-model", None).json()["count"], 1);
}
