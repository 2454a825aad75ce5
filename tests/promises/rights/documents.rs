//! The documents that are asked for: each belongs to one user and is closed to others, as far as its type allows.

use mf2c_domain::acl::Acl;
use mf2c_domain::resource::{self, Naming, Served};
use mf2c_tests::{Agent, Connection, Response, eventually, mf2c};
use serde_json::{Value, json};

use super::bodies::Bodies;
use super::callers::{COOKIE, Caller, OWNER, PASSWORD, Standing};
use super::people::Office;
use super::seeds::SEEDED;

/// A certificate request as `openssl req -new` makes it; nobody has the key any more.
pub(super) const REQUEST: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIHNMHUCAQAwEzERMA8GA1UEAwwIc29tZWJvZHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATVicqz9DPxIWFFX2EipeV4oIqazCc8/poIbVhi7Kk1KxtvfWIPxMAZ
l86CfWn4OschU764j6e2CzCrrncVvnx1oAAwCgYIKoZIzj0EAwIDSAAwRQIgLBDI
hX6pkTPmFpW83d3l7nnVs5z813lJNApTAcqc/RICIQDtDbZ0hIAMGUcxuZ7QYiPQ
gy3VXORcYYu7caPu21UmVg==
-----END CERTIFICATE REQUEST-----
";

const JSON: (&str, &str) = ("content-type", "application/json");

/// One agent, with what can be said to it.
pub(super) struct World {
    connection: Connection,
    pub(super) bodies: Bodies,
    /// Who makes the documents.
    pub(super) owner: Caller,
    pub(super) admin: Caller,
    office: Office,
    data_dir: String,
}

/// A document to ask for.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) id: String,
    /// Who holds the document, if not the usual owner.
    pub(super) owner: Option<Caller>,
    /// Its own list, as administrators see it.
    pub(super) acl: Acl,
    /// Whether it was made to be for its owner's eyes alone.
    pub(super) private: bool,
}

impl World {
    /// An agent that is made the authority of an area: there are certificates then, and tokens.
    pub(super) fn open(agent: &Agent, callers: &[Caller]) -> Self {
        let (address, data_dir) = (agent.http(), agent.data_dir().to_str().expect("a plain path").to_owned());
        let _ = mf2c(&["ca", "init", "--data-dir", &data_dir]).expect(0);
        let find = |standing| callers.iter().find(|caller| caller.standing == standing).expect("a column").clone();
        let (owner, admin) = (find(Standing::Owner), find(Standing::Admin));
        let connection = Connection::open(&address).expect("the agent listens");
        let mut world = Self {
            connection,
            bodies: Bodies::new(Value::Null),
            owner,
            office: Office::open(&address),
            admin,
            data_dir,
        };
        let document = world.send(&Caller::new("", Standing::Nobody, &[]), "GET", "/api/openapi.json", None);
        world.bodies = Bodies::new(document.json());
        world
    }

    /// One request of one caller.
    pub(super) fn send(&mut self, caller: &Caller, method: &str, path: &str, body: Option<&Value>) -> Response {
        let mut headers: Vec<(&str, &str)> = caller.headers.iter().map(|(name, value)| (*name, &**value)).collect();
        headers.extend(body.map(|_| JSON));
        let body = body.map(Value::to_string).unwrap_or_default();
        let reply = self.connection.ask(method, path, &headers, &body);
        reply.unwrap_or_else(|error| panic!("{method} {path} as {}: {error}", caller.column))
    }

    /// A body for one more member of this type.
    pub(super) fn new_body(&mut self, kind: &str) -> Value {
        let mut body = self.bodies.of(&format!("/api/{kind}"), "POST").unwrap_or_else(|| json!({}));
        let unused = self.bodies.unused();
        let spec = resource::find(kind).expect("a type");
        if let (None, Naming::Derived { from, .. }) = (spec.form, spec.naming) {
            for name in from {
                body[name] = if *name == "address" { format!("{unused}@example.org") } else { unused.clone() }.into();
            }
        }
        match kind {
            "session-template" => body["method"] = json!("internal"),
            "user-template" => body["method"] = json!("self-registration"),
            "user" => {
                body["userTemplate"] = json!({"href": "user-template/self-registration", "username": unused,
                    "emailAddress": format!("{unused}@example.org"), "password": PASSWORD, "passwordRepeat": PASSWORD});
            }
            "session" => {
                body["sessionTemplate"] =
                    json!({"href": "session-template/internal", "username": OWNER, "password": PASSWORD});
            }
            // What else happens shall not make work for it.
            "webhook" => body["types"] = json!(["user-param"]),
            "credential" => body["credentialTemplate"] = json!({"href": "credential-template/generate-api-key"}),
            _ => {}
        }
        body
    }

    /// Makes room for one more member, where an agent has at most one.
    pub(super) fn make_room(&mut self, kind: &str) {
        if resource::find(kind).is_some_and(|spec| spec.one_per_node) {
            let admin = self.admin.clone();
            for id in self.members(kind) {
                let _ = self.send(&admin, "DELETE", &format!("/api/{id}"), None);
            }
        }
    }

    fn members(&mut self, kind: &str) -> Vec<String> {
        let spec = resource::find(kind).expect("a type");
        let admin = self.admin.clone();
        let list = self.send(&admin, "GET", &format!("/api/{kind}"), None).json();
        let ids = list[spec.tag].as_array().into_iter().flatten().filter_map(|member| member["id"].as_str());
        ids.map(str::to_owned).collect()
    }

    /// A new document of this type; one that comes with the program, or was sown, where none can be made.
    pub(super) fn new_document(&mut self, kind: &str) -> Document {
        let spec = resource::find(kind).expect("a type");
        let (id, owner, private) = if spec.served == Served::BuiltIn {
            (self.members(kind).into_iter().next().expect("a document that comes with the program"), None, false)
        } else if kind == "area-member" {
            // Users see the agents of the area.
            (self.expected_child(), None, false)
        } else if SEEDED.contains(&kind) {
            let left = self.members(kind).into_iter().next();
            (left.unwrap_or_else(|| panic!("no seed of {kind} is left")), None, true)
        } else {
            let (id, owner) = self.made(kind);
            (id, owner, true)
        };
        let admin = self.admin.clone();
        let shown = self.send(&admin, "GET", &format!("/api/{id}"), None).json();
        let acl = serde_json::from_value(shown["acl"].clone()).unwrap_or_else(|error| panic!("{id}: {error}: {shown}"));
        Document { id, owner, acl, private }
    }

    fn made(&mut self, kind: &str) -> (String, Option<Caller>) {
        match kind {
            "user" => return self.made_user(),
            "webhook-failure" => return (self.made_failure(), None),
            "certificate" => return (self.made_certificate(), None),
            "join-token" => return (self.made_token(), None),
            "session" => {
                let signed_in = self.office.sign_in(OWNER);
                return (signed_in.session, Some(owner_with(&signed_in.cookie)));
            }
            _ => self.make_room(kind),
        }
        let mut body = self.new_body(kind);
        // What users may not make is made for them.
        let spec = resource::find(kind).expect("a type");
        let may = spec.collection_acl.can_modify(&self.owner.known(""));
        let by = if may { self.owner.clone() } else { self.admin.clone() };
        if !may {
            body["acl"] = json!({"owner": {"principal": OWNER, "type": "USER"}});
        }
        if kind == "callback" {
            let (email, _) = self.made("email");
            body["action"] = json!("email-validation");
            body["targetResource"] = json!({ "href": email });
        }
        let made = self.send(&by, "POST", &format!("/api/{kind}"), Some(&body));
        assert_eq!(made.status, 201, "{kind}: {body}: {}", String::from_utf8_lossy(&made.body));
        (made.json()["resource-id"].as_str().expect("an id").to_owned(), None)
    }

    /// A delivery to this machine is given up at once: webhooks may not lead there.
    fn made_failure(&mut self) -> String {
        let (webhook, _) = self.made("webhook");
        let _ = self.made("user-param");
        let path = format!("/api/webhook-failure?$filter=webhook/href='{webhook}'&$last=1");
        let (admin, mut found) = (self.admin.clone(), None);
        eventually("a failure", || {
            let list = self.send(&admin, "GET", &path, None).json();
            found = list["webhookFailures"][0]["id"].as_str().map(str::to_owned);
            found.is_some()
        });
        found.expect("just found")
    }

    /// The leader writes of each child that it waits for.
    fn expected_child(&mut self) -> String {
        let mut found = None;
        eventually("a child that is expected", || {
            found = self.members("area-member").into_iter().find(|id| id.starts_with("area-member/expected-"));
            found.is_some()
        });
        found.expect("just found")
    }

    /// The owner's own.
    fn made_certificate(&mut self) -> String {
        let (owner, body) = (self.owner.clone(), json!({ "request": REQUEST }));
        let made = self.send(&owner, "POST", &format!("/api/user/{OWNER}/certify"), Some(&body));
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        made.json()["resource-id"].as_str().expect("an id").to_owned()
    }

    /// Nobody makes one by the API.
    fn made_token(&self) -> String {
        let made = mf2c(&["token", "create", "--data-dir", &self.data_dir]).expect(0).out;
        format!("join-token/{}", made.split('.').nth(2).expect("the id is in the token"))
    }

    /// A user belongs to himself.
    fn made_user(&mut self) -> (String, Option<Caller>) {
        let name = self.bodies.unused();
        let id = self.office.user(&name, false);
        let signed_in = self.office.sign_in(&name);
        (id, Some(owner_with(&signed_in.cookie)))
    }
}

fn owner_with(cookie: &str) -> Caller {
    Caller::new("owner", Standing::Owner, &[(COOKIE, cookie)])
}
