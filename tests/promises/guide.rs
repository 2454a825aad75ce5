//! The commands of the mF2C guide, run as printed by a real shell and a real curl.

use std::collections::BTreeMap;
use std::process::Command;

use mf2c_tests::{Agent, Start};
use serde_json::{Value, json};
use tempfile::TempDir;

const COMMANDS: &str = include_str!("guide.txt");

/// What the guide has the reader set up first; it uses `mf2c-curl-read` for what it calls `mf2c-curl-get` here.
const SETUP: &str = r#"
shopt -s expand_aliases
alias mf2c-curl-post="curl -XPOST -k -H 'slipstream-authn-info:internal ADMIN' -H 'content-type:application/json' "
alias mf2c-curl-get="curl -XGET -k -H 'slipstream-authn-info:internal ADMIN' "
alias mf2c-curl-read="curl -XGET -k -H 'slipstream-authn-info:internal ADMIN' "
alias mf2c-curl-put="curl -XPUT -k -H 'slipstream-authn-info:internal ADMIN' -H 'content-type:application/json' "
alias mf2c-curl-delete="curl -XDELETE -k -H 'slipstream-authn-info:internal ADMIN' "
"#;

/// A shell in a directory of its own, for which `localhost` and `cimi` are the agent.
pub(crate) struct Shell {
    agent: Agent,
    directory: TempDir,
}

impl Shell {
    fn open() -> Self {
        // An agreement of the guide has ended long ago, and would be edited when that is noticed.
        Self::with(Start::new().environment("MF2C_SLA_ENABLED", "false").agent())
    }

    /// A shell for this agent.
    pub(crate) fn with(agent: Agent) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = agent.https();
        // curl's own settings file leaves the commands as they are printed.
        let settings = format!(
            "silent\nshow-error\nmax-time = 30\nwrite-out = \"\\n%{{http_code}}\"\n\
             connect-to = \"localhost:443:{address}\"\nconnect-to = \"cimi:443:{address}\"\n"
        );
        std::fs::write(directory.path().join(".curlrc"), settings).unwrap();
        Self { agent, directory }
    }

    /// The agent.
    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Runs one command: the status and the body.
    #[track_caller]
    pub(crate) fn run(&self, command: &str) -> (u16, Value) {
        let output = Command::new("bash")
            .args(["-c", &format!("{SETUP}{command}")])
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            // The guide's one command without `-k` trusts the agent's own certificate instead.
            .env("CIMI_URL", "https://localhost")
            .env("CURL_CA_BUNDLE", self.agent.data_dir().join("tls/server.pem"))
            .output()
            .expect("bash is installed");
        let text = String::from_utf8_lossy(&output.stdout);
        let problem = String::from_utf8_lossy(&output.stderr);
        let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{command}\n{text}{problem}"));
        let status = status.parse().unwrap_or_else(|_| panic!("{command}\n{text}{problem}"));
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{command}\n{error}: {text}{problem}")))
    }
}

/// The steps of the guide: the status expected, the name, the command.
fn steps() -> impl Iterator<Item = (u16, &'static str, &'static str)> {
    COMMANDS.split("\n## ").skip(1).map(|step| {
        let (title, command) = step.split_once('\n').expect("a command below each title");
        let (status, name) = title.split_once(' ').expect("a status and a name");
        (status.parse().expect("a status"), name, command)
    })
}

/// Runs the whole guide: what each step answered, by name.
fn follow(shell: &Shell) -> BTreeMap<&'static str, Value> {
    let mut answers: BTreeMap<&str, Value> = BTreeMap::new();
    for (expected, name, command) in steps() {
        let mut command = command.to_owned();
        for (step, answer) in &answers {
            command = command.replace(&format!("<{step}>"), answer["resource-id"].as_str().unwrap_or_default());
        }
        let (status, body) = shell.run(&command);
        assert_eq!(status, expected, "{name}: {body:#}");
        if status >= 300 || status == 201 {
            assert_eq!(body["status"], status, "{name}: {body:#}");
        }
        answers.insert(name, body);
    }
    answers
}

#[test]
fn the_commands_of_the_guide_work_as_printed() {
    let shell = Shell::open();
    let answers = follow(&shell);
    let entry_point = &answers["cloud-entry-point"];
    assert_eq!(entry_point["baseURI"], "https://localhost/api/");
    assert_eq!(entry_point["operations"], json!([{"rel": "edit", "href": "cloud-entry-point"}]));
    assert_eq!(answers["default agreement without the header"]["message"], "credentials required");
    for (step, place) in [
        ("service-instance with a comma too many", "malformed JSON at line 1, column "),
        ("service-instance continued after its end", "malformed JSON at line 1, column "),
        ("manual service-instance with the brackets of the page", "malformed JSON at line 7, column 33"),
        ("device-dynamic with two backslashes", "malformed JSON at line 4, column 94"),
    ] {
        let message = answers[step]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(place) && message.contains(">>>"), "{step}: {message}");
    }
    let comma = answers["service-instance with a comma too many"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(comma.contains("trailing comma") && comma.contains("remove the comma"), "{comma}");

    // The administrator, whom the first start makes.
    assert_eq!(answers["all of a type: user"]["count"], 1);
    assert_eq!(answers["all of a type: service"]["count"], 2);
    assert_eq!(answers["all of a type: device"]["count"], 1);
    let filtered = &answers["filter"];
    assert_eq!(filtered["count"], 1, "{filtered:#}");
    assert_eq!(filtered["services"][0]["id"], answers["service with all optional fields"]["resource-id"]);
    assert_eq!(answers["filter on a float"]["count"], 1);
    assert_eq!(answers["one resource"]["id"], answers["sla-violation"]["resource-id"]);

    read_back(&shell, &answers);
    edit_and_delete(&shell, &answers);
}

/// Everything that the guide has created can be read, and holds what was sent.
fn read_back(shell: &Shell, answers: &BTreeMap<&str, Value>) {
    let mut created = BTreeMap::new();
    for (name, answer) in answers.iter().filter(|(_, answer)| answer["status"] == 201) {
        let id = answer["resource-id"].as_str().unwrap();
        let (status, document) = shell.run(&format!("mf2c-curl-get https://localhost/api/{id}"));
        assert_eq!((status, &document["id"]), (200, &json!(id)), "{name}");
        assert_eq!(document["created"], document["updated"], "{name}");
        assert_eq!(document["acl"]["rules"], json!([{"principal": "ADMIN", "type": "ROLE", "right": "ALL"}]), "{name}");
        let operations = json!([{"rel": "edit", "href": id}, {"rel": "delete", "href": id}]);
        assert_eq!(document["operations"], operations, "{name}");
        created.insert(*name, document);
    }
    assert_eq!(created.len(), 15);
    for (name, path, value) in [
        ("default agreement", "/state", json!("stopped")),
        ("default agreement", "/details/creation", json!("2018-01-16T17:09:45Z")),
        ("default agreement", "/details/guarantees/0/constraint", json!("[execution_time] < 1000")),
        ("agreement", "/state", json!("started")),
        ("service with only required fields", "/category", json!(0)),
        ("service with all optional fields", "/memory_min", json!(1000)),
        ("service with all optional fields", "/req_resource", json!(["Location"])),
        ("service-instance", "/user", json!("testuser")),
        ("service-instance", "/agents/0/master_compss", json!(true)),
        ("service-instance", "/agents/0/ports", json!([46100, 46101, 46102, 46103])),
        ("manual service-instance", "/agents/1/allow", json!(true)),
        ("service-operation-report", "/execution_length", json!(50.0)),
        ("service-operation-report", "/execution_time", json!(50.0)),
        ("service-operation-report", "/operation_name", json!("TestGuarantee")),
        ("sharing-model", "/battery_limit", json!(50)),
        ("user-profile", "/max_apps", json!(1)),
        ("sla-violation", "/datetime", json!("2018-04-11T10:39:51.527008088Z")),
        ("sla-violation", "/values/var1", json!(101)),
        ("device", "/memory", json!(7_873.773_437_5)),
        ("device", "/hwloc", json!("/bin/sh: 1: hwloc-ls: not found\n")),
        // The shell takes the inner quotes for its own.
        ("device", "/networkingStandards", json!("[eth0, lo]")),
        ("device-dynamic", "/status", json!("connected")),
        ("device-dynamic", "/sensors/0/sensorConnection", json!("{\"baudRate\": 5600}")),
        ("fog-area", "/storageTotal", json!(120_003_456_798.234_56)),
    ] {
        assert_eq!(created[name].pointer(path), Some(&value), "{name} {path}");
    }
    let report = &created["service-operation-report"];
    assert_eq!(report["requesting_application_id"]["href"], created["service-instance"]["id"]);
    assert_ne!(created["agreement of the client's id"]["id"], "agreement/a02");
}

fn edit_and_delete(shell: &Shell, answers: &BTreeMap<&str, Value>) {
    let id = answers["service with all optional fields"]["resource-id"].as_str().unwrap();
    let (status, edited) =
        shell.run(&format!("mf2c-curl-put https://localhost/api/{id} -d '{{\"os\": \"mac\", \"num_agents\": 3}}'"));
    assert_eq!(status, 200, "{edited}");
    assert_eq!((&edited["os"], &edited["num_agents"], &edited["disk"]), (&json!("mac"), &json!(3), &json!(100)));
    assert_ne!(edited["updated"], edited["created"]);

    let (status, cut) =
        shell.run(&format!("mf2c-curl-put 'https://localhost/api/{id}?$select=description,disk' -d '{{}}'"));
    assert_eq!(status, 200, "{cut}");
    assert_eq!((cut.get("description"), cut.get("disk"), &cut["os"]), (None, None, &json!("mac")));
    let (_, read) = shell.run(&format!("mf2c-curl-read https://localhost/api/{id}"));
    assert_eq!(read, cut);

    for (name, answer) in answers.iter().filter(|(_, answer)| answer["status"] == 201) {
        let id = answer["resource-id"].as_str().unwrap();
        let command = format!("mf2c-curl-delete https://localhost/api/{id}");
        let (status, deleted) = shell.run(&command);
        assert_eq!((status, &deleted["message"]), (200, &json!(format!("{id} deleted"))), "{name}");
        let (status, again) = shell.run(&command);
        assert_eq!((status, &again["message"]), (404, &json!(format!("{id} not found"))), "{name}");
    }
}
