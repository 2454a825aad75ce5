//! What follows when a user goes: nobody who is given his name later has anything that was his.

use serde_json::{Map, Value};

use super::access::{Circle, CircleKind};
use super::experiment::Experiment;
use super::project::Project;
use crate::acl::{Acl, PrincipalKind, Rule};

/// The types whose documents have an owner who gives them away, or removes them, before he goes; in the order in which they are
/// told.
pub const OWNED: [&str; 3] = ["project", "experiment", "computer"];

/// Who has realized an experiment and is gone: no user has this name.
pub const GONE: &str = "-";

/// What people call a document of one of these types: `project Alfa`.
#[must_use]
pub fn called(kind: &str, body: &Map<String, Value>) -> String {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let name = match kind {
        "project" => text("projectId"),
        "experiment" => text("experimentId"),
        _ => match text("computerName") {
            Some(name) => Some(name),
            None => return format!("class {}", text("type").unwrap_or_default()),
        },
    };
    format!("{kind} {}", name.unwrap_or_default())
}

impl Project {
    /// Takes a user out: his membership and what is open for him. The owner stays: he gives the project away first. Whether he
    /// was in it.
    pub fn part_with(&mut self, uid: &str) -> bool {
        let before = (self.members.len(), self.challenges.len());
        let has_made = stays_with(&self.owner, &mut self.made_by, uid);
        let owner = &self.owner;
        self.members.retain(|member| member.uid != uid || member.uid == *owner);
        self.challenges.retain(|challenge| challenge.uid != uid);
        has_made || before != (self.members.len(), self.challenges.len())
    }
}

impl Experiment {
    /// Takes the circle of a user out, what he was to be told, and that he has made or realized it. Whether there was any.
    pub fn part_with(&mut self, uid: &str) -> bool {
        let circle = Circle::id(uid);
        let before = self.access.len();
        self.access.retain(|entry| entry.kind != CircleKind::User || entry.circle_id != circle);
        let told = self.realization.as_mut().and_then(|realization| realization.notify.take_if(|told| told == uid));
        let has_run = self.realization.as_mut().filter(|realization| realization.by == uid);
        let has_run = has_run.map(|realization| GONE.clone_into(&mut realization.by)).is_some();
        let has_made = stays_with(&self.owner, &mut self.made_by, uid);
        has_run || has_made || told.is_some() || before != self.access.len()
    }
}

/// What has taken up the room of its maker takes up that of its owner when the maker goes. Whether this one has made it.
fn stays_with(owner: &str, made_by: &mut Option<String>, uid: &str) -> bool {
    let is_his = made_by.as_deref() == Some(uid);
    if is_his {
        *made_by = Some(owner.to_owned());
    }
    is_his
}

/// The list without a user; none where he is not in it.
#[must_use]
pub fn list_without(acl: &Acl, uid: &str) -> Option<Acl> {
    let is_his = |rule: &&Rule| rule.kind == PrincipalKind::User && rule.principal == uid;
    let his = acl.rules().iter().any(|rule| is_his(&rule));
    let kept = acl.rules().iter().filter(|rule| !is_his(rule)).cloned().collect();
    his.then(|| Acl::new(acl.owner.clone(), kept))
}

/// What changes in a document of the testbed when a user goes; none where nothing does, or the document cannot be read.
#[must_use]
pub fn changes(kind: &str, body: &[u8], acl: &Acl, uid: &str) -> Option<Map<String, Value>> {
    let mut changes = match kind {
        "project" => {
            let mut project: Project = serde_json::from_slice(body).ok()?;
            let is_in = project.part_with(uid);
            picked(serde_json::to_value(project).ok()?, &["members", "challenges", "madeBy"], is_in)
        }
        "experiment" => {
            let mut experiment: Experiment = serde_json::from_slice(body).ok()?;
            let is_in = experiment.part_with(uid);
            picked(serde_json::to_value(experiment).ok()?, &["access", "realization", "madeBy"], is_in)
        }
        _ => Map::new(),
    };
    if let Some(acl) = list_without(acl, uid) {
        let _ = changes.insert("acl".to_owned(), serde_json::to_value(acl).ok()?);
    }
    (!changes.is_empty()).then_some(changes)
}

fn picked(document: Value, names: &[&str], wanted: bool) -> Map<String, Value> {
    let Value::Object(mut document) = document else { return Map::new() };
    let named = names.iter().filter(|_| wanted);
    named.filter_map(|name| document.remove_entry(*name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::acl::{Principal, Right};
    use crate::testbed::access::{self, ExperimentRight};
    use crate::testbed::names::ExperimentId;
    use crate::testbed::project::ChallengeKind;
    use crate::testbed::rights::Rights;
    use crate::time::Timestamp;

    fn list(users: &[&str]) -> Acl {
        Acl::new(Principal::role("ADMIN"), users.iter().map(|uid| Rule::user(uid, Right::View)).collect()).with_admin()
    }

    #[test]
    fn a_project_parts_with_members_and_with_who_wants_to_be_one_and_not_with_its_owner() {
        let mut project = Project::new("Alfa", "ann", BTreeMap::new());
        let _ = project.add("john", Rights::all());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let _ = project.challenge(7, ChallengeKind::Join, "kim", Rights::default(), now).unwrap();
        let body = serde_json::to_vec(&project).unwrap();
        let of_john = changes("project", &body, &list(&["ann", "john"]), "john").unwrap();
        assert_eq!(of_john["members"].as_array().unwrap().len(), 1);
        assert_eq!(of_john["acl"], serde_json::to_value(list(&["ann"])).unwrap());
        let of_kim = changes("project", &body, &list(&["ann"]), "kim").unwrap();
        assert_eq!((of_kim["challenges"].clone(), of_kim.contains_key("acl")), (json!([]), false));
        assert_eq!(changes("project", &body, &list(&["john"]), "ann"), None);
        assert!(project.part_with("john") && !project.part_with("john"));
    }

    #[test]
    fn an_experiment_parts_with_the_circle_of_a_user_and_not_with_that_of_a_project_of_his_name() {
        let mut experiment = Experiment::new(&ExperimentId::new("ann", "x").unwrap(), "ann");
        let read = || vec![ExperimentRight::ReadExperiment];
        access::set(&mut experiment.access, "kim:kim", CircleKind::User, read()).unwrap();
        access::set(&mut experiment.access, "kim:kim", CircleKind::Project, read()).unwrap();
        let body = serde_json::to_vec(&experiment).unwrap();
        let changed = changes("experiment", &body, &list(&[]), "kim").unwrap();
        assert_eq!(changed["access"].as_array().unwrap().len(), 1);
        assert_eq!(changed["access"][0]["kind"], "project");
        assert_eq!(changes("experiment", &body, &list(&[]), "john"), None);
        assert_eq!(changes("image", b"", &list(&["kim"]), "kim").unwrap().len(), 1);
    }

    #[test]
    fn what_is_owned_is_called_as_its_owner_knows_it() {
        let called = |kind: &str, body: Value| called(kind, body.as_object().unwrap());
        assert_eq!(called("project", json!({"projectId": "Alfa", "name": "x"})), "project Alfa");
        assert_eq!(called("experiment", json!({"experimentId": "ann:hello"})), "experiment ann:hello");
        assert_eq!(called("computer", json!({"computerName": "pc23", "type": "pc"})), "computer pc23");
        assert_eq!(called("computer", json!({"type": "pc"})), "class pc");
    }
}
