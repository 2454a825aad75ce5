//! What a user has for getting into machines: SSH keys, and logins of a name and a password. They are credentials under names of
//! their own, and no user has two of one name; the doors for clients of Deltacloud and DETER call both keys.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::stored::NewStored;
use crate::acl::{Acl, Principal, Right, Rule};
use crate::id::{IdError, ResourceId};
use crate::resource::SchemaError;

/// The type of credentials that hold a public key.
pub const SSH_KEY: &str = "ssh-key";
/// How one is made of a public key that the user brings, and the name of the template.
pub const STORE_SSH_KEY: &str = "store-ssh-key";
/// How one is made with a new pair, and the name of the template.
pub const GENERATE_SSH_KEY: &str = "generate-ssh-key";
/// The type of credentials that hold the login for a machine.
pub const LOGIN: &str = "username-password";
/// How they are made, and the name of their template.
pub const STORE_LOGIN: &str = "store-username-password";
/// The state of an SSH key as long as it is there.
pub const AVAILABLE: &str = "AVAILABLE";
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 255;

/// Names by which paths lead elsewhere: `new` is Deltacloud's form, and clients take the others out of paths.
const TAKEN: [&str; 3] = ["new", ".", ".."];

/// A new SSH key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSshKey<'a> {
    /// The name among the user's keys.
    pub name: &'a str,
    /// [`STORE_SSH_KEY`] or [`GENERATE_SSH_KEY`].
    pub method: &'a str,
    /// As `authorized_keys` has it.
    pub public_key: &'a str,
    /// What it is compared by.
    pub fingerprint: &'a str,
}

impl NewSshKey<'_> {
    /// The credential of the user `owner`. `about` is what he says of it.
    #[must_use]
    pub fn for_owner(&self, owner: &str, about: Map<String, Value>) -> NewStored {
        let mut attributes = about;
        for (attribute, value) in [
            ("name", self.name),
            ("type", SSH_KEY),
            ("method", self.method),
            ("publicKey", self.public_key),
            ("fingerprint", self.fingerprint),
            ("state", AVAILABLE),
        ] {
            attributes.insert(attribute.to_owned(), value.into());
        }
        attributes.insert("claims".to_owned(), json!({ "identity": owner }));
        let rule = Rule::user(owner, Right::Modify);
        NewStored { attributes, acl: Acl::new(Principal::role("ADMIN"), vec![rule]) }
    }
}

/// A stored key, with what only its owner may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: String,
    /// What it is.
    pub content: Content,
}

/// What a key is.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// The public half of a pair.
    Ssh {
        /// As `authorized_keys` has it.
        public_key: String,
        /// What it is compared by.
        fingerprint: String,
        /// [`AVAILABLE`].
        state: String,
    },
    /// The login for a machine.
    Login {
        /// The name there.
        username: String,
        /// The password there.
        password: String,
    },
}

/// Shows no password.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ssh { fingerprint, .. } => {
                f.debug_struct("Ssh").field("fingerprint", fingerprint).finish_non_exhaustive()
            }
            Self::Login { username, .. } => f.debug_struct("Login").field("username", username).finish_non_exhaustive(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    claims: Claims,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct Claims {
    identity: String,
}

impl Key {
    /// Reads a stored credential; none if it is no such key.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        let read: Document = serde_json::from_slice(document).ok()?;
        let content = match read.kind.as_str() {
            SSH_KEY => Content::Ssh { public_key: read.public_key, fingerprint: read.fingerprint, state: read.state },
            LOGIN => Content::Login { username: read.username, password: read.password },
            _ => return None,
        };
        Some(Self { name: read.name, owner: read.claims.identity, content })
    }
}

/// Whether a credential of this type has a name of its own, which stays.
#[must_use]
pub fn has_name(type_name: &str) -> bool {
    [SSH_KEY, LOGIN].contains(&type_name)
}

/// Checks the name of a new key.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), SchemaError> {
    let fault = if name.is_empty() || name.trim() != name {
        "is empty, or begins or ends with white space".to_owned()
    } else if name.len() > LONGEST_NAME {
        format!("has {} bytes: expected at most {LONGEST_NAME}", name.len())
    } else if name.chars().any(|letter| letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}')) {
        // The last two are none that XML has.
        "holds a control character".to_owned()
    } else if TAKEN.contains(&name) {
        format!("is `{name}`, which means something else in paths: choose another")
    } else {
        return Ok(());
    };
    Err(SchemaError::new(format!("the `name` of the key {fault}")))
}

/// The id of the credential for a user's key of this name: there can be one only.
///
/// # Errors
/// None that a name could cause: every one gives a well-formed id.
pub fn id_of(owner: &str, name: &str) -> Result<ResourceId, IdError> {
    // User names hold no zero byte.
    let digest = Sha256::new().chain_update(owner).chain_update([0]).chain_update(name).finalize();
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    ResourceId::new("credential", &format!("key-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::stored::Stored;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let new = NewSshKey { name: "k", method: STORE_SSH_KEY, public_key: "ssh-rsa AAAA", fingerprint: "aa:bb" };
        let made = new.for_owner("jane", Map::from_iter([("description".to_owned(), "d".into())]));
        let read = Key::read(&serde_json::to_vec(&made.attributes).unwrap()).unwrap();
        let content =
            Content::Ssh { public_key: "ssh-rsa AAAA".into(), fingerprint: "aa:bb".into(), state: "AVAILABLE".into() };
        assert_eq!(read, Key { name: "k".into(), owner: "jane".into(), content });
        assert_eq!(made.attributes["description"], "d");
        let filled = json!({"username": "26648", "password": "secret"});
        let about = Map::from_iter([("name".to_owned(), "72398".into())]);
        let made = Stored::Login.new_for("jane", filled.as_object().unwrap().clone(), about);
        let read = Key::read(&serde_json::to_vec(&made.attributes).unwrap()).unwrap();
        assert_eq!((read.name.as_str(), read.owner.as_str()), ("72398", "jane"));
        assert_eq!(read.content, Content::Login { username: "26648".into(), password: "secret".into() });
        assert!(!format!("{read:?}").contains("secret"));
        assert_eq!(Key::read(br#"{"type":"secret","name":"n","claims":{"identity":"jane"}}"#), None);
        assert_eq!(Key::read(b"{}"), None);
    }

    #[test]
    fn names_are_plain_texts_that_lead_nowhere_else() {
        for name in ["k", "jsmith_new_key", "<b>&\"'", "a b", "ключ", "a/b;c?d#e%", "New", "...", &"n".repeat(255)]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, fault) in [
            ("", "is empty"),
            (" k", "white space"),
            ("k\n", "white space"),
            ("a\u{7}b", "control character"),
            ("a\u{ffff}b", "control character"),
            ("new", "means something else"),
            ("..", "means something else"),
            (&*"n".repeat(256), "has 256 bytes"),
        ] {
            assert!(check_name(name).unwrap_err().to_string().contains(fault), "{name}");
        }
    }

    #[test]
    fn one_name_of_one_user_is_one_id() {
        let id = |owner, name| id_of(owner, name).unwrap();
        assert_eq!(id("jane", "k"), id("jane", "k"));
        assert_ne!(id("jane", "k"), id("jan", "ek"));
        assert_ne!(id("jane", "k"), id("joe", "k"));
        assert!(id("jürgen", "<b>&").as_str().starts_with("credential/key-"));
    }
}
