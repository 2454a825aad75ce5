//! The doors lead into one house: what is made at one is seen at the others, by the same users, with the same rights, as long as what
//! they prove themselves with counts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mf2c_tests::{Agent, Answer, Start, curl, eventually, mf2c, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::discovery::door_of;
use crate::flocker::place::{Cluster, N, Place, install, port};

const PASSWORD: &str = "correct horse battery";

/// An agent with an authority of its own, all of whose doors are open and speak TLS.
struct House {
    agent: Agent,
    admin: String,
    folder: TempDir,
    deltacloud: String,
    deter: String,
    flocker: Cluster,
}

/// A user's certificate.
struct Card {
    id: String,
    certificate: PathBuf,
    key: PathBuf,
}

impl House {
    fn open() -> Self {
        let start =
            Start::new().plain().arguments(["--link", "127.0.0.1:0"]).environment("MF2C_DEVICE_ENABLED", "true");
        let start =
            start.environment("MF2C_DELTACLOUD_LISTEN", "0.0.0.0:0").environment("MF2C_DETER_LISTEN", "127.0.0.1:0");
        let place = Place::with_cluster();
        place.makes(&["create-control-certificate", "127.0.0.1"]);
        let certificates = install(&place, "control-127.0.0.1");
        let start = start.environment("MF2C_FLOCKER_LISTEN", "127.0.0.1:0");
        let start = start.environment("MF2C_FLOCKER_CERTIFICATES", certificates.to_str().unwrap());
        let agent = start.agent();
        let admin = agent.sign_in("admin", &agent.admin_password());
        let near = |key: &str| door_of(&agent, key).replace("0.0.0.0", "127.0.0.1");
        let (deltacloud, deter) = (near("deltacloud.listen"), near("deter.listen"));
        let flocker = Cluster { place, port: port(&agent) };
        let house = Self { agent, admin, folder: tempfile::tempdir().unwrap(), deltacloud, deter, flocker };
        let command = |line: &str| {
            let place = ["--data-dir", house.agent.data_dir().to_str().unwrap()];
            mf2c(&line.split(' ').chain(place).collect::<Vec<_>>())
        };
        // The description of the machine, which gives the agent its identity, is on its way.
        eventually("an authority", || command("ca init --area harbour").code == Some(0));
        for name in ["jane", "joe"] {
            let form = json!({"href": "user-template/direct", "username": name, "password": PASSWORD,
                "emailAddress": format!("{name}@example.org"), "state": "ACTIVE"});
            let _ = house.by_admin("POST", "user", Some(json!({ "userTemplate": form }))).expect(201);
        }
        house
    }

    fn by_admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.agent.send_with(&self.admin, method, path, body.map(|body| body.to_string()).as_deref())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a shell command says in the folder.
    fn shell(&self, line: &str) -> String {
        let mut bash = Command::new("bash");
        bash.args(["-c", line]).current_dir(self.folder.path());
        run(bash).expect(0).out
    }

    fn card(&self, name: &str) -> Card {
        let _ = self.shell(&format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=x -keyout {name}.key -out {name}.csr"
        ));
        let request = fs::read_to_string(self.file(&format!("{name}.csr"))).unwrap();
        let made =
            self.by_admin("POST", &format!("user/{name}/certify"), Some(json!({ "request": request }))).expect(201);
        let certificate = self.file(&format!("{name}.crt"));
        fs::write(&certificate, made.json()["certificate"].as_str().unwrap()).unwrap();
        let card = Card { id: made.id(), certificate, key: self.file(&format!("{name}.key")) };
        // DETER wants to be told once that the card is used there.
        let asked =
            self.deter("Users", &card, "requestChallenge", &format!("<a:uid>{name}</a:uid>")).expect(200).text();
        let number = asked.split("challengeID>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let password = BASE64_STANDARD.encode(PASSWORD);
        let answer = format!("<a:responseData>{password}</a:responseData><a:challengeID>{number}</a:challengeID>");
        let _ = self.deter("Users", &card, "challengeResponse", &answer).expect(200);
        card
    }

    /// A request for which a certificate is shown.
    fn show(&self, card: &Card, words: &[&str], url: &str) -> Answer {
        let [certificate, key] = [&card.certificate, &card.key].map(|path| path.to_str().unwrap().to_owned());
        curl([&["-k", "--cert", &certificate, "--key", &key, url], words].concat())
    }

    /// What curl ends with at the door for Flocker's clients, with a card of this agent's authority.
    fn shown_to_flocker(&self, card: &Card) -> Option<i32> {
        let [certificate, key] = [&card.certificate, &card.key].map(|path| path.to_str().unwrap().to_owned());
        let mut command = self.flocker.place.command("curl");
        command.args(["-sS", "--cacert", "cluster.crt", "--cert", &certificate, "--key", &key]);
        command.arg(format!("https://127.0.0.1:{}/v1/version", self.flocker.port));
        run(command).code
    }

    /// An operation of DETER's resources, by who shows a certificate.
    fn resources(&self, card: &Card, operation: &str, members: &str) -> Answer {
        self.deter("Resources", card, operation, members)
    }

    /// An operation of DETER's, by who shows a certificate.
    fn deter(&self, service: &str, card: &Card, operation: &str, members: &str) -> Answer {
        let envelope = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <a:{operation} xmlns:a=\"http://api.testbed.deterlab.net/xsd\">{members}</a:{operation}></s:Body></s:Envelope>"
        );
        let url = format!("https://{}/axis2/services/{service}", self.deter);
        self.show(card, &["-H", "Content-Type: text/xml; charset=utf-8", "--data-binary", &envelope], &url)
    }

    /// A user's keys at the door for Deltacloud's clients.
    fn keys(&self, name: &str) -> Vec<Value> {
        let user = format!("{name}:{PASSWORD}");
        let listed =
            curl(["-k", "-u", &user, &format!("https://{}/api/keys?format=json", self.deltacloud)]).expect(200);
        listed.json()["keys"].as_array().unwrap().clone()
    }
}

#[test]
fn a_key_added_in_deter_is_listed_by_deltacloud_and_is_a_credential_of_its_user() {
    let house = House::open();
    let jane = house.card("jane");
    let public = house.shell("ssh-keygen -q -t ed25519 -N '' -C '' -f k && cat k.pub");
    let members = format!(
        "<a:uid>jane</a:uid><a:owner>jane</a:owner><a:name>laptop</a:name><a:description>d</a:description>\
         <a:keyData>{}</a:keyData>",
        BASE64_STANDARD.encode(public.trim())
    );
    let _ = house.resources(&jane, "addKey", &members).expect(200);
    let keys = house.keys("jane");
    assert_eq!((keys.len(), &keys[0]["id"], &keys[0]["public_key"]), (1, &json!("laptop"), &json!(public.trim())));
    assert!(house.keys("joe").is_empty());
    let cookie = house.agent.sign_in("jane", PASSWORD);
    let stored = house.agent.send_with(&cookie, "GET", "credential?$filter=type='ssh-key'", None).expect(200).json();
    assert_eq!((&stored["count"], &stored["credentials"][0]["name"]), (&json!(1), &json!("laptop")));
    // What is deleted at one door is gone at the others.
    let user = format!("jane:{PASSWORD}");
    let url = format!("https://{}/api/keys/laptop?format=xml", house.deltacloud);
    let _ = curl(["-k", "-u", &user, "-X", "DELETE", &url]).expect(204);
    let viewed = house.resources(&jane, "viewKeys", "<a:uid>jane</a:uid>").expect(200).text();
    assert!(!viewed.contains("laptop"), "{viewed}");
}

#[test]
fn a_user_has_the_same_rights_at_each_door_and_is_refused_the_same() {
    let house = House::open();
    let [jane, joe] = ["jane", "joe"].map(|name| house.card(name));
    let user = |name: &str| format!("{name}:{PASSWORD}");
    let keys = format!("https://{}/api/keys", house.deltacloud);
    let _ = curl(["-k", "-u", &user("jane"), "-d", "name=k", &format!("{keys}?format=xml")]).expect(201);
    let cookies = ["jane", "joe"].map(|name| house.agent.sign_in(name, PASSWORD));
    let id = house.agent.send_with(&cookies[0], "GET", "credential?$filter=name='k'", None).expect(200).json()["credentials"][0]
        ["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // Whoever is not its owner neither sees nor deletes it, wherever he comes in.
    let _ = house.agent.send_with(&cookies[1], "DELETE", &id, None).expect(403);
    let _ = house.show(&joe, &["-X", "DELETE"], &format!("{}/{id}", house.agent.api())).expect(403);
    let _ = curl(["-k", "-u", &user("joe"), "-X", "DELETE", &format!("{keys}/k?format=xml")]).expect(404);
    let _ = house.show(&joe, &["-X", "DELETE"], &format!("{keys}/k?format=xml")).expect(404);
    let _ =
        house.resources(&joe, "removeKey", "<a:uid>joe</a:uid><a:owner>jane</a:owner><a:name>k</a:name>").expect(500);
    assert_eq!(house.keys("jane").len(), 1);
    // The same of what is made at the door for Flocker's clients, where he shows a certificate of the cluster.
    ["jane", "joe"].into_iter().for_each(|name| house.flocker.certify(name));
    let (containers, flocker) = ("/v1/configuration/containers", &house.flocker);
    let _ = flocker.post("jane", containers, &json!({"node_uuid": N, "name": "web", "image": "x"})).expect(201);
    let found = house.agent.send_with(&cookies[0], "GET", "flocker-container", None).expect(200).json();
    let id = found["flockerContainers"][0]["id"].as_str().unwrap();
    let _ = house.agent.send_with(&cookies[1], "GET", id, None).expect(403);
    let _ = house.show(&joe, &[], &format!("{}/{id}", house.agent.api())).expect(403);
    assert_eq!(flocker.get("joe", containers).expect(200).json(), json!([]));
    let _ = flocker.delete("joe", &format!("{containers}/web")).expect(404);
    assert_eq!(flocker.get("jane", containers).expect(200).json()[0]["name"], "web");
    // Whoever may not sign in is nobody at every door.
    let _ = house.by_admin("PUT", "user/jane", Some(json!({"state": "SUSPENDED"}))).expect(200);
    let form = json!({"href": "session-template/internal", "username": "jane", "password": PASSWORD});
    let body = json!({ "sessionTemplate": form }).to_string();
    let _ = house.agent.send_as(None, "POST", "session", Some(&body)).expect(403);
    let _ = curl(["-k", "-u", &user("jane"), &keys]).expect(401);
    let _ = house.show(&jane, &[], &keys).expect(401);
    let _ = house.resources(&jane, "viewKeys", "<a:uid>jane</a:uid>").expect(500);
    let _ = flocker.get("jane", containers).expect(403);
    // And is somebody again at every door.
    let _ = house.by_admin("PUT", "user/jane", Some(json!({"state": "ACTIVE"}))).expect(200);
    let _ = house.show(&jane, &[], &keys).expect(200);
    let _ = house.resources(&jane, "viewKeys", "<a:uid>jane</a:uid>").expect(200);
    let _ = flocker.get("jane", containers).expect(200);
    // Who is removed is gone from every door.
    let _ = house.by_admin("DELETE", "user/jane", None).expect(200);
    let _ = curl(["-k", "-u", &user("jane"), &keys]).expect(401);
    let _ = house.resources(&jane, "viewKeys", "<a:uid>jane</a:uid>").expect(500);
    let _ = flocker.get("jane", containers).expect(403);
}

#[test]
fn revoking_a_certificate_closes_every_door_that_takes_it() {
    let house = House::open();
    let [jane, joe] = ["jane", "joe"].map(|name| house.card(name));
    let device = format!("{}/device", house.agent.api());
    let keys = format!("https://{}/api/keys?format=xml", house.deltacloud);
    let lets_in = |card: &Card, name: &str| {
        [
            house.show(card, &[], &device).status == 200,
            house.show(card, &[], &keys).status == 200,
            house.resources(card, "viewKeys", &format!("<a:uid>{name}</a:uid>")).status == 200,
        ]
    };
    assert_eq!((lets_in(&jane, "jane"), lets_in(&joe, "joe")), ([true; 3], [true; 3]));
    let _ = house.by_admin("POST", &format!("{}/revoke", jane.id), None).expect(200);
    eventually("every door is closed", || lets_in(&jane, "jane") == [false; 3]);
    assert_eq!(lets_in(&joe, "joe"), [true; 3], "of others they stay open");
}

#[test]
fn the_door_for_flockers_clients_has_an_authority_of_its_own_and_closes_by_its_own_list() {
    let house = House::open();
    let [jane, joe] = ["jane", "joe"].map(|name| house.card(name));
    let device = format!("{}/device", house.agent.api());
    let at_cimi = |card: &Card| house.show(card, &[], &device).status;
    ["jane", "joe"].into_iter().for_each(|name| house.flocker.certify(name));
    let version = |name: &str| house.flocker.curl(name, &[], "/v1/version").code;
    assert_eq!(["jane", "joe"].map(version), [Some(0); 2]);
    // A card of the agent's authority opens it not, and one of the cluster's no other door.
    for card in [&jane, &joe] {
        assert!([35, 56].contains(&house.shown_to_flocker(card).unwrap()));
    }
    let [certificate, key] = ["jane.crt", "jane.key"].map(|file| house.flocker.place.path(file));
    let stranger = Card { id: String::new(), certificate, key };
    assert_ne!(at_cimi(&stranger), 200);
    // Each is revoked where it was issued.
    let _ = house.flocker.place.makes(&["revoke", "jane.crt"]);
    fs::copy(house.flocker.place.path("cluster.crl"), house.flocker.place.path("../etc/cluster.crl")).unwrap();
    assert!(version("jane") != Some(0) && version("joe") == Some(0));
    assert_eq!([&jane, &joe].map(at_cimi), [200; 2]);
    let _ = house.by_admin("POST", &format!("{}/revoke", joe.id), None).expect(200);
    eventually("the other doors are closed", || at_cimi(&joe) != 200);
    assert_eq!((version("joe"), at_cimi(&jane)), (Some(0), 200));
}
