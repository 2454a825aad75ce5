//! An agent with an area of its own and DETER's testbed API, and those who speak SOAP with it by curl.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mf2c_tests::{Agent, Answer, Ran, Start, curl, eventually, mf2c, run};
use serde_json::{Value, json};

pub(super) const PASSWORD: &str = "correct horse battery";
/// What may stand before a number in a mail.
pub(super) const PREFIX: &str = "https://niftydeter.example/reset.html?challenge=";

/// See the module.
pub(super) struct Testbed {
    pub(super) agent: Agent,
    admin: String,
    folder: tempfile::TempDir,
}

/// An agent with the door, on a port of the system's choice.
pub(super) fn start() -> Start {
    Start::new()
        .plain()
        .arguments(["--link", "127.0.0.1:0"])
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_DETER_LISTEN", "127.0.0.1:0")
        .environment("MF2C_DETER_URL_PREFIXES", PREFIX)
}

impl Testbed {
    pub(super) fn new() -> Self {
        Self::with(start())
    }

    pub(super) fn with(start: Start) -> Self {
        let place = Self::without_area(start);
        // The description of the machine, which gives the agent its identity, is on its way.
        eventually("an authority", || place.command("ca init --area harbour").code == Some(0));
        fs::write(place.file("roots.pem"), place.command("ca show --pem").expect(0).out).unwrap();
        place
    }

    pub(super) fn without_area(start: Start) -> Self {
        let agent = start.agent();
        let admin = agent.sign_in("admin", &agent.admin_password());
        Self { agent, admin, folder: tempfile::tempdir().unwrap() }
    }

    /// The same after a crash, with what it has written.
    pub(super) fn restarted(self, start: Start) -> Self {
        let Self { agent, admin, folder } = self;
        drop(agent);
        Self { agent: start.agent(), admin, folder }
    }

    pub(super) fn command(&self, line: &str) -> Ran {
        let place = ["--data-dir", self.agent.data_dir().to_str().unwrap()];
        mf2c(&line.split(' ').chain(place).collect::<Vec<_>>())
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// Where the services are: `https://127.0.0.1:12345/axis2/services`.
    pub(super) fn base(&self) -> String {
        let mut found = None;
        eventually("the testbed API", || {
            let told = |line: Value| (line.get("door")? == "deter.listen").then(|| line.get("address").cloned())?;
            found = self.agent.log_lines().find_map(told);
            found.is_some()
        });
        format!("https://{}/axis2/services", found.unwrap().as_str().unwrap())
    }

    /// As the administrator at the API.
    pub(super) fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.agent.send_with(&self.admin, method, path, body.map(|body| body.to_string()).as_deref())
    }

    /// Makes an account that can be used at once.
    pub(super) fn user(&self, name: &str) {
        let form = json!({"href": "user-template/direct", "username": name, "password": PASSWORD,
            "emailAddress": format!("{name}@example.org"), "state": "ACTIVE"});
        let _ = self.admin("POST", "user", Some(json!({ "userTemplate": form }))).expect(201);
    }

    /// A request by curl to an address below the services, with the certificate of this file if one is named.
    pub(super) fn curl(&self, path: &str, certificate: Option<&str>, more: &[&str]) -> Answer {
        let url = format!("{}/{path}", self.base());
        let trust = if self.file("roots.pem").exists() {
            vec!["--cacert".to_owned(), self.path("roots.pem")]
        } else {
            vec!["-k".to_owned()]
        };
        let shown = certificate.map(|name| vec!["--cert".to_owned(), self.path(name)]).unwrap_or_default();
        let all = trust.into_iter().chain(shown).chain(["-g".to_owned(), url]);
        curl(all.chain(more.iter().map(|word| (*word).to_owned())))
    }

    /// Sends a document as it is.
    pub(super) fn post(&self, path: &str, media: &str, document: &str, certificate: Option<&str>) -> Answer {
        let body = self.file(&format!("body-{}", fs::read_dir(self.folder.path()).unwrap().count()));
        fs::write(&body, document).unwrap();
        let (media, body) = (format!("content-type: {media}"), format!("@{}", body.display()));
        self.curl(path, certificate, &["-H", &media, "-H", "expect:", "--data-binary", &body])
    }

    /// Calls an operation in an envelope of SOAP 1.2; the status, and the text of the reply.
    pub(super) fn call(&self, service: &str, body: &str, certificate: Option<&str>) -> (u16, String) {
        let answer = self.post(service, "application/soap+xml", &envelope(NEW, body), certificate);
        (answer.status, answer.text())
    }

    /// The number and sentence of the fault of an operation.
    pub(super) fn fault(&self, service: &str, body: &str, certificate: Option<&str>) -> (i32, String) {
        let (status, text) = self.call(service, body, certificate);
        assert_eq!(status, 500, "{text}");
        let code = element(&text, "errorCode").and_then(|code| code.parse().ok());
        (code.unwrap_or(0), element(&text, "detailMessage").unwrap_or_default().to_owned())
    }

    /// The reply of an operation.
    #[track_caller]
    pub(super) fn reply(&self, service: &str, body: &str, certificate: Option<&str>) -> String {
        let (status, text) = self.call(service, body, certificate);
        assert_eq!(status, 200, "{text}");
        text
    }

    /// A challenge for a user: its number.
    pub(super) fn challenge(&self, user: &str) -> String {
        let reply =
            self.reply("Users", &format!("<n:requestChallenge><n:uid>{user}</n:uid></n:requestChallenge>"), None);
        element(&reply, "challengeID").unwrap().to_owned()
    }

    /// Signs somebody in; the certificate with its key is in a file, whose name is given back.
    pub(super) fn login(&self, user: &str) -> String {
        let number = self.challenge(user);
        let reply = self.reply("Users", &response(&number, PASSWORD), None);
        let pem = BASE64_STANDARD.decode(element(&reply, "return").unwrap()).unwrap();
        let name = format!("{user}-{number}.pem");
        fs::write(self.file(&name), pem).unwrap();
        name
    }

    pub(super) fn openssl(&self, line: &str) -> Ran {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(self.folder.path());
        run(command)
    }
}

pub(super) const NEW: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(super) const OLD: &str = "http://schemas.xmlsoap.org/soap/envelope/";

pub(super) fn envelope(space: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"{space}\" \
         xmlns:n=\"http://api.testbed.deterlab.net/xsd\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The answer to a challenge.
pub(super) fn response(number: &str, password: &str) -> String {
    let data = BASE64_STANDARD.encode(password);
    format!(
        "<n:challengeResponse><n:responseData>{data}</n:responseData><n:challengeID>{number}</n:challengeID>\
         </n:challengeResponse>"
    )
}

/// What stands in the first element of this name.
pub(super) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<ns:{name}"))?;
    let (_, rest) = rest.split_once('>')?;
    rest.split_once("</ns:").map(|(text, _)| text)
}
