//! What a user's document says of signing in.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The most roles of an account's own that count.
pub const MAX_ROLES: usize = 32;
/// The longest role, in bytes.
const MAX_ROLE: usize = 64;

/// A user, as far as signing in goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The name to sign in with.
    pub username: String,
    /// The digest of the password; without one nobody signs in by password.
    #[serde(default)]
    pub password: Option<String>,
    /// `NEW`, `ACTIVE`, `SUSPENDED` or `DELETED`.
    pub state: String,
    /// Whether the user is an administrator.
    #[serde(default)]
    pub is_super_user: bool,
    /// Further roles, with commas between them.
    #[serde(default)]
    pub roles: Option<String>,
}

impl Account {
    /// Reads a stored user; none if it is none.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }

    /// Whether the user may sign in at all.
    #[must_use]
    pub fn may_sign_in(&self) -> bool {
        self.state == "ACTIVE"
    }

    /// Whether the user is an administrator who may act as one today.
    ///
    /// One without a password counts: the first of a service has none until its operator sets one, and keys and the
    /// command on the agent's machine work without.
    #[must_use]
    pub fn administers(user: &Map<String, Value>) -> bool {
        user.get("state").and_then(Value::as_str) == Some("ACTIVE")
            && user.get("isSuperUser").and_then(Value::as_bool) == Some(true)
    }

    /// Whether these changes, or the removal of these attributes, take an administrator's rights away.
    #[must_use]
    pub fn would_resign<'a>(
        user: &Map<String, Value>,
        changes: &Map<String, Value>,
        removed: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        let mut changed = user.clone();
        changed.extend(changes.clone());
        for name in removed {
            changed.remove(name);
        }
        Self::administers(user) && !Self::administers(&changed)
    }

    /// The roles that the user has today: those of everybody who signed in, and the account's own.
    ///
    /// An account's own list can name neither the roles that follow from something else nor those of a session.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        let mut roles = if self.is_super_user { vec!["ADMIN", "USER", "ANON"] } else { vec!["USER", "ANON"] };
        let own = self.roles.as_deref().unwrap_or_default().split(',').map(str::trim);
        for role in own.filter(|role| is_own_role(role)).take(MAX_ROLES) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        roles
    }
}

/// Whether an account's own list can name this role: letters, digits and `-_.:@`, and no role that follows from
/// something else.
#[must_use]
pub fn is_own_role(role: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    (1..=MAX_ROLE).contains(&role.len()) && role.bytes().all(plain) && !["ADMIN", "USER", "ANON"].contains(&role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: &str) -> Account {
        Account::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn roles_follow_from_the_account_and_its_own_list() {
        let jane = account(r#"{"username":"jane","state":"ACTIVE","emailAddress":"a@b"}"#);
        assert!(jane.may_sign_in() && jane.password.is_none());
        assert_eq!(jane.roles(), ["USER", "ANON"]);
        let root = account(r#"{"username":"root","state":"NEW","isSuperUser":true,"roles":"ops, dev,ops,"}"#);
        assert!(!root.may_sign_in());
        assert_eq!(root.roles(), ["ADMIN", "USER", "ANON", "ops", "dev"]);
    }

    #[test]
    fn an_administrator_resigns_by_losing_the_state_or_the_rank() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let root = map(serde_json::json!({"state": "ACTIVE", "isSuperUser": true, "firstName": "R"}));
        let resigns =
            |changes: Value, removed: &[&str]| Account::would_resign(&root, &map(changes), removed.iter().copied());
        for changes in [r#"{"state":"SUSPENDED"}"#, r#"{"isSuperUser":false}"#, r#"{"isSuperUser":null}"#] {
            assert!(resigns(serde_json::from_str(changes).unwrap(), &[]), "{changes}");
        }
        assert!(resigns(serde_json::json!({}), &["isSuperUser"]));
        let harmless = serde_json::json!({"state": "ACTIVE", "isSuperUser": true, "lastName": "R"});
        assert!(!resigns(harmless, &["firstName"]));
        let nobody = map(serde_json::json!({"state": "NEW", "isSuperUser": true}));
        assert!(!Account::would_resign(&nobody, &Map::new(), ["isSuperUser"]), "who is none resigns from nothing");
    }

    #[test]
    fn no_list_of_roles_makes_an_administrator_or_another_session() {
        let list = "ADMIN,session/0f,ops/ADMIN,two words,\u{1F600},USER,ANON,a\nb,ok";
        let json = serde_json::json!({"username": "eve", "state": "ACTIVE", "roles": list}).to_string();
        assert_eq!(account(&json).roles(), ["USER", "ANON", "ok"]);
        let many: Vec<String> = (0..1000).map(|n| format!("r{n}")).collect();
        let json = serde_json::json!({"username": "eve", "state": "ACTIVE", "roles": many.join(",")}).to_string();
        assert_eq!(account(&json).roles().len(), 2 + MAX_ROLES);
    }
}
