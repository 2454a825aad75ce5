//! How somebody asks for an account (`spec/cimi.md` 9.6): which form it is, what must be in it, and what is made of it.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::names::{NameError, check_address, check_password, check_username};
use crate::acl::{Acl, Principal, Right, Rule};
use crate::entropy::Entropy;
use crate::resource::types::people::user::SPEC;
use crate::resource::{COMMON, Draft, SchemaError};
use crate::time::Timestamp;

/// What everybody may fill in.
const OWN: [&str; 4] = ["username", "emailAddress", "password", "passwordRepeat"];
/// What belongs to the template itself, which clients that fill in a whole template send along; and where to go afterwards,
/// which is not the form's affair.
const PASSED_OVER: [&str; 9] = ["id", "method", "instance", "group", "order", "hidden", "icon", "acl", "redirectURI"];

/// The template to which an account by mail counts.
const BY_MAIL: &str = "user-template/self-registration";

/// A form with the template that it names, before it is known what the template asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// The template's id.
    pub href: String,
    filled: Map<String, Value>,
    common: Map<String, Value>,
}

/// How accounts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By people for themselves; the account must be proved by e-mail.
    SelfRegistration,
    /// By administrators for others.
    Direct,
}

/// A checked request for an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The name to sign in with.
    pub username: String,
    /// Where to write to.
    pub email: String,
    /// The password in clear, to be digested; an account without one cannot be signed in to.
    pub password: Option<String>,
    /// How the account is made.
    pub method: Method,
    href: String,
    attributes: Map<String, Value>,
}

/// What is wrong with a form.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RegistrationError {
    /// There is no template, or something else in its place.
    #[error("missing or invalid UserTemplate reference")]
    NoTemplate,
    /// Something beside the form that is not common to all resources.
    #[error("`{0}` is not expected beside `userTemplate`: put it inside, or leave it out")]
    Beside(String),
    /// Something in the form that the template does not ask for.
    #[error("`{0}` is not asked for by the template: leave it out")]
    Unexpected(String),
    /// A text is missing, or is no text.
    #[error("`{0}` is missing or not a text: fill it in")]
    Missing(&'static str),
    /// One of the two passwords is missing.
    #[error("both password fields must be specified")]
    NoPassword,
    /// The two passwords differ.
    #[error("password fields must be identical")]
    Unequal,
    /// The name, password or address cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An attribute is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Form {
    /// Reads the body `{"userTemplate": {"href": …, …}, …}`.
    ///
    /// # Errors
    /// [`RegistrationError`] if no template is named, or something else stands beside it.
    pub fn read(mut body: Map<String, Value>) -> Result<Self, RegistrationError> {
        let Some(Value::Object(mut filled)) = body.remove("userTemplate") else {
            return Err(RegistrationError::NoTemplate);
        };
        let Some(Value::String(href)) = filled.remove("href") else { return Err(RegistrationError::NoTemplate) };
        if !href.starts_with("user-template/") {
            return Err(RegistrationError::NoTemplate);
        }
        crate::resource::SERVER_OWNED.iter().chain(&["acl"]).for_each(|name| drop(body.remove(*name)));
        if let Some(name) = body.keys().find(|name| COMMON.iter().all(|field| field.name != name.as_str())) {
            return Err(RegistrationError::Beside(shown(name)));
        }
        PASSED_OVER.iter().for_each(|name| drop(filled.remove(*name)));
        Ok(Self { href, filled, common: body })
    }

    /// Checks what is filled in against what the method asks for.
    ///
    /// # Errors
    /// [`RegistrationError`] with what is wrong.
    pub fn check(self, method: Method) -> Result<Registration, RegistrationError> {
        let Self { href, mut filled, common } = self;
        let direct = SPEC.form.map(|form| form.fields).unwrap_or_default();
        let known = |name: &str| match method {
            Method::SelfRegistration => OWN.contains(&name),
            Method::Direct => direct.iter().any(|field| field.name == name),
        };
        if let Some(name) = filled.keys().find(|name| !known(name)) {
            return Err(RegistrationError::Unexpected(shown(name)));
        }
        let repeated = filled.remove("passwordRepeat");
        let password = match (method, filled.remove("password"), repeated) {
            (_, Some(Value::String(password)), Some(Value::String(repeated))) if password == repeated => Some(password),
            (_, Some(Value::String(_)), Some(Value::String(_))) => return Err(RegistrationError::Unequal),
            (Method::Direct, Some(Value::String(password)), None) => Some(password),
            (Method::Direct, None, None) => None,
            _ => return Err(RegistrationError::NoPassword),
        };
        if let Some(password) = &password {
            check_password(password)?;
        }
        let username = text(&mut filled, "username")?;
        check_username(&username)?;
        let email = text(&mut filled, "emailAddress")?;
        check_address(&email)?;
        filled.extend(common);
        Ok(Registration { username, email, password, method, href, attributes: filled })
    }
}

impl Registration {
    /// A request for an account without a password, which whoever reads the mail to the address will set.
    ///
    /// # Errors
    /// [`RegistrationError`] with what is wrong.
    pub fn by_mail(username: &str, email: &str) -> Result<Self, RegistrationError> {
        check_username(username)?;
        check_address(email)?;
        Ok(Self {
            username: username.to_owned(),
            email: email.to_owned(),
            password: None,
            method: Method::SelfRegistration,
            href: BY_MAIL.to_owned(),
            attributes: Map::new(),
        })
    }

    /// The new user document, with the digest of the password in the place of the password.
    ///
    /// # Errors
    /// [`RegistrationError::Schema`] with all that is wrong.
    pub fn draft(
        &self,
        digest: Option<&str>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Draft, RegistrationError> {
        let mut user = self.attributes.clone();
        let set = json!({
            "username": self.username,
            "emailAddress": self.email,
            "method": self.method.as_str(),
            "href": self.href,
            "deleted": false,
            "creation": now.to_string(),
        });
        user.extend(set.as_object().cloned().unwrap_or_default());
        user.extend(digest.map(|digest| ("password".to_owned(), digest.into())));
        user.entry("isSuperUser").or_insert(false.into());
        if self.method == Method::Direct && user.get("state").is_some_and(|state| state == "ACTIVE") {
            user.insert("activeSince".to_owned(), now.to_string().into());
        }
        let mut draft = SPEC.prepare_add(user, now, entropy)?;
        draft.acl = Some(acl_of(&self.username));
        Ok(draft)
    }
}

impl Method {
    /// Its name in templates and user documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfRegistration => "self-registration",
            Self::Direct => "direct",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::SelfRegistration, Self::Direct].into_iter().find(|method| method.as_str() == name)
    }
}

/// Who may see and change a user: the administrators, and the user.
#[must_use]
pub fn acl_of(username: &str) -> Acl {
    let rules = vec![Rule::role("ADMIN", Right::All), Rule::user(username, Right::Modify)];
    Acl::new(Principal::role("ADMIN"), rules)
}

fn text(filled: &mut Map<String, Value>, name: &'static str) -> Result<String, RegistrationError> {
    match filled.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(RegistrationError::Missing(name)),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
