//! An agent with the door of DETER's testbed API, people who sign in there as the original's clients do, and what they ask it for, by
//! curl over TLS.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mf2c_tests::{Agent, Answer, Start, curl, eventually, let_pass, mf2c};
use serde_json::{Value, json};

use crate::discovery::door_of;
use crate::lm_rest::ADMIN;

pub(crate) const PASSWORD: &str = "correct horse battery";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const PAYLOAD: &str = "http://api.testbed.deterlab.net/xsd";

/// See the module. What runs is stopped when it is dropped.
pub(crate) struct Bed {
    agent: Option<Agent>,
    folder: tempfile::TempDir,
    /// The files with certificate and key of those who have signed in.
    signed_in: BTreeMap<String, PathBuf>,
}

/// A fault: its code and its detail.
pub(crate) type Fault = (i32, String);

/// An element with a text.
pub(crate) fn el(name: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!("<ns:{name}>{text}</ns:{name}>")
}

/// An element with elements.
pub(crate) fn within(name: &str, inside: &[String]) -> String {
    format!("<ns:{name}>{}</ns:{name}>", inside.concat())
}

/// An attribute of a profile.
pub(crate) fn said(of: &str, name: &str, value: &str) -> String {
    within(of, &[el("name", name), el("value", value)])
}

/// Bytes as elements have them.
pub(crate) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

pub(crate) fn unbase64(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// What stands in each element of this name, in a reply.
pub(crate) fn each(reply: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<ns:{name}"), format!("</ns:{name}>"));
    let mut found = vec![];
    let mut rest = reply;
    while let Some(at) = rest.find(&open) {
        rest = &rest[at + open.len()..];
        if !rest.starts_with(['>', ' ', '/']) {
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        if rest[..end].ends_with('/') {
            continue;
        }
        let Some(closed) = rest.find(&close) else { break };
        found.push(plain(&rest[end + 1..closed]));
        rest = &rest[closed..];
    }
    found
}

/// What stands in the first one; empty where there is none.
pub(crate) fn one(reply: &str, name: &str) -> String {
    each(reply, name).into_iter().next().unwrap_or_default()
}

/// The state of an experiment, which stands behind those of its containers.
pub(crate) fn state(experiment: &str) -> String {
    each(experiment, "state").pop().unwrap_or_default()
}

fn plain(text: &str) -> String {
    if text.contains("<ns:") {
        return text.to_owned();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// What the owner of the device says of it, so that plain processes run there; `ask` sends a request to the API as an
/// administrator, by method, path below `/api` and body.
pub(crate) fn lend(ask: impl Fn(&str, &str, Option<Value>) -> Answer) {
    let mut device = Value::Null;
    eventually("a device that runs processes", || {
        device = ask("GET", "../lm/devices", None).expect(200).json()["devices"][0].clone();
        device["status"] == "connected" && device["backends"] == json!(["process"])
    });
    let profile = json!({ "service_consumer": true, "resource_contributor": true });
    let limits = ["max_cpu_usage", "max_memory_usage", "max_storage_usage", "max_bandwidth_usage"];
    let mut sharing = json!({ "gps_allowed": false, "battery_limit": 1, "max_apps": 100 });
    limits.iter().for_each(|limit| sharing[limit] = 90.into());
    for (kind, mut body) in [("user-profile", profile), ("sharing-model", sharing)] {
        if ask("GET", &format!("{kind}?$last=0"), None).json()["count"] == 0 {
            body["device_id"] = device["id"].clone();
            let _ = ask("POST", kind, Some(body)).expect(201);
        }
    }
}

/// Stops whatever runs there, as far as that can be done; asked as [`lend`] asks.
pub(crate) fn stop_all(ask: impl Fn(&str, &str, Option<Value>) -> Answer) {
    for _ in 0..100 {
        let _ = ask("DELETE", "../lm/service-instances/all", None);
        if ask("GET", "workload?$last=0", None).json()["count"] == 0 {
            return;
        }
        let_pass(Duration::from_millis(100));
    }
}

impl Bed {
    /// An agent whose owner lends its device to plain processes, with accounts: `boss` administers, the others do not.
    pub(crate) fn start(others: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bed = Self { agent: None, folder, signed_in: BTreeMap::new() };
        bed.begin();
        eventually("an authority", || {
            let data = bed.data();
            let place = ["--data-dir", data.to_str().unwrap()];
            mf2c(&"ca init --area harbour".split(' ').chain(place).collect::<Vec<_>>()).code == Some(0)
        });
        lend(|method, path, body| bed.admin(method, path, body));
        bed.user("boss", true);
        others.iter().for_each(|name| bed.user(name, false));
        for name in others.iter().chain(&["boss"]) {
            bed.sign_in(name);
        }
        bed
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn begin(&mut self) {
        let start = Start::new().data_dir(&self.data()).arguments(["--link", "127.0.0.1:0"]);
        let start = start.environment("MF2C_DEVICE_ENABLED", "true").environment("MF2C_DETER_LISTEN", "127.0.0.1:0");
        let start = start.environment("MF2C_SERVICES_PROCESS", "true").environment("MF2C_SERVICES_DOCKER_SOCKET", "");
        self.agent = Some(start.agent());
    }

    /// Kills the agent, as a power cut does, and starts it again.
    pub(crate) fn kill_and_start_again(&mut self) {
        let _ = self.agent.take().unwrap().kill();
        self.begin();
    }

    pub(crate) fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    /// CIMI as its administrator sees it.
    pub(crate) fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.agent().send_as(Some(ADMIN), method, path, body.map(|body| body.to_string()).as_deref())
    }

    /// CIMI as a user sees it.
    pub(crate) fn cimi(&self, uid: &str, path: &str) -> Answer {
        self.agent().send_as(Some(&format!("{uid} USER")), "GET", path, None)
    }

    pub(crate) fn user(&self, name: &str, is_admin: bool) {
        let form = json!({"href": "user-template/direct", "username": name, "password": PASSWORD,
            "emailAddress": format!("{name}@example.org"), "state": "ACTIVE", "isSuperUser": is_admin});
        let _ = self.admin("POST", "user", Some(json!({ "userTemplate": form }))).expect(201);
    }

    /// Signs in by the challenge, and keeps the certificate and its key.
    pub(crate) fn sign_in(&mut self, uid: &str) {
        let asked = self.ask("", "Users", "requestChallenge", &[el("uid", uid), el("types", "clear")]).unwrap();
        let answer = [el("responseData", &base64(PASSWORD)), el("challengeID", &one(&asked, "challengeID"))];
        let pem = unbase64(&one(&self.ask("", "Users", "challengeResponse", &answer).unwrap(), "return"));
        assert!(pem.contains("BEGIN CERTIFICATE") && pem.contains("BEGIN RSA PRIVATE KEY"), "{uid}");
        let path = self.folder.path().join(format!("{uid}.pem"));
        fs::write(&path, pem).unwrap();
        let _ = self.signed_in.insert(uid.to_owned(), path);
    }

    /// `https://127.0.0.1:12345/axis2/services`
    pub(crate) fn url(&self) -> String {
        format!("https://{}/axis2/services", door_of(self.agent(), "deter.listen"))
    }

    /// Posts an envelope as somebody; as nobody where the name is empty.
    pub(crate) fn post(&self, uid: &str, service: &str, envelope: &str) -> Answer {
        let url = format!("{}/{service}.{service}HttpsSoap12Endpoint/", self.url());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), envelope).unwrap();
        let data = format!("@{}", file.path().display());
        let mut arguments = vec!["-k", "-H", "content-type: application/soap+xml", "--data-binary", &data, &url];
        let pem = self.signed_in.get(uid).map(|path| path.to_str().unwrap().to_owned());
        if !uid.is_empty() {
            arguments.extend(["--cert", pem.as_deref().expect("he has signed in")]);
        }
        curl(arguments)
    }

    /// Asks a service for something; its reply, or its fault.
    pub(crate) fn ask(&self, uid: &str, service: &str, operation: &str, inside: &[String]) -> Result<String, Fault> {
        let envelope = format!(
            "<e:Envelope xmlns:e=\"{SOAP_12}\" xmlns:ns=\"{PAYLOAD}\"><e:Body><ns:{operation}>{}</ns:{operation}></e:Body></e:Envelope>",
            inside.concat()
        );
        let answer = self.post(uid, service, &envelope);
        let text = answer.text();
        match answer.status {
            200 => Ok(text),
            500 => Err((one(&text, "errorCode").parse().unwrap_or_default(), one(&text, "detailMessage"))),
            other => panic!("{operation}: {other} {text}"),
        }
    }

    /// The same where there must be no fault.
    #[track_caller]
    pub(crate) fn done(&self, uid: &str, service: &str, operation: &str, inside: &[String]) -> String {
        self.ask(uid, service, operation, inside).unwrap_or_else(|fault| panic!("{operation} by {uid}: {fault:?}"))
    }

    /// The same where there must be this fault.
    #[track_caller]
    pub(crate) fn refused(&self, uid: &str, service: &str, operation: &str, inside: &[String], fault: (i32, &str)) {
        let found = self.ask(uid, service, operation, inside).err();
        assert_eq!(found, Some((fault.0, fault.1.to_owned())), "{operation} by {uid}");
    }

    /// The texts of a user's notifications, the oldest first.
    pub(crate) fn notifications(&self, uid: &str) -> Vec<String> {
        each(&self.done(uid, "Users", "getNotifications", &[el("uid", uid)]), "body")
    }

    /// The number at the end of a user's newest notification.
    pub(crate) fn challenge(&self, uid: &str) -> String {
        let newest = self.notifications(uid).pop().unwrap();
        newest.rsplit(' ').next().unwrap().to_owned()
    }

    /// An approved project of `owner`.
    pub(crate) fn project(&self, owner: &str, name: &str) {
        let profile = said("profile", "description", "cars");
        let _ = self.done(owner, "Projects", "createProject", &[el("projectid", name), el("owner", owner), profile]);
        let _ = self.done("boss", "Projects", "approveProject", &[el("projectid", name), el("approved", "true")]);
    }

    /// What clients see of an experiment.
    pub(crate) fn experiment(&self, uid: &str, eid: &str) -> String {
        let asked = [el("uid", uid), el("regex", &format!("^{eid}$"))];
        one(&self.done(uid, "Experiments", "viewExperiments", &asked), "return")
    }

    /// Waits until an experiment is in a state.
    #[track_caller]
    pub(crate) fn becomes(&self, uid: &str, eid: &str, wanted: &str) -> String {
        let mut seen = String::new();
        let mut settled = String::new();
        eventually(&format!("{eid} is {wanted}"), || {
            seen = self.experiment(uid, eid);
            settled = state(&seen);
            // What has failed does not come to be by waiting.
            settled == wanted || (wanted == "Realized" && settled == "Unrealized")
        });
        assert_eq!(settled, wanted, "{seen}");
        seen
    }

    /// How many documents of a type there are.
    pub(crate) fn count(&self, kind: &str) -> u64 {
        self.admin("GET", &format!("{kind}?$last=0"), None).json()["count"].as_u64().unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.agent.is_none() {
            return;
        }
        stop_all(|method, path, body| self.admin(method, path, body));
    }
}
