//! What a user stores for his services: secrets, and logins for registries of images and for machines. Nobody signs in with
//! them, and no answer of the API shows what is secret in them.

use serde_json::{Map, Value, json};

use super::keyring;
use crate::acl::{Acl, Principal, Right, Rule};
use crate::resource::SchemaError;

/// The type of credentials that hold a secret.
pub const SECRET: &str = "secret";
/// How they are made, and the name of their template.
pub const STORE_SECRET: &str = "store-secret";
/// The type of credentials that hold the login for a registry of images.
pub const REGISTRY: &str = "registry";
/// How they are made, and the name of their template.
pub const STORE_REGISTRY: &str = "store-registry";
/// The longest text that is stored in one attribute, in bytes.
pub const LONGEST: usize = 64 << 10;

/// All attributes that some kind has; others than its own are no part of a credential.
const ATTRIBUTES: [&str; 4] = ["secret", "server", "username", "password"];

/// A kind of stored credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// A secret.
    Secret,
    /// The login for a registry.
    Registry,
    /// The login for a machine; one of the user's keys.
    Login,
}

/// A new credential that only waits to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStored {
    /// The attributes of the document.
    pub attributes: Map<String, Value>,
    /// The user and the administrators.
    pub acl: Acl,
}

impl Stored {
    const ALL: [Self; 3] = [Self::Secret, Self::Registry, Self::Login];

    /// What a template of this method makes; none for other methods.
    #[must_use]
    pub fn by_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// What a credential of this type holds; none for keys.
    #[must_use]
    pub fn of_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_name() == name)
    }

    /// The `type` of its credentials.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::Secret => SECRET,
            Self::Registry => REGISTRY,
            Self::Login => keyring::LOGIN,
        }
    }

    /// Their `method`.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Secret => STORE_SECRET,
            Self::Registry => STORE_REGISTRY,
            Self::Login => keyring::STORE_LOGIN,
        }
    }

    /// The attributes that they have, all of which are needed.
    #[must_use]
    pub const fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Secret => &["secret"],
            Self::Registry => &["server", "username", "password"],
            Self::Login => &["username", "password"],
        }
    }

    /// Checks a filled-in form: all attributes, and no others.
    ///
    /// # Errors
    /// What is missing, too long, or not of this kind.
    pub fn check_new(self, filled: &Map<String, Value>) -> Result<(), SchemaError> {
        if let Some(other) = filled.keys().find(|name| !self.attributes().contains(&name.as_str())) {
            let fault = format!("`credentialTemplate.{other}` is not an attribute of the template {}", self.method());
            return Err(SchemaError::new(fault));
        }
        if let Some(name) = self.attributes().iter().find(|name| !filled.contains_key(**name)) {
            let fault = format!("`credentialTemplate.{name}` is missing: expected a text that is not blank");
            return Err(SchemaError::new(fault));
        }
        check_lengths(filled)
    }

    /// A credential of this kind for the user `owner`. `about` is what he says of it.
    #[must_use]
    pub fn new_for(self, owner: &str, filled: Map<String, Value>, about: Map<String, Value>) -> NewStored {
        let mut attributes = about;
        attributes.extend(filled);
        attributes.insert("type".to_owned(), self.type_name().into());
        attributes.insert("method".to_owned(), self.method().into());
        // Whose it is; it proves nothing.
        attributes.insert("claims".to_owned(), json!({ "identity": owner }));
        let rule = Rule::user(owner, Right::Modify);
        NewStored { attributes, acl: Acl::new(Principal::role("ADMIN"), vec![rule]) }
    }
}

/// Drops from the edit of a credential of this type what is no part of such a one.
///
/// # Errors
/// What is too long.
pub fn check_edit(type_name: &str, changes: &mut Map<String, Value>) -> Result<(), SchemaError> {
    let own = Stored::of_type(type_name).map_or(&[][..], Stored::attributes);
    changes.retain(|name, _| !ATTRIBUTES.contains(&name.as_str()) || own.contains(&name.as_str()));
    check_lengths(changes)
}

/// Whether an attribute cannot be taken away from a credential.
#[must_use]
pub fn stays(name: &str) -> bool {
    ATTRIBUTES.contains(&name) || ["type", "method", "digest", "claims"].contains(&name)
}

fn check_lengths(members: &Map<String, Value>) -> Result<(), SchemaError> {
    for (name, value) in members.iter().filter(|(name, _)| ATTRIBUTES.contains(&name.as_str())) {
        let len = value.as_str().map_or(0, str::len);
        if len > LONGEST {
            return Err(SchemaError::new(format!("`{name}` has {len} bytes: expected at most {LONGEST}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::key::ApiKey;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn each_kind_takes_its_own_attributes_and_all_of_them() {
        for (kind, filled, wrong) in [
            (Stored::Secret, json!({"secret": "s"}), None),
            (Stored::Secret, json!({}), Some("`credentialTemplate.secret` is missing")),
            (Stored::Secret, json!({"secret": "s", "ttl": 1}), Some("`credentialTemplate.ttl` is not an attribute")),
            (Stored::Secret, json!({"secret": "s".repeat(LONGEST)}), None),
            (Stored::Secret, json!({"secret": "s".repeat(LONGEST + 1)}), Some("`secret` has 65537 bytes")),
            (Stored::Registry, json!({"server": "r", "username": "u", "password": "p"}), None),
            (Stored::Registry, json!({"server": "r", "username": "u"}), Some("`credentialTemplate.password` is")),
            (Stored::Registry, json!({"secret": "s"}), Some("`credentialTemplate.secret` is not")),
        ] {
            let checked = kind.check_new(&map(filled.clone()));
            match wrong {
                None => assert_eq!(checked, Ok(())),
                Some(wrong) => assert!(checked.unwrap_err().to_string().contains(wrong), "{wrong}"),
            }
        }
    }

    #[test]
    fn a_stored_credential_is_the_users_and_no_key() {
        let about = map(json!({"name": "token"}));
        let new = Stored::Secret.new_for("jane", map(json!({"secret": "s"})), about);
        let expected = json!({"name": "token", "secret": "s", "type": "secret", "method": "store-secret",
            "claims": {"identity": "jane"}});
        assert_eq!(Value::Object(new.attributes.clone()), expected);
        assert!(ApiKey::read(&serde_json::to_vec(&new.attributes).unwrap()).is_none());
        let mut with_digest = new.attributes;
        with_digest.insert("digest".to_owned(), "d".into());
        assert!(ApiKey::read(&serde_json::to_vec(&with_digest).unwrap()).is_none());
    }

    #[test]
    fn an_edit_changes_what_is_of_the_kind_and_nothing_else() {
        let sent = json!({"secret": "a", "server": "b", "username": "c", "password": "d", "name": "n"});
        for (kind, left) in [
            ("secret", json!({"secret": "a", "name": "n"})),
            ("registry", json!({"server": "b", "username": "c", "password": "d", "name": "n"})),
            ("api-key", json!({"name": "n"})),
            ("", json!({"name": "n"})),
        ] {
            let mut changes = map(sent.clone());
            check_edit(kind, &mut changes).unwrap();
            assert_eq!(Value::Object(changes), left, "{kind}");
        }
        assert!(check_edit("registry", &mut map(json!({"password": "x".repeat(LONGEST + 1)}))).is_err());
    }
}
