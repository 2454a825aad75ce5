//! The templates that every agent has from its first start (`spec/cimi.md` 9.3 and 9.6).
//!
//! Where there is no template of a type at all, all of them are stored. Later, what an administrator has deleted stays
//! deleted, but for those without which nobody could sign in or be given an account.

use mf2c_domain::acl::{Acl, Right, Rule};
use mf2c_domain::resource;
use mf2c_store::StoreError;
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::error::AccountError;

const ADMINS: &[Rule] = &[Rule::role("ADMIN", Right::View)];
const EVERYBODY: &[Rule] = &[Rule::role("ANON", Right::View), Rule::role("USER", Right::View)];

/// One template.
struct Template {
    kind: &'static str,
    /// Whether it is always there.
    needed: bool,
    attributes: Value,
    rules: &'static [Rule],
}

fn templates() -> [Template; 4] {
    [
        Template {
            kind: "user-template",
            needed: true,
            attributes: json!({
                "method": "direct", "instance": "direct", "name": "Direct User Creation",
                "description": "lets an administrator make an account",
                "username": "username", "password": "password", "emailAddress": "user@example.com", "order": 1,
            }),
            rules: ADMINS,
        },
        Template {
            kind: "user-template",
            needed: false,
            attributes: json!({
                "method": "self-registration", "instance": "self-registration", "name": "Self Registration",
                "description": "register with e-mail validation", "username": "username", "password": "password",
                "passwordRepeat": "password", "emailAddress": "user@example.com", "order": 0,
            }),
            rules: EVERYBODY,
        },
        Template {
            kind: "session-template",
            needed: true,
            attributes: json!({
                "method": "internal", "instance": "internal", "name": "Login with Username and Password",
                "description": "sign in with a name and a password",
                "group": "Login with Username and Password", "username": "username", "password": "password", "order": 0,
            }),
            rules: EVERYBODY,
        },
        Template {
            kind: "session-template",
            needed: false,
            attributes: json!({
                "method": "api-key", "instance": "api-key", "name": "Login with API Key and Secret",
                "description": "Authentication with API Key and Secret",
                "group": "Login with API Key and Secret", "key": "key", "secret": "secret", "order": 1,
            }),
            rules: EVERYBODY,
        },
    ]
}

impl Accounts {
    pub(super) async fn ensure_templates(&self) -> Result<(), AccountError> {
        let bare = ["user-template", "session-template"].map(|kind| (kind, self.store().all(kind).is_empty()));
        for template in templates() {
            if template.needed || bare.contains(&(template.kind, true)) {
                self.ensure(template).await?;
            }
        }
        Ok(())
    }

    async fn ensure(&self, template: Template) -> Result<(), AccountError> {
        let spec = resource::find(template.kind).ok_or(AccountError::Failed)?;
        let attributes = template.attributes.as_object().cloned().unwrap_or_default();
        let mut draft = spec.prepare_add(attributes, self.now(), &*self.world().entropy)?;
        draft.acl = Some(Acl::of_admin(template.rules));
        match self.add(template.kind, draft).await {
            Ok(_) | Err(AccountError::Store(StoreError::Conflict { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use mf2c_domain::resource::types::people::{session_template, user_template};

    use super::*;

    #[test]
    fn every_template_is_of_a_known_method_and_its_id_follows_from_it() {
        for template in templates() {
            let known = match template.kind {
                "user-template" => user_template::METHODS,
                _ => session_template::METHODS,
            };
            let method = template.attributes["method"].as_str().unwrap();
            assert!(known.contains(&method) && template.attributes["instance"] == method, "{method}");
        }
    }
}
