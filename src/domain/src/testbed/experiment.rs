//! Experiments: who owns them, who may do what with them, and what they are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::{self, Access, Circle, Circles, ExperimentRight};
use super::aspect::{self, Aspect};
use super::names::ExperimentId;
use super::plan::{self, Planned};
use super::realization::Realization;
use super::rights::ProjectRight;
use super::{Asker, Refusal, topdl};

/// The aspects that the first generation of the API has fields for, besides the layout.
pub const FIELDS: [&str; 3] = ["actions", "constraints", "dataCollection"];

/// An experiment, as its document holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    /// `scope:name`.
    pub experiment_id: String,
    /// Whose it is.
    pub owner: String,
    /// Who has made it and given it away: it takes up his room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// What it is made of.
    #[serde(default)]
    pub aspects: Vec<Aspect>,
    /// Who else may do what with it.
    #[serde(default)]
    pub access: Vec<Access>,
    /// What its owner says of it.
    #[serde(default)]
    pub profile: BTreeMap<String, String>,
    /// What became of it when it was realized last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realization: Option<Realization>,
}

/// Whether somebody may make an experiment in a scope. His own name is a scope of his; a project's is one for members with the
/// right, once the project is approved of.
///
/// # Errors
/// [`Refusal::Access`], or [`Refusal::Request`] where the project is not approved yet.
pub fn demand_scope(
    by: Asker<'_>,
    owner: &str,
    id: &ExperimentId,
    project: Option<&super::project::Project>,
) -> Result<(), Refusal> {
    if !by.admin && owner != by.uid {
        return Err(Refusal::Access);
    }
    if id.scope == owner {
        return Ok(());
    }
    let project = project.ok_or(Refusal::Access)?;
    project.demand(by, &[ProjectRight::CreateExperiment])?;
    project.demand_approval()
}

impl Experiment {
    /// A new one, without anything.
    #[must_use]
    pub fn new(id: &ExperimentId, owner: &str) -> Self {
        Self {
            experiment_id: id.to_string(),
            owner: owner.to_owned(),
            made_by: None,
            aspects: Vec::new(),
            access: Vec::new(),
            profile: BTreeMap::new(),
            realization: None,
        }
    }

    /// Whose room it takes up.
    #[must_use]
    pub fn room_of(&self) -> &str {
        self.made_by.as_deref().unwrap_or(&self.owner)
    }

    /// Another user owns it from now on. It takes up the room of who made it, unless an administrator gives it.
    pub fn give_to(&mut self, new: &str, by_admin: bool) {
        let maker = self.made_by.take().unwrap_or_else(|| self.owner.clone());
        new.clone_into(&mut self.owner);
        self.made_by = Some(maker).filter(|maker| !by_admin && maker != new);
    }

    /// Its id in parts. Every experiment that is stored has one.
    #[must_use]
    pub fn id(&self) -> Option<ExperimentId> {
        ExperimentId::parse(&self.experiment_id).ok()
    }

    /// What somebody may do with it: its owner and administrators may do everything.
    #[must_use]
    pub fn rights_of(&self, by: Asker<'_>, circles: &dyn Circles) -> Vec<ExperimentRight> {
        if by.admin || by.uid == self.owner {
            return ExperimentRight::all().collect();
        }
        access::granted(&self.access, by.uid, circles)
    }

    /// Whether somebody may do something with it.
    ///
    /// # Errors
    /// [`Refusal::Access`].
    pub fn demand(&self, by: Asker<'_>, right: ExperimentRight, circles: &dyn Circles) -> Result<(), Refusal> {
        self.rights_of(by, circles).contains(&right).then_some(()).ok_or(Refusal::Access)
    }

    /// The project under which somebody realizes it; none where it is his own and no project is named. Its owner may, and
    /// members of a project that the experiment lists for it; which of them, `circle` may say. Its owner may name others, too.
    ///
    /// # Errors
    /// [`Refusal::Access`] where he may not, [`Refusal::Request`] where the project is not approved yet, or there is none.
    pub fn demand_realization(
        &self,
        by: Asker<'_>,
        circle: Option<&str>,
        circles: &dyn Circles,
    ) -> Result<Option<String>, Refusal> {
        let is_own = by.admin || by.uid == self.owner;
        if let Some(circle) = circle {
            let Circle(of) = Circle::read(circle).ok_or_else(|| Refusal::request("Invalid circle"))?;
            if of == by.uid && is_own {
                return Ok(None);
            }
            if !is_own {
                self.demand(by, ExperimentRight::ReadExperiment, circles)?;
                let listed = access::projects(&self.access, ExperimentRight::RealizeExperiment).any(|name| name == of);
                listed.then_some(()).ok_or(Refusal::Access)?;
            }
            if !by.admin {
                circles.may_realize(of, by.uid)?;
            }
            return Ok(Some(of.to_owned()));
        }
        let mut refused = Refusal::Access;
        for project in access::projects(&self.access, ExperimentRight::RealizeExperiment) {
            match circles.may_realize(project, by.uid) {
                Ok(()) => return Ok(Some(project.to_owned())),
                Err(refusal @ Refusal::Request(_)) => refused = refusal,
                Err(_) => {}
            }
        }
        if is_own { Ok(None) } else { Err(refused) }
    }

    /// What is to run when it is realized.
    ///
    /// # Errors
    /// [`Refusal::Request`] where its layout does not say it.
    pub fn plan(&self) -> Result<Vec<Planned>, Refusal> {
        let id = self.id().ok_or_else(|| Refusal::request("Bad Experiment name"))?;
        let none = || Refusal::request(format!("{id} has no layout"));
        let layout = aspect::first(&self.aspects, aspect::LAYOUT).and_then(Aspect::bytes).ok_or_else(none)?;
        let layout = topdl::read(&layout).map_err(|error| Refusal::request(format!("Bad layout: {error}")))?;
        plan::plan(&id, &layout)
    }

    /// What it needs, by its layout: names and types of computers and networks.
    #[must_use]
    pub fn resources(&self) -> Vec<(String, &'static str)> {
        let layout = aspect::first(&self.aspects, aspect::LAYOUT).and_then(Aspect::bytes);
        let layout = layout.and_then(|layout| topdl::read(&layout).ok()).unwrap_or_default();
        let computers = layout.computers.into_iter().map(|computer| (computer.name, "computer"));
        computers.chain(layout.substrates.into_iter().map(|name| (name, "network"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::access::CircleKind;
    use crate::testbed::aspect::Sent;
    use crate::testbed::project::Project;
    use crate::testbed::rights::Rights;

    const ANN: Asker<'static> = Asker { uid: "ann", admin: false };
    const JOHN: Asker<'static> = Asker { uid: "john", admin: false };
    const ROOT: Asker<'static> = Asker { uid: "root", admin: true };

    struct Alfa;

    impl Circles for Alfa {
        fn is_member(&self, project: &str, uid: &str) -> bool {
            project == "Alfa" && uid == "john"
        }

        fn may_realize(&self, project: &str, uid: &str) -> Result<(), Refusal> {
            match (project, self.is_member(project, uid)) {
                ("Beta", _) => Err(Refusal::request("Project is not yet approved")),
                (_, is_member) => is_member.then_some(()).ok_or(Refusal::Access),
            }
        }
    }

    fn experiment() -> Experiment {
        Experiment::new(&ExperimentId::new("Alfa", "Hello").unwrap(), "ann")
    }

    #[test]
    fn the_owner_may_do_everything_and_others_what_the_list_gives_them() {
        let mut experiment = experiment();
        assert_eq!(experiment.rights_of(ANN, &Alfa).len(), 4);
        assert_eq!(experiment.rights_of(ROOT, &Alfa).len(), 4);
        assert_eq!(experiment.demand(JOHN, ExperimentRight::ReadExperiment, &Alfa), Err(Refusal::Access));
        let read = vec![ExperimentRight::ReadExperiment];
        access::set(&mut experiment.access, "Alfa:Alfa", CircleKind::Project, read).unwrap();
        assert_eq!(experiment.demand(JOHN, ExperimentRight::ReadExperiment, &Alfa), Ok(()));
        assert_eq!(experiment.demand(JOHN, ExperimentRight::RealizeExperiment, &Alfa), Err(Refusal::Access));
    }

    #[test]
    fn the_owner_realizes_it_and_members_of_a_project_that_may() {
        let mut experiment = experiment();
        let realize = |experiment: &Experiment, by, circle| experiment.demand_realization(by, circle, &Alfa);
        assert_eq!(realize(&experiment, ANN, None), Ok(None));
        assert_eq!(realize(&experiment, ANN, Some("ann:ann")), Ok(None));
        assert_eq!(realize(&experiment, ANN, Some("Alfa:Alfa")), Err(Refusal::Access));
        assert_eq!(realize(&experiment, ROOT, Some("Alfa:Alfa")), Ok(Some("Alfa".to_owned())));
        assert_eq!(realize(&experiment, JOHN, None), Err(Refusal::Access));
        assert_eq!(realize(&experiment, JOHN, Some("Alfa:Alfa")), Err(Refusal::Access));
        let set = |experiment: &mut Experiment, right, project: &str| {
            access::set_projects(&mut experiment.access, right, &[project.to_owned()]).unwrap();
        };
        set(&mut experiment, ExperimentRight::ReadExperiment, "Alfa");
        assert_eq!(realize(&experiment, JOHN, Some("Alfa:Alfa")), Err(Refusal::Access));
        set(&mut experiment, ExperimentRight::RealizeExperiment, "Alfa");
        assert_eq!(realize(&experiment, JOHN, Some("Alfa:Alfa")), Ok(Some("Alfa".to_owned())));
        assert_eq!(realize(&experiment, JOHN, None), Ok(Some("Alfa".to_owned())));
        set(&mut experiment, ExperimentRight::RealizeExperiment, "Beta");
        assert_eq!(realize(&experiment, JOHN, None), Err(Refusal::request("Project is not yet approved")));
    }

    #[test]
    fn a_scope_is_ones_own_name_or_an_approved_project_with_the_right() {
        let (own, alfa) = (ExperimentId::new("john", "x").unwrap(), ExperimentId::new("Alfa", "x").unwrap());
        let mut project = Project::new("Alfa", "ann", BTreeMap::new());
        let of = |by, id: &ExperimentId, project: Option<&Project>| demand_scope(by, by.uid, id, project);
        assert_eq!(of(JOHN, &own, None), Ok(()));
        assert_eq!(demand_scope(JOHN, "ann", &own, None), Err(Refusal::Access));
        assert_eq!(of(JOHN, &alfa, None), Err(Refusal::Access));
        assert_eq!(of(JOHN, &alfa, Some(&project)), Err(Refusal::Access));
        assert_eq!(of(ANN, &alfa, Some(&project)), Err(Refusal::request("Project is not yet approved")));
        project.approve(ROOT, true).unwrap();
        let _ = project.add("john", Rights::named(["CREATE_EXPERIMENT"]).unwrap());
        assert_eq!((of(ANN, &alfa, Some(&project)), of(JOHN, &alfa, Some(&project))), (Ok(()), Ok(())));
    }

    #[test]
    fn what_is_to_run_follows_from_the_first_layout() {
        let mut experiment = experiment();
        assert_eq!(experiment.plan(), Err(Refusal::request("Alfa:Hello has no layout")));
        let topdl = "<experiment><substrates><name>lan</name></substrates><elements><computer><name>a</name>\
            <attribute><attribute>image</attribute><value>nginx</value></attribute></computer></elements></experiment>";
        let sent = Sent { kind: Some("layout".to_owned()), data: Some(topdl.into()), ..Sent::default() };
        assert!(aspect::add(&mut experiment.aspects, sent).success());
        assert_eq!(experiment.plan().unwrap()[0].name, "a");
        assert_eq!(experiment.resources(), [("a".to_owned(), "computer"), ("lan".to_owned(), "network")]);
        let stored = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&stored).unwrap(), experiment);
    }
}
