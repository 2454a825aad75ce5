//! A session as it is stored.

use serde_json::{Map, Value, json};

use super::key::after;
use crate::acl::{Acl, Principal, PrincipalKind, SESSION};
use crate::id::ResourceId;
use crate::time::Timestamp;

/// The longest text about the client or the server that is stored, in bytes.
const MAX_TEXT: usize = 256;

/// Who signed in, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The user.
    pub username: String,
    /// The user's roles, without that of the session.
    pub roles: Vec<String>,
    /// The template's method.
    pub method: &'static str,
    /// The key that was used, if one was; the session ends with it.
    pub key: Option<ResourceId>,
    /// The instant at which that key ends, and the session with it.
    pub key_ends: Option<Timestamp>,
}

/// From where somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The client's address.
    pub client: String,
    /// The server's name, as the client calls it.
    pub server: Option<String>,
}

/// A new session that only waits to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// The attributes of the document.
    pub attributes: Map<String, Value>,
    /// Whoever holds the session's role; administrators see it.
    pub acl: Acl,
    /// The user's roles and the session's.
    pub roles: String,
    /// Until when it holds, in whole seconds.
    pub expiry: Timestamp,
}

impl NewSession {
    /// A session of `life` seconds, less if the key ends before. `about` is what the client says of it.
    #[must_use]
    pub fn new(
        id: &ResourceId,
        proved: &Proved,
        template: &str,
        place: &Place,
        about: Map<String, Value>,
        (now, life): (Timestamp, u64),
    ) -> Self {
        let expiry = after(now, life);
        let expiry = proved.key_ends.map_or(expiry, |end| end.min(expiry));
        // The token counts in seconds: both shall end at the same instant.
        let expiry = Timestamp::from_nanos(expiry.nanos().div_euclid(1_000_000_000) * 1_000_000_000);
        let mut roles = proved.roles.join(" ");
        roles.push(' ');
        roles.push_str(id.as_str());
        let mut attributes = about;
        for (name, value) in [
            ("method", proved.method.into()),
            ("sessionTemplate", json!({ "href": template })),
            ("username", proved.username.clone().into()),
            ("roles", roles.clone().into()),
            ("expiry", expiry.to_string().into()),
            ("clientIP", place.client.clone().into()),
        ] {
            attributes.insert(name.to_owned(), value);
        }
        let server = place.server.as_deref().filter(|server| !server.trim().is_empty() && server.len() <= MAX_TEXT);
        attributes.extend(server.map(|server| ("server".to_owned(), server.into())));
        attributes.extend(proved.key.as_ref().map(|key| ("credential".to_owned(), key.as_str().into())));
        Self { attributes, acl: acl(id), roles, expiry }
    }
}

/// The session's own role owns it, and administrators see it.
fn acl(id: &ResourceId) -> Acl {
    let owner = Principal { principal: id.as_str().to_owned().into(), kind: PrincipalKind::Role };
    Acl::with_rules(owner, SESSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;

    fn session(key_ends: Option<Timestamp>) -> NewSession {
        let key = ResourceId::parse("credential/k").ok();
        let roles = vec!["USER".to_owned(), "ANON".to_owned()];
        let proved = Proved { username: "jane".into(), roles, method: "api-key", key, key_ends };
        let place = Place { client: "192.0.2.1".into(), server: Some("fog.example".into()) };
        let id = ResourceId::parse("session/s").unwrap();
        let now = Timestamp::parse("2026-01-02T03:04:05.678Z").unwrap();
        NewSession::new(&id, &proved, "session-template/api-key", &place, Map::new(), (now, 3600))
    }

    #[test]
    fn a_session_says_who_and_how_and_until_when() {
        let session = session(None);
        assert_eq!(
            Value::Object(session.attributes),
            json!({"method": "api-key", "sessionTemplate": {"href": "session-template/api-key"}, "username": "jane",
                "roles": "USER ANON session/s", "expiry": "2026-01-02T04:04:05.000Z", "clientIP": "192.0.2.1",
                "server": "fog.example", "credential": "credential/k"})
        );
    }

    #[test]
    fn a_session_belongs_to_whoever_holds_its_role() {
        let acl = session(None).acl;
        assert!(acl.can_modify(&Caller::new("jane", ["USER", "session/s"])));
        assert!(!acl.can_view(&Caller::new("jane", ["USER", "session/t"])));
        assert!(acl.can_view(&Caller::agent()));
    }

    #[test]
    fn a_session_ends_with_its_key() {
        let end = Timestamp::parse("2026-01-02T03:05:00Z");
        assert_eq!(Some(session(end).expiry), end);
        assert_eq!(session(Timestamp::parse("2030-01-01T00:00:00Z")).expiry.to_string(), "2026-01-02T04:04:05.000Z");
    }
}
