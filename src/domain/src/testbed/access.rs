//! Who may do what with an experiment: permissions of circles. A circle is a project with its members, `P:P`, or one user,
//! `U:U`; the first generation of the API names projects only.

use serde::{Deserialize, Serialize};

use super::Refusal;
use super::rights::ALL_PERMS;

/// The most circles that one experiment names.
pub const MAX_CIRCLES: usize = 50;

/// What a circle may do with an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the documentation: they are DETER's own")]
pub enum ExperimentRight {
    ReadExperiment,
    ModifyExperiment,
    ModifyExperimentAccess,
    /// Of the first generation, which lists the projects that may realize an experiment.
    RealizeExperiment,
}

use ExperimentRight::{ModifyExperiment, ModifyExperimentAccess, ReadExperiment, RealizeExperiment};

const ALL: [(ExperimentRight, &str); 4] = [
    (ReadExperiment, "READ_EXPERIMENT"),
    (ModifyExperiment, "MODIFY_EXPERIMENT"),
    (ModifyExperimentAccess, "MODIFY_EXPERIMENT_ACCESS"),
    (RealizeExperiment, "REALIZE_EXPERIMENT"),
];

impl ExperimentRight {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(right, _)| *right)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(right, _)| *right == self).map_or("", |(_, name)| name)
    }

    /// From their names, each once; [`ALL_PERMS`] stands for all.
    ///
    /// # Errors
    /// [`Refusal::Request`] where one is unknown.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, Refusal> {
        let mut rights = Vec::new();
        for name in names {
            match ALL.iter().find(|(_, known)| *known == name) {
                Some((right, _)) => rights.push(*right),
                None if name == ALL_PERMS => rights.extend(Self::all()),
                None => return Err(Refusal::request("Invalid permission")),
            }
        }
        rights.sort_unstable();
        rights.dedup();
        Ok(rights)
    }
}

/// A circle, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circle<'a>(pub &'a str);

impl<'a> Circle<'a> {
    /// Reads an id. Only circles of one project or one user are known: `x:x`.
    #[must_use]
    pub fn read(id: &'a str) -> Option<Self> {
        let half = id.len().checked_sub(1)? / 2;
        let (before, after) = (id.get(..half)?, id.get(half..)?);
        (!before.is_empty() && after.strip_prefix(':') == Some(before)).then_some(Self(before))
    }

    /// The id of the circle of a project or a user.
    #[must_use]
    pub fn id(of: &str) -> String {
        format!("{of}:{of}")
    }
}

/// Whose circle it is. It is settled when rights are given: a user who takes the name of a project later gets nothing of it,
/// nor does a project that takes the name of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CircleKind {
    /// That of a project: all members.
    Project,
    /// That of one user.
    User,
}

/// What one circle may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The circle.
    pub circle_id: String,
    /// Whose it is.
    pub kind: CircleKind,
    /// What its members may do.
    pub permissions: Vec<ExperimentRight>,
}

/// Who belongs to circles: what access lists are held against.
pub trait Circles {
    /// Whether there is a project of this name, and the user belongs to it.
    fn is_member(&self, project: &str, uid: &str) -> bool;

    /// Whether the user may realize experiments under a project.
    ///
    /// # Errors
    /// [`Refusal::Access`] where he may not, [`Refusal::Request`] where the project is not approved yet.
    fn may_realize(&self, project: &str, uid: &str) -> Result<(), Refusal>;
}

/// What a user may do by an access list.
pub fn granted(list: &[Access], uid: &str, circles: &dyn Circles) -> Vec<ExperimentRight> {
    let his = |entry: &&Access| {
        Circle::read(&entry.circle_id).is_some_and(|Circle(of)| match entry.kind {
            CircleKind::User => of == uid,
            CircleKind::Project => circles.is_member(of, uid),
        })
    };
    let mut rights: Vec<ExperimentRight> =
        list.iter().filter(his).flat_map(|entry| entry.permissions.iter().copied()).collect();
    rights.sort_unstable();
    rights.dedup();
    rights
}

/// Gives a circle other permissions; without any its entry goes.
///
/// # Errors
/// [`Refusal::Request`] where there would be too many.
pub fn set(
    list: &mut Vec<Access>,
    circle: &str,
    kind: CircleKind,
    permissions: Vec<ExperimentRight>,
) -> Result<(), Refusal> {
    let at = list.iter().position(|entry| entry.circle_id == circle && entry.kind == kind);
    match (at, permissions.is_empty()) {
        (Some(at), true) => drop(list.remove(at)),
        (Some(at), false) => list[at].permissions = permissions,
        (None, true) => {}
        (None, false) if list.len() >= MAX_CIRCLES => {
            return Err(Refusal::request(format!("at most {MAX_CIRCLES} circles are accepted")));
        }
        (None, false) => list.push(Access { circle_id: circle.to_owned(), kind, permissions }),
    }
    Ok(())
}

/// The projects whose members have a right, as the first generation lists them.
pub fn projects(list: &[Access], right: ExperimentRight) -> impl Iterator<Item = &str> {
    let with = list.iter().filter(move |entry| entry.kind == CircleKind::Project && entry.permissions.contains(&right));
    with.filter_map(|entry| Circle::read(&entry.circle_id).map(|Circle(of)| of))
}

/// Gives a right to the members of these projects, and to no others.
///
/// # Errors
/// As [`set`].
pub fn set_projects(list: &mut Vec<Access>, right: ExperimentRight, projects: &[String]) -> Result<(), Refusal> {
    let of_projects = list.iter().filter(|entry| entry.kind == CircleKind::Project);
    let others: Vec<String> = of_projects.map(|entry| entry.circle_id.clone()).collect();
    let wanted: Vec<String> = projects.iter().map(|project| Circle::id(project)).collect();
    let new = wanted.iter().filter(|circle| !others.contains(circle));
    for circle in others.iter().chain(new) {
        let held = list.iter().find(|entry| entry.kind == CircleKind::Project && entry.circle_id == *circle);
        let mut permissions = held.map(|entry| entry.permissions.clone()).unwrap_or_default();
        permissions.retain(|held| *held != right);
        if wanted.contains(circle) {
            permissions.push(right);
            permissions.sort_unstable();
        }
        set(list, circle, CircleKind::Project, permissions)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use CircleKind::{Project, User};

    struct Alfa;

    impl Circles for Alfa {
        fn is_member(&self, project: &str, uid: &str) -> bool {
            project == "Alfa" && uid == "john"
        }

        fn may_realize(&self, _: &str, _: &str) -> Result<(), Refusal> {
            Err(Refusal::Access)
        }
    }

    #[test]
    fn circles_are_those_of_projects_and_users_and_no_others() {
        assert_eq!(Circle::read("Alfa:Alfa"), Some(Circle("Alfa")));
        assert_eq!(Circle::read("a:b:a:b"), Some(Circle("a:b")));
        for none in ["", ":", "Alfa", "Alfa:Beta", "Alfa:", "ä:a", "AlfaxAlfa"] {
            assert_eq!(Circle::read(none), None, "{none}");
        }
    }

    #[test]
    fn members_have_what_their_circles_have() {
        let mut list = Vec::new();
        set(&mut list, "Alfa:Alfa", Project, vec![ReadExperiment]).unwrap();
        // A user who calls himself as the project does.
        assert_eq!(granted(&list, "Alfa", &Alfa), []);
        set(&mut list, "kim:kim", User, ExperimentRight::named(["ALL_PERMS"]).unwrap()).unwrap();
        assert_eq!(granted(&list, "john", &Alfa), [ReadExperiment]);
        assert_eq!(granted(&list, "kim", &Alfa).len(), 4);
        assert_eq!(granted(&list, "lee", &Alfa), []);
        set(&mut list, "kim:kim", User, Vec::new()).unwrap();
        assert_eq!((list.len(), granted(&list, "kim", &Alfa)), (1, vec![]));
        assert!(ExperimentRight::named(["READ"]).is_err());
        for n in 0..MAX_CIRCLES {
            let _ = set(&mut list, &Circle::id(&n.to_string()), User, vec![ReadExperiment]);
        }
        assert!(list.len() == MAX_CIRCLES && set(&mut list, "x:x", User, vec![ReadExperiment]).is_err());
    }

    proptest! {
        #[test]
        fn the_lists_of_the_first_generation_are_read_back_as_they_were_set(read in proptest::collection::btree_set("[a-c]", 0..3), write in proptest::collection::btree_set("[a-c]", 0..3)) {
            let (read, write): (Vec<String>, Vec<String>) = (read.into_iter().collect(), write.into_iter().collect());
            let mut list = Vec::new();
            set_projects(&mut list, ModifyExperiment, &read).unwrap();
            for (right, wanted) in [(ReadExperiment, &read), (ModifyExperiment, &write)] {
                set_projects(&mut list, right, wanted).unwrap();
            }
            for (right, wanted) in [(ReadExperiment, read), (ModifyExperiment, write)] {
                let mut found: Vec<&str> = projects(&list, right).collect();
                found.sort_unstable();
                prop_assert_eq!(found, wanted);
            }
            prop_assert!(list.iter().all(|entry| !entry.permissions.is_empty()));
        }
    }
}
