//! Makes accounts, signs people in and out, and gets keys, so that there is everybody to ask as.

use mf2c_tests::{Connection, Response, eventually};
use serde_json::{Value, json};

use super::callers::{AUTHN_INFO, COOKIE, Caller, FORWARDED_FOR, OWNER, PASSWORD, Standing};

/// One agent, and its first administrator's cookie.
pub(super) struct Office {
    connection: Connection,
    admin: String,
}

/// Who has signed in.
pub(super) struct SignedIn {
    pub(super) session: String,
    /// The cookie as it is sent back.
    pub(super) cookie: String,
}

impl Office {
    /// Signs in as the administrator that the first start has made, whose password is [`PASSWORD`].
    pub(super) fn open(address: &str) -> Self {
        let connection = Connection::open(address).expect("the agent listens");
        let mut office = Self { connection, admin: String::new() };
        office.admin = office.sign_in("admin").cookie;
        office
    }

    fn send(&mut self, cookie: &str, method: &str, path: &str, body: Option<&Value>) -> Response {
        let headers = [("content-type", "application/json"), (COOKIE, cookie)];
        let body = body.map(Value::to_string).unwrap_or_default();
        self.connection.ask(method, &format!("/api/{path}"), &headers, &body).expect("an answer")
    }

    /// Makes an account that can be used at once.
    pub(super) fn user(&mut self, name: &str, is_admin: bool) -> String {
        let user = json!({"userTemplate": {"href": "user-template/direct", "username": name, "password": PASSWORD,
            "emailAddress": format!("{name}@example.org"), "state": "ACTIVE", "isSuperUser": is_admin}});
        let made = self.send(&self.admin.clone(), "POST", "user", Some(&user));
        assert_eq!(made.status, 201, "{name}: {}", String::from_utf8_lossy(&made.body));
        format!("user/{name}")
    }

    pub(super) fn sign_in(&mut self, name: &str) -> SignedIn {
        self.present(&json!({"href": "session-template/internal", "username": name, "password": PASSWORD}))
    }

    fn present(&mut self, proof: &Value) -> SignedIn {
        self.try_to_present(proof).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn try_to_present(&mut self, proof: &Value) -> Result<SignedIn, String> {
        let reply = self.send("", "POST", "session", Some(&json!({"sessionTemplate": proof})));
        if reply.status != 201 {
            return Err(String::from_utf8_lossy(&reply.body).into_owned());
        }
        let cookie =
            reply.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned();
        Ok(SignedIn { session: reply.json()["resource-id"].as_str().expect("an id").to_owned(), cookie })
    }

    /// A key of whoever has this cookie, and a session that was begun with it.
    fn sign_in_by_key(&mut self, cookie: &str) -> (String, SignedIn) {
        let (key, proof) = self.key(cookie, 0);
        (key, self.present(&proof))
    }

    /// A key that holds for so many seconds, 0 for without end, and what is shown to sign in with it.
    fn key(&mut self, cookie: &str, ttl: u64) -> (String, Value) {
        let template = json!({"href": "credential-template/generate-api-key", "ttl": ttl});
        let made = self.send(cookie, "POST", "credential", Some(&json!({"credentialTemplate": template})));
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        let made = made.json();
        let proof =
            json!({"href": "session-template/api-key", "key": made["resource-id"], "secret": made["secretKey"]});
        (made["resource-id"].as_str().expect("an id").to_owned(), proof)
    }

    /// A session that ends with its key, and soon. On a slow machine a key may be over before it was shown.
    fn sign_in_for_a_moment(&mut self, cookie: &str) -> SignedIn {
        let mut moments = [2, 4, 8, 16].into_iter();
        let signed_in = moments.find_map(|ttl| {
            let (_, proof) = self.key(cookie, ttl);
            self.try_to_present(&proof).ok()
        });
        signed_in.expect("a sign-in takes less than 16 s")
    }

    fn delete(&mut self, cookie: &str, id: &str) {
        assert_eq!(self.send(cookie, "DELETE", id, None).status, 200, "{id}");
    }

    fn is_signed_in(&mut self, cookie: &str) -> bool {
        self.send(cookie, "GET", "session", None).json()["count"] == 1
    }

    /// Everybody who can come with a cookie or without; `foreign` is the cookie of an administrator of another agent.
    pub(super) fn everybody(&mut self, foreign: &str) -> Vec<Caller> {
        let names = [("jane", false), ("joe", false), (OWNER, false), ("ada", true)];
        let [jane, joe, olive, root] = names.map(|(name, is_admin)| {
            self.user(name, is_admin);
            self.sign_in(name).cookie
        });
        // It ends with its key: until then everything else is made.
        let expired = self.sign_in_for_a_moment(&root);
        let (_, by_key) = self.sign_in_by_key(&olive);
        let ended = self.sign_in("ada");
        self.delete(&ended.cookie, &ended.session);
        let (key, revoked) = self.sign_in_by_key(&root);
        assert!(self.is_signed_in(&revoked.cookie) && self.is_signed_in(&by_key.cookie));
        self.delete(&root, &key);
        eventually("the end of a session", || !self.is_signed_in(&expired.cookie));
        let by_cookie = |column, standing, cookie: &str| Caller::new(column, standing, &[(COOKIE, cookie)]);
        vec![
            Caller::new("nobody", Standing::Nobody, &[]),
            by_cookie("user", Standing::User("jane"), &jane),
            by_cookie("other", Standing::User("joe"), &joe),
            by_cookie("owner", Standing::Owner, &olive),
            by_cookie("by-key", Standing::Owner, &by_key.cookie),
            by_cookie("admin", Standing::Admin, &root),
            by_cookie("expired", Standing::Nobody, &expired.cookie),
            by_cookie("forged", Standing::Nobody, &forged(&root)),
            by_cookie("foreign", Standing::Nobody, foreign),
            by_cookie("ended", Standing::Nobody, &ended.cookie),
            by_cookie("revoked", Standing::Nobody, &revoked.cookie),
        ]
    }
}

/// The same with another signature.
fn forged(cookie: &str) -> String {
    let (signed, signature) = cookie.rsplit_once('.').expect("a signed token");
    let other: String = signature.chars().map(|letter| if letter == 'A' { 'B' } else { 'A' }).collect();
    format!("{signed}.{other}")
}

/// Everybody who comes with the header of development; behind a proxy it counts for nothing.
pub(super) fn by_header() -> Vec<Caller> {
    let by_header = |column, standing, value: &str| Caller::new(column, standing, &[(AUTHN_INFO, value)]);
    let mut forwarded = by_header("forwarded", Standing::Nobody, "internal ADMIN");
    forwarded.headers.push((FORWARDED_FOR, "192.0.2.1".to_owned()));
    let admin = by_header("header:admin", Standing::Admin, "internal ADMIN");
    vec![admin, by_header("header:user", Standing::User("jane"), "jane USER"), forwarded]
}

/// Who comes with the header of development to an agent that is not in development.
pub(super) fn by_ignored_header() -> Caller {
    Caller::new("ignored", Standing::Nobody, &[(AUTHN_INFO, "internal ADMIN")])
}
