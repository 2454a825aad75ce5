//! Computers and classes of computers: what the testbed says about them, and which projects may do what with them.

use serde::{Deserialize, Serialize};

use super::access::Circles;
use super::{Asker, Refusal, names};

/// The most projects of one list.
pub const MAX_PROJECTS: usize = 50;

/// Which projects may do what with a resource. A list that is absent says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectLists {
    /// Who may delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_delete: Option<Vec<String>>,
    /// Who may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_modify: Option<Vec<String>>,
    /// Who may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_use: Option<Vec<String>>,
    /// Who may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_read: Option<Vec<String>>,
}

/// What one may want to do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation: they are those of the lists")]
pub enum Deed {
    Delete,
    Modify,
    Use,
    Read,
}

impl ProjectLists {
    /// One of the lists.
    #[must_use]
    pub fn of(&self, deed: Deed) -> Option<&Vec<String>> {
        match deed {
            Deed::Delete => self.project_delete.as_ref(),
            Deed::Modify => self.project_modify.as_ref(),
            Deed::Use => self.project_use.as_ref(),
            Deed::Read => self.project_read.as_ref(),
        }
    }

    fn of_mut(&mut self, deed: Deed) -> &mut Option<Vec<String>> {
        match deed {
            Deed::Delete => &mut self.project_delete,
            Deed::Modify => &mut self.project_modify,
            Deed::Use => &mut self.project_use,
            Deed::Read => &mut self.project_read,
        }
    }

    /// All deeds, in the order in which the seed lists them.
    pub const DEEDS: [Deed; 4] = [Deed::Delete, Deed::Modify, Deed::Use, Deed::Read];

    /// These lists, and those of the class where there is none: lists of a computer take the place of its class's.
    #[must_use]
    pub fn or(&self, class: Option<&Self>) -> Self {
        let mut lists = Self::default();
        for deed in Self::DEEDS {
            *lists.of_mut(deed) = self.of(deed).or_else(|| class?.of(deed)).cloned();
        }
        lists
    }

    /// Takes over the lists that are given.
    pub fn take_over(&mut self, given: Self) {
        for deed in Self::DEEDS {
            if let Some(list) = given.of(deed) {
                *self.of_mut(deed) = Some(list.clone());
            }
        }
    }

    /// Takes a project out of all lists; whether it was in any.
    pub fn forget(&mut self, project: &str) -> bool {
        let mut found = false;
        for deed in Self::DEEDS {
            if let Some(list) = self.of_mut(deed) {
                let before = list.len();
                list.retain(|name| name != project);
                found |= list.len() != before;
            }
        }
        found
    }

    /// Whether a user belongs to a project that may do something.
    #[must_use]
    pub fn grants(&self, deed: Deed, uid: &str, circles: &dyn Circles) -> bool {
        self.of(deed).is_some_and(|list| list.iter().any(|project| circles.is_member(project, uid)))
    }

    /// All projects that are named.
    pub fn projects(&self) -> impl Iterator<Item = &String> {
        Self::DEEDS.into_iter().filter_map(|deed| self.of(deed)).flatten()
    }

    /// Checks the lists.
    ///
    /// # Errors
    /// [`Refusal::Request`] where one is too long, or names what `exists` does not know.
    pub fn check(&self, exists: impl Fn(&str) -> bool) -> Result<(), Refusal> {
        for deed in Self::DEEDS {
            let list = self.of(deed).map(Vec::as_slice).unwrap_or_default();
            if list.len() > MAX_PROJECTS {
                return Err(Refusal::request(format!("at most {MAX_PROJECTS} projects are accepted in a list")));
            }
            if let Some(unknown) = list.iter().find(|project| !exists(project)) {
                let shown: String = unknown.chars().take(names::MAX_NAME).collect();
                return Err(Refusal::request(format!("Invalid project {shown}")));
            }
        }
        Ok(())
    }
}

/// A computer, or a class of them where it has no name, as its document holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Computer {
    /// What it is called; a class has no name.
    #[serde(default, rename = "computerName", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The type of computer.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is.
    pub owner: String,
    /// What it is, for people; that of its class where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The device that it is: `device/...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which projects may do what with it.
    #[serde(flatten)]
    pub projects: ProjectLists,
}

impl Computer {
    /// What stands after the slash in the id of the document of a computer, or of a class where there is no name.
    #[must_use]
    pub fn local_name(name: Option<&str>, kind: &str) -> String {
        match name {
            Some(name) => format!("name-{}", names::local_name(name)),
            None => format!("class-{}", names::local_name(kind)),
        }
    }

    /// Checks names. A type is a name like others.
    ///
    /// # Errors
    /// [`Refusal::Request`].
    pub fn check(&self) -> Result<(), Refusal> {
        if self.name.as_deref().is_some_and(|name| !names::is_name(name)) {
            return Err(Refusal::request("Bad computer name"));
        }
        names::is_name(&self.kind).then_some(()).ok_or_else(|| Refusal::request("Bad computer type"))
    }

    /// Whether somebody may do something with it. Its owner and administrators may do everything; for others its own lists
    /// count, and those of its class where it has none.
    #[must_use]
    pub fn grants(&self, by: Asker<'_>, deed: Deed, class: Option<&Self>, circles: &dyn Circles) -> bool {
        let lists = self.projects.or(class.map(|class| &class.projects));
        by.admin || by.uid == self.owner || lists.grants(deed, by.uid, circles)
    }

    /// What it says of itself, or its class of it.
    #[must_use]
    pub fn description<'a>(&'a self, class: Option<&'a Self>) -> Option<&'a str> {
        self.description.as_deref().or_else(|| class?.description.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each user belongs to the project of his name.
    struct Namesakes;

    impl Circles for Namesakes {
        fn is_member(&self, project: &str, uid: &str) -> bool {
            project == uid
        }

        fn may_realize(&self, _: &str, _: &str) -> Result<(), Refusal> {
            Err(Refusal::Access)
        }
    }

    fn computer(name: Option<&str>, use_by: Option<&[&str]>) -> Computer {
        let list = use_by.map(|list| list.iter().map(|name| (*name).to_owned()).collect());
        let projects = ProjectLists { project_use: list, ..ProjectLists::default() };
        let name = name.map(str::to_owned);
        Computer { name, kind: "pc".to_owned(), owner: "root".to_owned(), projects, ..Computer::default() }
    }

    #[test]
    fn the_lists_of_a_class_count_where_a_computer_has_none() {
        let class = computer(None, Some(&["a"]));
        let uses = |computer: &Computer, uid| {
            computer.grants(Asker { uid, admin: false }, Deed::Use, Some(&class), &Namesakes)
        };
        let (plain, own, closed) =
            (computer(Some("x"), None), computer(Some("y"), Some(&["b"])), computer(Some("z"), Some(&[])));
        assert_eq!([uses(&plain, "a"), uses(&plain, "b")], [true, false]);
        assert_eq!([uses(&own, "a"), uses(&own, "b")], [false, true]);
        assert_eq!([uses(&closed, "a"), uses(&closed, "root")], [false, true]);
        assert!(!plain.grants(Asker { uid: "a", admin: false }, Deed::Use, None, &Namesakes));
        assert!(closed.grants(Asker { uid: "x", admin: true }, Deed::Delete, None, &Namesakes));
    }

    #[test]
    fn computers_and_classes_have_documents_of_their_own() {
        assert_eq!(Computer::local_name(Some("pc"), "pc"), "name-pc");
        assert_eq!(Computer::local_name(None, "pc"), "class-pc");
        assert!(computer(Some("<b>"), None).check().is_err() && computer(Some("pc23"), None).check().is_ok());
        let stored = serde_json::to_value(computer(Some("x"), Some(&["a"]))).unwrap();
        assert_eq!(stored["projectUse"], serde_json::json!(["a"]));
        assert_eq!(serde_json::from_value::<Computer>(stored).unwrap(), computer(Some("x"), Some(&["a"])));
    }

    #[test]
    fn lists_are_bounded_and_name_projects_that_are_there() {
        let mut lists = computer(None, Some(&["a", "b"])).projects;
        assert_eq!(lists.check(|name| name != "b"), Err(Refusal::request("Invalid project b")));
        assert_eq!(lists.check(|_| true), Ok(()));
        assert!(lists.forget("a") && !lists.forget("a"));
        assert_eq!(lists.projects().collect::<Vec<_>>(), ["b"]);
        lists.project_read = Some(vec!["b".to_owned(); MAX_PROJECTS + 1]);
        assert!(lists.check(|_| true).is_err());
    }

    proptest! {
        #[test]
        fn what_is_given_takes_the_place_of_what_was_and_the_rest_stays(before in proptest::option::of("[a-c]"), given in proptest::option::of("[a-c]")) {
            let list = |name: &Option<String>| name.clone().map(|name| vec![name]);
            let mut lists = ProjectLists { project_read: list(&before), ..ProjectLists::default() };
            lists.take_over(ProjectLists { project_read: list(&given), ..ProjectLists::default() });
            prop_assert_eq!(lists.project_read, list(&given.or(before)));
        }
    }
}
