//! A stored key for programs, and what signs in with it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::{Account, MAX_ROLES, is_own_role};
use crate::acl::{Acl, Principal, Right, Rule};
use crate::caller::Caller;
use crate::time::Timestamp;

/// A credential of the type `api-key`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiKey {
    /// `api-key`; nothing else signs in.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the secret is checked against.
    pub digest: String,
    /// Whom the key stands for.
    pub claims: KeyClaims,
    /// Until when it holds; without end if none.
    #[serde(default)]
    pub expiry: Option<String>,
}

/// Whom a key stands for, and the most that it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyClaims {
    /// The user.
    pub identity: String,
    /// Roles that the user had when the key was made.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A new key that only waits to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewKey {
    /// The attributes of the document.
    pub attributes: Map<String, Value>,
    /// The user and the administrators.
    pub acl: Acl,
}

impl ApiKey {
    /// Reads a stored credential; none if it is no key.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok().filter(|key: &Self| key.kind == "api-key")
    }

    /// The instant at which it ends. What cannot be read has ended.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        self.expiry.as_deref().map(|text| Timestamp::parse(text).unwrap_or_default())
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ends().is_none_or(|end| now < end)
    }
}

impl KeyClaims {
    /// What the key of `caller` claims: his roles without that of his session. None for nobody.
    #[must_use]
    pub fn of(caller: &Caller) -> Option<Self> {
        let roles = caller.roles().filter(|role| !role.starts_with("session/"));
        Some(Self { identity: caller.identity()?.to_owned(), roles: roles.map(str::to_owned).collect() })
    }

    /// The roles that count: those claimed which the user still has.
    #[must_use]
    pub fn roles_of(&self, account: &Account) -> Vec<String> {
        let today = account.roles();
        self.roles.iter().filter(|role| today.contains(&role.as_str())).cloned().collect()
    }

    /// The roles of a key whose user has no account, as keys have that were made in development.
    #[must_use]
    pub fn roles_without_account(&self) -> Vec<String> {
        let usual = |role: &str| ["ADMIN", "USER", "ANON"].contains(&role) || is_own_role(role);
        self.roles.iter().filter(|role| usual(role)).take(MAX_ROLES).cloned().collect()
    }
}

impl NewKey {
    /// A key with these claims; it ends after `ttl` seconds, or never if that is 0, and at `ends` at the latest. `about` is
    /// what the user says of it.
    #[must_use]
    pub fn new(
        claims: &KeyClaims,
        digest: String,
        ttl: u64,
        ends: Option<Timestamp>,
        about: Map<String, Value>,
        now: Timestamp,
    ) -> Self {
        let mut attributes = about;
        attributes.insert("type".to_owned(), "api-key".into());
        attributes.insert("method".to_owned(), "generate-api-key".into());
        attributes.insert("digest".to_owned(), digest.into());
        attributes.insert("claims".to_owned(), json!({ "identity": claims.identity, "roles": claims.roles }));
        let wanted = (ttl > 0).then(|| after(now, ttl));
        if let Some(end) = wanted.into_iter().chain(ends).min() {
            attributes.insert("expiry".to_owned(), end.to_string().into());
        }
        let rule = Rule::user(&claims.identity, Right::Modify);
        Self { attributes, acl: Acl::new(Principal::role("ADMIN"), vec![rule]) }
    }
}

/// So many seconds later, but within the year 9999: no later instant can be written.
#[must_use]
pub fn after(now: Timestamp, seconds: u64) -> Timestamp {
    const LAST: i128 = 253_402_300_799_000_000_000;
    Timestamp::from_nanos(now.nanos().saturating_add(i128::from(seconds) * 1_000_000_000).min(LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-02T03:04:05Z").unwrap()
    }

    fn stored(ttl: u64) -> ApiKey {
        let caller = Caller::new("jane", ["USER", "ADMIN", "ops", "session/1"]);
        let key = NewKey::new(&KeyClaims::of(&caller).unwrap(), "d".into(), ttl, None, Map::new(), now());
        ApiKey::read(&serde_json::to_vec(&key.attributes).unwrap()).unwrap()
    }

    #[test]
    fn a_key_holds_for_its_time_or_without_end() {
        assert_eq!(stored(0).ends(), None);
        let day = stored(86_400);
        assert_eq!(day.expiry.as_deref(), Some("2026-01-03T03:04:05.000Z"));
        assert!(day.holds(now()) && !day.holds(after(now(), 86_400)));
        assert!(stored(u64::MAX).holds(now()));
        assert!(!ApiKey { expiry: Some("never".into()), ..stored(0) }.holds(now()));
    }

    #[test]
    fn a_key_that_is_made_with_another_ends_no_later_than_that() {
        let claims = KeyClaims::of(&Caller::new("jane", ["USER"])).unwrap();
        let end = |ttl: u64, ends: Option<Timestamp>| {
            let key = NewKey::new(&claims, "d".into(), ttl, ends, Map::new(), now());
            key.attributes.get("expiry").and_then(Value::as_str).and_then(Timestamp::parse)
        };
        let hour = after(now(), 3600);
        assert_eq!(end(0, Some(hour)), Some(hour));
        assert_eq!(end(86_400, Some(hour)), Some(hour));
        assert_eq!(end(60, Some(hour)), Some(after(now(), 60)));
        assert_eq!(end(0, None), None);
    }

    #[test]
    fn a_key_may_do_what_was_claimed_and_what_the_user_still_may() {
        let claims = stored(0).claims;
        assert_eq!((claims.identity.as_str(), claims.roles.join(" ").as_str()), ("jane", "USER ADMIN ops ANON"));
        let account = |json: &str| Account::read(json.as_bytes()).unwrap();
        let no_more = account(r#"{"username":"jane","state":"ACTIVE","roles":"dev"}"#);
        assert_eq!(claims.roles_of(&no_more), ["USER", "ANON"]);
        let still = account(r#"{"username":"jane","state":"ACTIVE","isSuperUser":true,"roles":"ops,dev"}"#);
        assert_eq!(claims.roles_of(&still), ["USER", "ADMIN", "ops", "ANON"]);
        let odd = KeyClaims { roles: vec!["session/1".into(), "USER".into(), "a b".into()], ..claims };
        assert_eq!(odd.roles_without_account(), ["USER"]);
        assert_eq!(KeyClaims::of(&Caller::anonymous()), None);
    }
}
