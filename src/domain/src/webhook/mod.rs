//! The rules of webhooks: who is told of what, in which form, signed how, and what follows from the answer.

pub mod address;
pub mod attempt;
pub mod news;
pub mod signature;
pub mod target;

use serde::Deserialize;

use crate::acl::{Principal, PrincipalKind};
use crate::caller::Caller;
use crate::filter::{self, Filter};
use crate::resource;
use news::News;
use signature::Key;

/// The largest body of a delivery, in bytes. A larger document is told of without its content.
pub const MAX_BODY: usize = 1 << 20;

/// The most webhooks of one owner.
pub const MAX_WEBHOOKS: usize = 100;

/// A stored webhook as the agent uses it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where deliveries go.
    pub url: String,
    /// What they are signed with.
    pub key: Key,
    /// With whose rights documents are looked at.
    pub owner: Principal,
    /// Whether anything is sent.
    pub is_active: bool,
    types: Option<Vec<String>>,
    filter: Option<Filter>,
}

#[derive(Deserialize)]
struct Stored {
    url: String,
    secret: String,
    state: String,
    types: Option<Vec<String>>,
    filter: Option<String>,
    acl: Guarded,
}

/// An access list's owner; its rules do not matter here.
#[derive(Deserialize)]
struct Guarded {
    owner: Principal,
}

/// What of a user's document says which roles the user has.
#[derive(Deserialize)]
struct Account {
    state: String,
    #[serde(default, rename = "isSuperUser")]
    is_super_user: bool,
}

impl Webhook {
    /// Reads a stored `webhook`; none if it is no such document.
    #[must_use]
    pub fn read(document: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(document).ok()?;
        let filter = match stored.filter {
            Some(text) => Some(filter::parse(&text).ok()?),
            None => None,
        };
        Some(Self {
            url: stored.url,
            key: Key::parse(&stored.secret)?,
            owner: stored.acl.owner,
            is_active: stored.state == "ACTIVE",
            types: stored.types,
            filter,
        })
    }

    /// Whether it is told of `news`, with the rights that `owner` has now.
    #[must_use]
    pub fn wants(&self, owner: &Caller, news: &News) -> bool {
        let kind = news.id.kind();
        let asked = self.types.as_ref().is_none_or(|types| types.iter().any(|name| name == kind));
        // Each failure to tell of a failure would be another one.
        asked
            && kind != resource::types::webhook_failure::SPEC.name
            && resource::find(kind).is_some_and(|spec| spec.collection_acl.can_view(owner))
            && news.acl.can_view(owner)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&news.document))
    }
}

/// Who the owner of a webhook is when documents are looked at for it. `user` finds the document of a user by name.
///
/// None for a user who has no account or may not sign in, and for every role but `ADMIN`: such a webhook is told of
/// nothing.
pub fn owner(principal: &Principal, user: impl FnOnce(&str) -> Option<Vec<u8>>) -> Option<Caller> {
    match principal.kind {
        PrincipalKind::Role => (principal.principal == "ADMIN").then(Caller::agent),
        PrincipalKind::User => {
            let account: Account = serde_json::from_slice(&user(&principal.principal)?).ok()?;
            let roles: &[&str] = if account.is_super_user { &["USER", "ADMIN"] } else { &["USER"] };
            (account.state == "ACTIVE").then(|| Caller::new(&principal.principal, roles.iter().copied()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::news::What;
    use super::*;
    use crate::id::ResourceId;
    use crate::time::Timestamp;

    fn webhook(more: serde_json::Value) -> Webhook {
        let mut whole = json!({"url": "https://example.org", "secret": "whsec_AAAA", "state": "ACTIVE",
            "acl": {"owner": {"principal": "jane", "type": "USER"}}});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Webhook::read(whole.to_string().as_bytes()).unwrap()
    }

    fn news(kind: &str, owner: &str, os: &str) -> News {
        let document = json!({"os": os, "acl": {"owner": {"principal": owner, "type": "USER"}}});
        let id = ResourceId::new(kind, "a1").unwrap();
        News::read(7, Timestamp::default(), id, What::Updated, document.to_string().as_bytes()).unwrap()
    }

    fn jane() -> Caller {
        Caller::new("jane", ["USER"])
    }

    #[test]
    fn only_what_the_owner_may_see_is_told_of() {
        let all = webhook(json!({}));
        assert!(all.wants(&jane(), &news("device", "jane", "linux")));
        assert!(!all.wants(&jane(), &news("device", "joe", "linux")));
        assert!(all.wants(&Caller::agent(), &news("device", "joe", "linux")));
        // Users may not list configurations, whoever owns one.
        assert!(!all.wants(&jane(), &news("configuration", "jane", "linux")));
        assert!(!all.wants(&Caller::agent(), &news("webhook-failure", "jane", "linux")));
    }

    #[test]
    fn types_and_filter_choose_among_it() {
        let chosen = webhook(json!({"types": ["device"], "filter": "os='linux'"}));
        assert!(chosen.wants(&jane(), &news("device", "jane", "linux")));
        assert!(!chosen.wants(&jane(), &news("device", "jane", "plan9")));
        assert!(!chosen.wants(&jane(), &news("service", "jane", "linux")));
    }

    #[test]
    fn an_owner_counts_while_the_account_is_active() {
        let account = |state: &str, more: bool| json!({"state": state, "isSuperUser": more}).to_string().into_bytes();
        let jane = Principal::user("jane");
        let active = owner(&jane, |name| (name == "jane").then(|| account("ACTIVE", false))).unwrap();
        assert!(active.identity() == Some("jane") && active.has_role("USER") && !active.is_admin());
        assert!(owner(&jane, |_| Some(account("ACTIVE", true))).unwrap().is_admin());
        assert!(owner(&jane, |_| Some(account("SUSPENDED", true))).is_none());
        assert!(owner(&jane, |_| None).is_none());
        assert!(owner(&Principal::role("ADMIN"), |_| None).unwrap().is_admin());
        assert!(owner(&Principal::role("USER"), |_| Some(account("ACTIVE", true))).is_none());
        assert!(owner(&Principal::user("ADMIN"), |_| None).is_none());
    }

    #[test]
    fn what_is_no_webhook_is_none() {
        for bad in
            ["", "{}", r#"{"url":"a","secret":"b","state":"ACTIVE","acl":{"owner":{"principal":"a","type":"USER"}}}"#]
        {
            assert!(Webhook::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
