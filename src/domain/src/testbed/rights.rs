//! What members of a project may do: the words of the later generations of the API, and the flags of the first.

use serde::{Deserialize, Serialize};

use super::Refusal;

/// Stands for all rights that there are.
pub const ALL_PERMS: &str = "ALL_PERMS";

/// A right of a member of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the documentation: they are DETER's own")]
pub enum ProjectRight {
    AddUser,
    RemoveUser,
    RealizeExperiment,
    CreateCircle,
    CreateExperiment,
    CreateLibrary,
    CreateResource,
}

use ProjectRight::{
    AddUser, CreateCircle, CreateExperiment, CreateLibrary, CreateResource, RealizeExperiment, RemoveUser,
};

/// Each with its name, and its flag in the first generation where it had one. The seed names the three flags without values:
/// these are this agent's.
const ALL: [(ProjectRight, &str, u32); 7] = [
    (AddUser, "ADD_USER", 1),
    (RemoveUser, "REMOVE_USER", 2),
    (RealizeExperiment, "REALIZE_EXPERIMENT", 4),
    (CreateCircle, "CREATE_CIRCLE", 0),
    (CreateExperiment, "CREATE_EXPERIMENT", 0),
    (CreateLibrary, "CREATE_LIBRARY", 0),
    (CreateResource, "CREATE_RESOURCE", 0),
];

impl ProjectRight {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(right, ..)| *right == self).map_or("", |(_, name, _)| name)
    }
}

/// Rights of a member: no right twice, in the order of [`ProjectRight`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(Vec<ProjectRight>);

impl Rights {
    /// All that there are.
    #[must_use]
    pub fn all() -> Self {
        Self(ALL.iter().map(|(right, ..)| *right).collect())
    }

    /// The names of all that there are.
    pub fn valid() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|(_, name, _)| *name)
    }

    /// From their names; [`ALL_PERMS`] stands for all.
    ///
    /// # Errors
    /// [`Refusal::Request`] where one is unknown.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Refusal> {
        let mut rights = Self::default();
        for name in names {
            match ALL.iter().find(|(_, known, _)| *known == name) {
                Some((right, ..)) => rights.add(*right),
                None if name == ALL_PERMS => rights = Self::all(),
                None => return Err(Refusal::request("Invalid permission")),
            }
        }
        Ok(rights)
    }

    /// The same, with those rights that have flags as these say.
    ///
    /// # Errors
    /// [`Refusal::Request`] where a flag is unknown.
    pub fn with_flags(&self, flags: i64) -> Result<Self, Refusal> {
        let known: u32 = ALL.iter().map(|(.., flag)| flag).sum();
        let flags = u32::try_from(flags).ok().filter(|flags| flags & !known == 0);
        let flags = flags.ok_or_else(|| Refusal::request("Invalid permission"))?;
        let held = |(right, _, flag): &(ProjectRight, &str, u32)| {
            if *flag == 0 { self.has(*right) } else { flags & flag != 0 }
        };
        Ok(Self(ALL.iter().filter(|entry| held(entry)).map(|(right, ..)| *right).collect()))
    }

    /// The flags of those that have one.
    #[must_use]
    pub fn flags(&self) -> u32 {
        ALL.iter().filter(|(right, ..)| self.has(*right)).map(|(.., flag)| flag).sum()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|right| right.name())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = ProjectRight> + '_ {
        self.0.iter().copied()
    }

    /// Whether one is among them.
    #[must_use]
    pub fn has(&self, right: ProjectRight) -> bool {
        self.0.contains(&right)
    }

    fn add(&mut self, right: ProjectRight) {
        if let Err(at) = self.0.binary_search(&right) {
            self.0.insert(at, right);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rights_are_words_or_flags_and_unknown_ones_are_refused() {
        let rights = Rights::named(["REMOVE_USER", "ADD_USER", "ADD_USER"]).unwrap();
        assert_eq!(rights.names().collect::<Vec<_>>(), ["ADD_USER", "REMOVE_USER"]);
        assert_eq!((rights.flags(), Rights::all().flags()), (3, 7));
        assert_eq!(Rights::named(["ALL_PERMS"]).unwrap(), Rights::all());
        assert_eq!(Rights::valid().count(), 7);
        let five = rights.with_flags(5).unwrap();
        assert_eq!(five.names().collect::<Vec<_>>(), ["ADD_USER", "REALIZE_EXPERIMENT"]);
        for bad in [-1, 8, i64::MAX] {
            assert_eq!(rights.with_flags(bad), Err(Refusal::request("Invalid permission")));
        }
        assert!(Rights::named(["BOGUS"]).is_err() && Rights::named(["add_user"]).is_err());
        assert_eq!(serde_json::to_string(&rights).unwrap(), r#"["ADD_USER","REMOVE_USER"]"#);
    }

    proptest! {
        #[test]
        fn flags_change_what_has_a_flag_and_nothing_else(names in proptest::sample::subsequence(Rights::valid().collect::<Vec<_>>(), 0..=7), flags in 0i64..8) {
            let before = Rights::named(names.iter().copied()).unwrap();
            let after = before.with_flags(flags).unwrap();
            prop_assert_eq!(i64::from(after.flags()), flags);
            for (right, _, flag) in ALL {
                prop_assert!(flag != 0 || before.has(right) == after.has(right));
            }
            prop_assert_eq!(Rights::named(after.names()).unwrap(), after.clone());
            prop_assert_eq!(after.with_flags(i64::from(after.flags())).unwrap(), after);
        }
    }
}
