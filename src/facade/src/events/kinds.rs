//! The resource types that a reader follows, as a set that is small and quick to ask.

use mf2c_domain::caller::Caller;
use mf2c_domain::resource::{self, TypeSpec};

/// A set of resource types: one bit for each place in the list of all types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u64);

/// Why a type cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit<'t> {
    /// There is no such type.
    Unknown(&'t str),
    /// The caller may not list it.
    Forbidden(&'static str),
}

impl Kinds {
    /// All types whose collections `caller` may list.
    pub(super) fn visible_to(caller: &Caller) -> Self {
        let all = resource::all().iter().enumerate();
        Self(all.filter(|(_, spec)| spec.collection_acl.can_view(caller)).fold(0, |set, (at, _)| set | 1 << at))
    }

    /// These types, if all are known and `caller` may list each.
    pub(super) fn named<'t>(names: impl IntoIterator<Item = &'t str>, caller: &Caller) -> Result<Self, Unfit<'t>> {
        names.into_iter().try_fold(Self(0), |set, name| {
            let (at, spec) = place(name).ok_or(Unfit::Unknown(name))?;
            if !spec.collection_acl.can_view(caller) {
                return Err(Unfit::Forbidden(spec.name));
            }
            Ok(Self(set.0 | 1 << at))
        })
    }

    /// The set of this type alone; none if there is no such type.
    pub(super) fn one(name: &str) -> Option<Self> {
        place(name).map(|(at, _)| Self(1 << at))
    }

    /// Whether both sets have a type in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

fn place(name: &str) -> Option<(usize, &'static TypeSpec)> {
    resource::all().iter().copied().enumerate().find(|(_, spec)| spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(kinds: Kinds, name: &str) -> bool {
        kinds.meets(Kinds::one(name).unwrap())
    }

    #[test]
    fn there_is_a_bit_for_each_type() {
        assert!(resource::all().len() <= 64);
        let all = Kinds::visible_to(&Caller::agent());
        assert!(resource::all().iter().all(|spec| has(all, spec.name)));
        assert_eq!(Kinds::one("unheard-of"), None);
    }

    #[test]
    fn who_names_no_type_follows_those_that_he_may_list() {
        let user = Kinds::visible_to(&Caller::new("jane", ["USER"]));
        assert!(has(user, "device") && has(user, "event") && !has(user, "configuration"));
        let nobody = Kinds::visible_to(&Caller::anonymous());
        assert!(has(nobody, "event") && !has(nobody, "device"));
    }

    #[test]
    fn who_names_types_gets_those_or_hears_which_he_cannot_have() {
        let jane = Caller::new("jane", ["USER"]);
        let two = Kinds::named(["device", "service"], &jane).unwrap();
        assert!(has(two, "device") && has(two, "service") && !has(two, "event"));
        assert_eq!(Kinds::named(["device", "devise"], &jane), Err(Unfit::Unknown("devise")));
        assert_eq!(Kinds::named(["configuration"], &jane), Err(Unfit::Forbidden("configuration")));
    }
}
