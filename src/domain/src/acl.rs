//! Access control lists and what they grant (`spec/cimi.md` 8).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use crate::caller::Caller;

/// The most rules one list may hold, not counting [`ADMIN_ALL`].
pub const MAX_RULES: usize = 100;

/// The rule that every stored list has: administrators may do everything.
pub const ADMIN_ALL: Rule = Rule::role("ADMIN", Right::All);

/// An access control list: an owner with every right, and rules that grant rights to others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acl {
    /// Who owns the resource.
    pub owner: Principal,
    /// What others may do.
    #[serde(default, skip_serializing_if = "has_no_rules", rename = "rules", deserialize_with = "rules")]
    rule_list: Cow<'static, [Rule]>,
}

/// Lists of rules that many stored lists have. They are held once: there may be a hundred thousand sessions.
const USUAL: [&[Rule]; 2] = [&[ADMIN_ALL], SESSION];
/// The rules of a session, whose own role owns it: administrators see it.
pub const SESSION: &[Rule] = &[Rule::role("ADMIN", Right::View), ADMIN_ALL];

/// Reads rules into no more memory than they need.
fn rules<'de, D: Deserializer<'de>>(from: D) -> Result<Cow<'static, [Rule]>, D::Error> {
    let rules = Vec::<Rule>::deserialize(from)?;
    let usual = USUAL.into_iter().find(|usual| *usual == rules);
    Ok(usual.map_or_else(|| Cow::Owned(rules.into_boxed_slice().into_vec()), Cow::Borrowed))
}

/// Reads the name of a principal; those that the program itself knows are held once.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Cow<'static, str>, D::Error> {
    let name = String::deserialize(from)?;
    let known = ["ADMIN", "USER", "ANON"].into_iter().find(|known| *known == name);
    Ok(known.map_or_else(|| Cow::Owned(name.into_boxed_str().into_string()), Cow::Borrowed))
}

#[expect(clippy::ptr_arg, reason = "serde passes the field as it is")]
fn has_no_rules(rules: &Cow<'static, [Rule]>) -> bool {
    rules.is_empty()
}

/// A user by name, or everybody who holds a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The user's name or the role's.
    #[serde(deserialize_with = "name")]
    pub principal: Cow<'static, str>,
    /// Which of the two it is.
    #[serde(rename = "type")]
    pub kind: PrincipalKind,
}

/// The two kinds of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PrincipalKind {
    /// One user.
    User,
    /// Whoever holds the role.
    Role,
}

/// Grants one right to one principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// To whom: the user's name or the role's.
    #[serde(deserialize_with = "name")]
    pub principal: Cow<'static, str>,
    /// Which of the two it is.
    #[serde(rename = "type")]
    pub kind: PrincipalKind,
    /// What is granted.
    pub right: Right,
}

/// The rights that a rule can name. The server asks for two of them: [`Right::View`] and [`Right::Modify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the documentation: they are CIMI's own")]
pub enum Right {
    View,
    Modify,
    All,
    ViewAcl,
    ViewData,
    ViewMeta,
    EditAcl,
    EditData,
    EditMeta,
    Delete,
    Manage,
}

impl Right {
    /// Whether holding `self` includes `needed`.
    ///
    /// ALL includes everything; MODIFY includes VIEW and the edit rights. The finer rights alone grant neither VIEW nor
    /// MODIFY, as in the original.
    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        if self == needed || self == Self::All {
            return true;
        }
        let implied: &[Self] = match self {
            Self::Modify => &[Self::View, Self::Delete, Self::EditAcl],
            Self::EditAcl => &[Self::EditData, Self::ViewAcl],
            Self::EditData => &[Self::EditMeta, Self::ViewData],
            Self::EditMeta => &[Self::ViewMeta],
            Self::View => &[Self::ViewAcl],
            Self::ViewAcl => &[Self::ViewData],
            Self::ViewData => &[Self::ViewMeta],
            _ => &[],
        };
        implied.iter().any(|right| right.includes(needed))
    }
}

impl Principal {
    /// Everybody who holds `role`.
    #[must_use]
    pub const fn role(role: &'static str) -> Self {
        Self { principal: Cow::Borrowed(role), kind: PrincipalKind::Role }
    }

    /// One user.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { principal: Cow::Owned(name.to_owned()), kind: PrincipalKind::User }
    }
}

impl Rule {
    /// Grants `right` to everybody who holds `role`.
    #[must_use]
    pub const fn role(role: &'static str, right: Right) -> Self {
        Self { principal: Cow::Borrowed(role), kind: PrincipalKind::Role, right }
    }

    /// Grants `right` to one user.
    #[must_use]
    pub fn user(name: &str, right: Right) -> Self {
        Self { principal: Cow::Owned(name.to_owned()), kind: PrincipalKind::User, right }
    }
}

impl Acl {
    /// A list owned by the administrators, with `rules` for others. Usable in constants.
    #[must_use]
    pub const fn of_admin(rules: &'static [Rule]) -> Self {
        Self { owner: Principal::role("ADMIN"), rule_list: Cow::Borrowed(rules) }
    }

    /// A list from its parts.
    #[must_use]
    pub fn new(owner: Principal, rules: Vec<Rule>) -> Self {
        Self { owner, rule_list: Cow::Owned(rules) }
    }

    /// A list with an owner and rules that stand in the program, which many lists share.
    #[must_use]
    pub const fn with_rules(owner: Principal, rules: &'static [Rule]) -> Self {
        Self { owner, rule_list: Cow::Borrowed(rules) }
    }

    /// What a resource gets when its creator names no list: ADMIN's belong to the role, others' to the caller.
    ///
    /// None for an anonymous caller, who can own nothing.
    #[must_use]
    pub fn default_for(caller: &Caller) -> Option<Self> {
        if caller.is_admin() {
            return Some(Self::of_admin(&[]));
        }
        caller.identity().map(|name| Self::new(Principal::user(name), Vec::new()))
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rule_list
    }

    /// Whether the list gives a user of this name anything by his name.
    #[must_use]
    pub fn names_user(&self, name: &str) -> bool {
        let is_his = |principal: &str, kind: PrincipalKind| kind == PrincipalKind::User && principal == name;
        is_his(&self.owner.principal, self.owner.kind)
            || self.rule_list.iter().any(|rule| is_his(&rule.principal, rule.kind))
    }

    /// Whether no other document will have the same list: it belongs to the role of one session.
    #[must_use]
    pub fn is_of_one_session(&self) -> bool {
        self.owner.kind == PrincipalKind::Role && self.owner.principal.starts_with("session/")
    }

    /// Adds [`ADMIN_ALL`], which every stored list has.
    #[must_use]
    pub fn with_admin(mut self) -> Self {
        if !self.rule_list.contains(&ADMIN_ALL) {
            self.rule_list.to_mut().push(ADMIN_ALL);
        }
        self
    }

    /// Whether `caller` holds `needed` under this list.
    #[must_use]
    pub fn grants(&self, caller: &Caller, needed: Right) -> bool {
        caller.is_admin()
            || is(caller, &self.owner.principal, self.owner.kind)
            || self.rule_list.iter().any(|rule| rule.right.includes(needed) && is(caller, &rule.principal, rule.kind))
    }

    /// A list for what is derived from a resource with this one: it belongs to the administrators, and whoever may see the resource
    /// may see it, and no more.
    #[must_use]
    pub fn for_readers(&self) -> Self {
        let of_owner = Rule { principal: self.owner.principal.clone(), kind: self.owner.kind, right: Right::View };
        let seeing = self.rule_list.iter().filter(|rule| rule.right.includes(Right::View));
        let mut rules: Vec<Rule> = Vec::new();
        for rule in std::iter::once(&of_owner).chain(seeing) {
            let is_admin = rule.kind == PrincipalKind::Role && rule.principal == "ADMIN";
            let rule = Rule { right: Right::View, ..rule.clone() };
            if !is_admin && !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        Self::new(Principal::role("ADMIN"), rules)
    }

    /// Whether the owner is who asks, or a role that he holds.
    #[must_use]
    pub fn is_owned_by(&self, caller: &Caller) -> bool {
        is(caller, &self.owner.principal, self.owner.kind)
    }

    /// Whether `caller` may see the resource.
    #[must_use]
    pub fn can_view(&self, caller: &Caller) -> bool {
        self.grants(caller, Right::View)
    }

    /// Whether `caller` may change the resource.
    #[must_use]
    pub fn can_modify(&self, caller: &Caller) -> bool {
        self.grants(caller, Right::Modify)
    }
}

fn is(caller: &Caller, principal: &str, kind: PrincipalKind) -> bool {
    match kind {
        PrincipalKind::User => caller.identity() == Some(principal),
        PrincipalKind::Role => caller.has_role(principal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(text: &str) -> Acl {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_derived_can_be_seen_by_those_who_see_the_resource_and_changed_by_administrators() {
        let rules = vec![
            Rule::user("jane", Right::Modify),
            Rule::user("kim", Right::View),
            Rule::user("lee", Right::ViewMeta),
            Rule::role("ADMIN", Right::All),
        ];
        let derived = Acl::new(Principal::user("ann"), rules).for_readers();
        for (name, sees) in [("ann", true), ("jane", true), ("kim", true), ("lee", false), ("bob", false)] {
            let caller = Caller::new(name, ["USER"]);
            assert_eq!(derived.can_view(&caller), sees, "{name}");
            assert!(!derived.can_modify(&caller) && !derived.is_owned_by(&caller), "{name}");
        }
        assert!(derived.can_modify(&Caller::agent()) && derived.is_owned_by(&Caller::agent()));
        assert_eq!(Acl::of_admin(&[]).for_readers().rules(), []);
    }

    #[test]
    fn the_owner_and_administrators_may_do_everything() {
        let own = acl(r#"{"owner":{"principal":"jane","type":"USER"}}"#);
        assert!(own.can_modify(&Caller::new("jane", ["USER"])));
        assert!(own.can_modify(&Caller::new("root", ["ADMIN"])));
        assert!(!own.can_view(&Caller::new("joe", ["USER"])));
        assert!(!own.can_view(&Caller::anonymous()));
    }

    #[test]
    fn a_rule_for_anon_reaches_everybody() {
        let open = acl(
            r#"{"owner":{"principal":"joe","type":"USER"},"rules":[{"type":"ROLE","principal":"ANON","right":"VIEW"}]}"#,
        );
        assert!(open.can_view(&Caller::anonymous()) && open.can_view(&Caller::new("jane", ["USER"])));
        assert!(!open.can_modify(&Caller::anonymous()));
    }

    #[test]
    fn a_user_cannot_pose_as_a_role_by_name() {
        let owned = acl(r#"{"owner":{"principal":"ADMIN","type":"ROLE"}}"#);
        assert!(!owned.can_view(&Caller::new("ADMIN", ["USER"])));
    }

    #[test]
    fn modify_includes_view_but_the_finer_rights_grant_neither() {
        assert!(Right::Modify.includes(Right::View) && Right::Modify.includes(Right::EditMeta));
        assert!(!Right::EditData.includes(Right::View) && !Right::Delete.includes(Right::Modify));
        assert!(!Right::Manage.includes(Right::View) && Right::All.includes(Right::Manage));
    }

    #[test]
    fn the_administrators_rule_is_added_once() {
        let stored = Acl::default_for(&Caller::agent()).unwrap().with_admin().with_admin();
        assert_eq!(stored.rules(), [Rule::role("ADMIN", Right::All)]);
        assert!(Acl::default_for(&Caller::anonymous()).is_none());
    }

    #[test]
    fn unknown_keys_and_rights_are_refused() {
        for bad in [
            r#"{"owner":{"principal":"a","type":"USER"},"x":1}"#,
            r#"{"owner":{"principal":"a","type":"GROUP"}}"#,
            r#"{"owner":{"principal":"a","type":"USER"},"rules":[{"type":"ROLE","principal":"b","right":"OWN"}]}"#,
        ] {
            assert!(serde_json::from_str::<Acl>(bad).is_err(), "{bad}");
        }
    }
}
