//! Who belongs to projects, as it stands in their documents.

use std::cell::RefCell;
use std::collections::HashMap;

use mf2c_domain::testbed::access::Circles;
use mf2c_domain::testbed::computer::Computer;
use mf2c_domain::testbed::project::Project;
use mf2c_domain::testbed::rights::ProjectRight;
use mf2c_domain::testbed::{Asker, Refusal, names};
use mf2c_store::Store;

use super::shelf::read_in;
use crate::cimi::Api;

/// The id of a project's document.
pub(crate) fn project_id(name: &str) -> String {
    format!("project/{}", names::local_name(name))
}

/// The members of projects; each project is read once.
pub(crate) struct Members<'a> {
    store: &'a Store,
    known: RefCell<HashMap<String, Option<Project>>>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(api: &'a Api) -> Self {
        Self::of(&api.store)
    }

    pub(super) fn of(store: &'a Store) -> Self {
        Self { store, known: RefCell::default() }
    }

    /// Asks something of a project; none where there is none of this name.
    pub(crate) fn project<R>(&self, name: &str, ask: impl FnOnce(&Project) -> R) -> Option<R> {
        let mut known = self.known.borrow_mut();
        let project = known.entry(name.to_owned()).or_insert_with(|| {
            let held = read_in::<Project>(self.store, &project_id(name)).ok().flatten();
            held.map(|held| held.value).filter(|project| project.project_id == name)
        });
        project.as_ref().map(ask)
    }

    /// The class of a computer; a class has none.
    pub(crate) fn class_of(&self, computer: &Computer) -> Option<Computer> {
        let _ = computer.name.as_ref()?;
        let id = format!("computer/{}", Computer::local_name(None, &computer.kind));
        read_in::<Computer>(self.store, &id).ok().flatten().map(|held| held.value)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.project(name, |_| ()).is_some()
    }
}

impl Circles for Members<'_> {
    fn is_member(&self, project: &str, uid: &str) -> bool {
        self.project(project, |project| project.member(uid).is_some()).unwrap_or_default()
    }

    fn may_realize(&self, project: &str, uid: &str) -> Result<(), Refusal> {
        let may = self.project(project, |project| {
            let by = Asker { uid, admin: false };
            project.demand(by, &[ProjectRight::RealizeExperiment]).and_then(|()| project.demand_approval())
        });
        may.unwrap_or(Err(Refusal::Access))
    }
}
