//! Who sees documents of the testbed elsewhere, as in CIMI: their access lists follow from their owners and from the members of the
//! projects that they name. The services themselves ask the documents, not these lists.

use std::collections::BTreeSet;

use mf2c_domain::acl::{Acl, MAX_RULES, Principal, Right, Rule};
use mf2c_domain::testbed::access::{Circle, CircleKind, ExperimentRight};
use mf2c_domain::testbed::computer::{Computer, Deed, ProjectLists};
use mf2c_domain::testbed::experiment::Experiment;
use mf2c_domain::testbed::image::Image;
use mf2c_domain::testbed::project::Project;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::circles::Members;
use super::shelf::{Held, all, edit};
use crate::cimi::Api;
use crate::deter::fault::Fault;

/// What of the testbed is seen by those who belong to projects.
pub(crate) trait Sight: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static {
    /// The type of the documents.
    const KIND: &'static str;

    /// Who sees it.
    fn seers(&self, members: &Members<'_>) -> BTreeSet<String>;

    /// Whether it names a project.
    fn names(&self, project: &str) -> bool;

    /// Takes a project out of it.
    fn forget(&mut self, project: &str);
}

/// The list for these users: an access list has room for so many. Who has no place sees the document by the services alone.
pub(crate) fn see(users: &BTreeSet<String>) -> Acl {
    let rules: Vec<Rule> = users.iter().take(MAX_RULES).map(|uid| Rule::user(uid, Right::View)).collect();
    Acl::new(Principal::role("ADMIN"), rules)
}

/// The list of a document.
pub(crate) fn seen_by<T: Sight>(api: &Api, value: &T) -> Acl {
    see(&value.seers(&Members::new(api)))
}

fn members_of(members: &Members<'_>, project: &str, into: &mut BTreeSet<String>) {
    let _ = members.project(project, |project| into.extend(project.members.iter().map(|member| member.uid.clone())));
}

/// The owner comes first: a list that is full has him.
fn with_projects<'p>(owner: &str, projects: impl Iterator<Item = &'p str>, members: &Members<'_>) -> BTreeSet<String> {
    let mut seers = BTreeSet::new();
    projects.for_each(|project| members_of(members, project, &mut seers));
    let _ = seers.remove(owner);
    let mut kept: BTreeSet<String> = seers.into_iter().take(MAX_RULES - 1).collect();
    let _ = kept.insert(owner.to_owned());
    kept
}

impl Sight for Project {
    const KIND: &'static str = "project";

    fn seers(&self, _: &Members<'_>) -> BTreeSet<String> {
        let others = self.members.iter().map(|member| member.uid.clone()).filter(|uid| *uid != self.owner);
        others.take(MAX_RULES - 1).chain([self.owner.clone()]).collect()
    }

    fn names(&self, _: &str) -> bool {
        false
    }

    fn forget(&mut self, _: &str) {}
}

impl Sight for Experiment {
    const KIND: &'static str = "experiment";

    fn seers(&self, members: &Members<'_>) -> BTreeSet<String> {
        let reading = self.access.iter().filter(|entry| entry.permissions.contains(&ExperimentRight::ReadExperiment));
        let of = |kind: CircleKind| {
            let circles = reading.clone().filter(move |entry| entry.kind == kind);
            circles.filter_map(|entry| Circle::read(&entry.circle_id).map(|Circle(of)| of))
        };
        let mut seers = with_projects(&self.owner, of(CircleKind::Project), members);
        seers.extend(of(CircleKind::User).map(str::to_owned));
        seers
    }

    fn names(&self, project: &str) -> bool {
        let circle = Circle::id(project);
        self.access.iter().any(|entry| entry.kind == CircleKind::Project && entry.circle_id == circle)
    }

    fn forget(&mut self, project: &str) {
        let circle = Circle::id(project);
        self.access.retain(|entry| entry.kind != CircleKind::Project || entry.circle_id != circle);
    }
}

fn readers(lists: &ProjectLists) -> impl Iterator<Item = &str> {
    lists.of(Deed::Read).into_iter().flatten().map(String::as_str)
}

impl Sight for Computer {
    const KIND: &'static str = "computer";

    fn seers(&self, members: &Members<'_>) -> BTreeSet<String> {
        let class = members.class_of(self);
        let lists = self.projects.or(class.as_ref().map(|class| &class.projects));
        with_projects(&self.owner, readers(&lists), members)
    }

    /// One without a list of its own is seen by those whom its class names.
    fn names(&self, project: &str) -> bool {
        self.projects.of(Deed::Read).is_none() || self.projects.projects().any(|named| named == project)
    }

    fn forget(&mut self, project: &str) {
        let _ = self.projects.forget(project);
    }
}

impl Sight for Image {
    const KIND: &'static str = "image";

    fn seers(&self, members: &Members<'_>) -> BTreeSet<String> {
        with_projects(&self.owner, readers(&self.projects), members)
    }

    fn names(&self, project: &str) -> bool {
        self.projects.projects().any(|named| named == project)
    }

    fn forget(&mut self, project: &str) {
        let _ = self.projects.forget(project);
    }
}

/// Brings the lists up to date after the members of a project have changed; where it is about to go, it is taken out of
/// everything that names it, so that nobody who takes its name later gets what it had.
pub(crate) async fn refresh_after(api: &Api, project: &str, is_going: bool) -> Result<(), Fault> {
    refresh::<Experiment>(api, project, is_going).await?;
    refresh::<Computer>(api, project, is_going).await?;
    refresh::<Image>(api, project, is_going).await
}

/// Brings the lists of the computers of a type up to date after their class has changed.
pub(crate) async fn refresh_class(api: &Api, kind: &str) -> Result<(), Fault> {
    let of_kind = |held: &Held<Computer>| held.value.name.is_some() && held.value.kind == kind;
    for held in all::<Computer>(api, Computer::KIND).await?.into_iter().filter(of_kind) {
        edit::<Computer, ()>(api, held.document.id.as_str(), |_| Ok(()), |value| seen_by(api, value)).await?;
    }
    Ok(())
}

async fn refresh<T: Sight>(api: &Api, project: &str, is_going: bool) -> Result<(), Fault> {
    for held in all::<T>(api, T::KIND).await?.into_iter().filter(|held| held.value.names(project)) {
        let change = |value: &mut T| {
            if is_going {
                value.forget(project);
            }
            Ok(())
        };
        edit::<T, ()>(api, held.document.id.as_str(), change, |value| seen_by(api, value)).await?;
    }
    Ok(())
}
