//! What people at DETER's testbed API cannot do to each other: fill lists, take over what was a namesake's, go on with numbers that are
//! over.

use mf2c_tests::eventually;
use serde_json::{Value, json};

use crate::deter_experiments::topdl;
use crate::lm_rest::{ADMIN, ask_as};
use crate::testbed::{Bed, PASSWORD, base64, each, el, one, said, within};

const OTHER: &str = "another long sentence";

fn vetting(uid: &str, project: &str) -> Vec<String> {
    vec![el("uid", uid), el("name", project), said("fields", "description", "fast cars")]
}

fn join(uid: &str, project: &str) -> Vec<String> {
    vec![el("uid", uid), el("projectName", project)]
}

fn experiment(bed: &Bed, uid: &str, name: &str) {
    let inside = [el("uid", uid), el("name", name), el("actions", &base64("wait"))];
    let _ = bed.done(uid, "Experiments", "createExperiment", &inside);
}

/// Deletes an account in CIMI, as its user or as an administrator.
fn delete(bed: &Bed, by: &str, uid: &str) -> (u16, String) {
    let answer = bed.agent().send_as(Some(by), "DELETE", &format!("user/{uid}"), None);
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

/// The numbers that set the password of a user now.
fn resets(bed: &Bed, uid: &str) -> Vec<String> {
    let filter = format!("callback?$filter=state='WAITING'%20and%20targetResource/href='user/{uid}'");
    let found = bed.admin("GET", &filter, None).expect(200).json();
    let ids = found["callbacks"].as_array().cloned().unwrap_or_default();
    ids.iter().map(|found| found["id"].as_str().unwrap().trim_start_matches("callback/").to_owned()).collect()
}

/// Asks for a number more; it.
fn asked_for_reset(bed: &Bed, uid: &str) -> String {
    let before = resets(bed, uid);
    let _ = bed.done("", "Users", "requestPasswordReset", &[el("uid", uid)]);
    let new: Vec<String> = resets(bed, uid).into_iter().filter(|number| !before.contains(number)).collect();
    assert_eq!(new.len(), 1, "{before:?}");
    new[0].clone()
}

#[track_caller]
fn worthless(bed: &Bed, number: &str) {
    let text = format!("no challenge with ID {number}");
    let set = [el("challengeID", number), el("newPass", OTHER)];
    bed.refused("", "Users", "changePasswordChallenge", &set, (2, &text));
}

#[test]
fn who_asks_again_is_not_heard_again_until_somebody_has_read_it() {
    let bed = Bed::start(&["ann", "kim"]);
    bed.project("ann", "Alfa");
    let told = |uid: &str, words: &str| {
        let unread = [el("uid", uid), el("onlyUnread", "true")];
        let unread = each(&bed.done(uid, "Users", "getNotifications", &unread), "body");
        unread.iter().filter(|text| text.contains(words)).count()
    };
    let read = |uid: &str| {
        let ids = each(&bed.done(uid, "Users", "getNotifications", &[el("uid", uid)]), "id");
        let ids = ids.iter().map(|id| el("ids", id));
        let all: Vec<String> = [el("uid", uid)].into_iter().chain(ids).collect();
        let _ = bed.done(uid, "Users", "markNotificationsRead", &all);
    };
    for _ in 0..3 {
        let _ = bed.done("kim", "Projects", "createVettingProject", &vetting("kim", "Fast"));
        let _ = bed.done("kim", "Projects", "requestJoin", &join("kim", "Alfa"));
    }
    assert_eq!((told("boss", "vetting project Fast"), told("ann", "asked to join")), (1, 1));
    let number = bed.challenge("ann");
    read("boss");
    read("ann");
    assert_eq!((told("boss", "Fast"), told("ann", "join")), (0, 0));
    // It stays open until the other administrators have seen it, too, or it is gone.
    let _ = bed.done("kim", "Projects", "createVettingProject", &vetting("kim", "Fast"));
    assert_eq!(told("boss", "vetting project Fast"), 0);
    let unread = bed.admin("GET", "notification?$filter=read=false%20and%20about%5E='vet%20'", None).expect(200).json();
    for message in unread["notifications"].as_array().unwrap() {
        let _ = bed.admin("DELETE", message["id"].as_str().unwrap(), None).expect(200);
    }
    let _ = bed.done("kim", "Projects", "createVettingProject", &vetting("kim", "Fast"));
    let _ = bed.done("kim", "Projects", "requestJoin", &join("kim", "Alfa"));
    assert_eq!((told("boss", "vetting project Fast"), told("ann", "asked to join")), (1, 1));
    // What was read goes on: the number is the same.
    assert_eq!(bed.challenge("ann"), number);
    let _ = bed.done("ann", "Projects", "joinProjectConfirm", &[el("challengeId", &number)]);
    assert_eq!(told("ann", "asked to join"), 0, "it is decided");
    let gone = [el("uid", "ann"), el("projectName", "Alfa"), el("removeUser", "kim")];
    let _ = bed.done("ann", "Projects", "removeUser", &gone);
    let _ = bed.done("kim", "Projects", "requestJoin", &join("kim", "Alfa"));
    assert_eq!(told("ann", "asked to join"), 1);
    // Members who add somebody again and again, too.
    for _ in 0..3 {
        let _ = bed.done("ann", "Projects", "addUsers", &[el("projectid", "Alfa"), el("uids", "boss")]);
    }
    assert_eq!(told("boss", "provisionally added"), 1);
}

#[test]
fn nobody_has_more_than_twenty_open_requests_or_pushes_out_what_others_wrote() {
    let bed = Bed::start(&["ann", "kim"]);
    bed.project("kim", "Alfa");
    let _ = bed.done("ann", "Projects", "requestJoin", &join("ann", "Alfa"));
    for number in 1..20 {
        let _ = bed.done("ann", "Projects", "createVettingProject", &vetting("ann", &format!("p{number}")));
    }
    let full = (2, "ann has 20 requests that nobody has read, and no more are accepted");
    bed.refused("ann", "Projects", "createVettingProject", &vetting("ann", "p20"), full);
    bed.project("kim", "Beta");
    bed.refused("ann", "Projects", "requestJoin", &join("ann", "Beta"), full);
    // Asked again it is what it was.
    let _ = bed.done("ann", "Projects", "createVettingProject", &vetting("ann", "p1"));
    let _ = bed.done("ann", "Projects", "requestJoin", &join("ann", "Alfa"));
    let flood: Vec<String> = (0..300).map(|_| el("users", "kim")).chain([el("text", "hear me")]).collect();
    let _ = bed.done("boss", "Users", "sendNotification", &flood);
    let kept = bed.notifications("kim");
    assert_eq!(kept.len(), 200);
    assert!(kept[0].contains("ann has asked to join your project Alfa"), "{}", kept[0]);
    // What the testbed itself tells finds room, and makes no more of it.
    let topology = base64(&topdl(&[("a", &[("exec", "/bin/true"), ("type", "mainframe")])]));
    let make = [el("uid", "kim"), el("name", "hopeless"), el("topology", &topology)];
    let _ = bed.done("kim", "Experiments", "createExperiment", &make);
    let realize = [el("eid", "kim:hopeless"), el("sendNotifications", "true")];
    let _ = bed.done("kim", "Experiments", "realizeExperiment", &realize);
    let told = "Experiment kim:hopeless could not be realized: Insufficient Resources";
    eventually("a notification", || bed.notifications("kim").iter().any(|text| text == told));
    assert_eq!(bed.notifications("kim").len(), 200);
}

#[test]
fn what_runs_for_a_user_is_released_before_he_goes_and_a_namesake_has_no_say_in_it() {
    let mut bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let add = [el("projectid", "Alfa"), el("uids", "john"), el("perms", "REALIZE_EXPERIMENT")];
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &add);
    let topology = base64(&topdl(&[("a", &[("exec", "/bin/sleep 600")])]));
    let lists = ["readProjects", "realizeProjects"].map(|list| el(list, "Alfa"));
    let make = [&[el("uid", "ann"), el("name", "run"), el("topology", &topology)][..], &lists].concat();
    let _ = bed.done("ann", "Experiments", "createExperiment", &make);
    let _ = bed.done("john", "Experiments", "realizeExperiment", &[el("eid", "ann:run")]);
    let _ = bed.becomes("ann", "ann:run", "Realized");
    let (status, text) = delete(&bed, ADMIN, "john");
    assert!(status == 409 && text.contains("owns what runs of experiment ann:run:"), "{text}");
    let _ = bed.done("ann", "Experiments", "releaseExperiment", &[el("eid", "ann:run")]);
    let _ = bed.becomes("ann", "ann:run", "Unrealized");
    assert_eq!(delete(&bed, ADMIN, "john").0, 200);
    bed.user("john", false);
    bed.sign_in("john");
    let experiments = bed.admin("GET", "experiment", None).expect(200).json();
    assert_eq!(experiments["experiments"][0]["realization"]["by"], "-");
    assert_eq!(bed.count("service") + bed.count("service-instance"), 0);
}

#[test]
fn who_owns_something_gives_it_away_before_he_goes_by_whichever_door() {
    let bed = Bed::start(&["ann", "kim"]);
    bed.project("ann", "Alfa");
    experiment(&bed, "ann", "hello");
    experiment(&bed, "kim", "world");
    let expected = "user/ann owns project Alfa, experiment ann:hello: give projects and experiments to somebody else first \
                    (`setOwner` at DETER's testbed API), and release and remove the others there";
    for by in [ADMIN, "ann USER"] {
        assert_eq!(delete(&bed, by, "ann"), (409, expected.to_owned()));
    }
    let _ = ask_as(bed.agent(), ADMIN, "DELETE", "/um/user", Some(&json!({"user_id": "ann"}))).expect(409);
    // Whoever may not delete her is not told what she owns.
    assert_eq!(delete(&bed, "kim USER", "ann").0, 403);
    let remove = |uid: &str| [el("uid", uid)];
    bed.refused("boss", "Users", "removeUser", &remove("ann"), (2, "ann owns project Alfa cannot remove"));
    bed.refused("boss", "Users", "removeUser", &remove("kim"), (2, "kim owns experiment kim:world cannot remove"));
    let _ = bed.done("boss", "Resources", "createComputer", &[el("uid", "kim"), el("name", "pc1"), el("type", "pc")]);
    let text = delete(&bed, ADMIN, "kim").1;
    assert!(text.contains("experiment kim:world, computer pc1:"), "{text}");
    let give = |uid: &str| [el("projectid", "Alfa"), el("uid", uid)];
    let _ = bed.done("ann", "Projects", "setOwner", &give("kim"));
    let _ = bed.done("ann", "Experiments", "setOwner", &[el("eid", "ann:hello"), el("uid", "kim")]);
    assert_eq!(delete(&bed, "ann USER", "ann").0, 200);
    assert_eq!(bed.admin("GET", "project/Alfa", None).json()["members"].as_array().unwrap().len(), 1);
}

#[test]
fn a_namesake_has_nothing_of_who_had_the_name_before() {
    let mut bed = Bed::start(&["ann", "john", "kim"]);
    for project in ["Alfa", "Beta", "Gamma"] {
        bed.project("ann", project);
    }
    let add = [el("projectid", "Alfa"), el("uids", "john"), el("perms", "ALL_PERMS")];
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &add);
    let _ = bed.done("ann", "Projects", "addUsers", &[el("projectid", "Gamma"), el("uids", "john")]);
    let invitation = bed.challenge("john");
    let _ = bed.done("john", "Projects", "requestJoin", &join("john", "Beta"));
    let request = bed.challenge("ann");
    let _ = bed.done("john", "Projects", "createVettingProject", &vetting("john", "Fast"));
    for name in ["hello", "world"] {
        experiment(&bed, "ann", name);
    }
    let acl = |eid: &str, circle: &str, right: &str| {
        [el("eid", eid), within("acl", &[el("circleId", circle), el("permissions", right)])]
    };
    let _ = bed.done("ann", "Experiments", "changeExperimentACL", &acl("ann:hello", "john:john", "MODIFY_EXPERIMENT"));
    let _ = bed.done("ann", "Experiments", "changeExperimentACL", &acl("ann:world", "Alfa:Alfa", "READ_EXPERIMENT"));
    let reset = asked_for_reset(&bed, "john");
    assert_eq!(delete(&bed, ADMIN, "john").0, 200);
    bed.user("john", false);
    bed.sign_in("john");
    let named: Vec<Value> = ["project", "experiment", "notification"]
        .into_iter()
        .map(|kind| bed.admin("GET", kind, None).expect(200).json())
        .filter(|found| found.to_string().contains("john"))
        .collect();
    assert!(named.is_empty(), "{named:?}");
    let seen = |service: &str, operation: &str| bed.done("john", service, operation, &[el("uid", "john")]);
    assert!(each(&seen("Projects", "viewProjects"), "projectId").is_empty());
    assert!(each(&seen("Experiments", "viewExperiments"), "experimentId").is_empty());
    assert!(bed.notifications("john").is_empty());
    let none = (2, "No such challenge outstanding");
    bed.refused("john", "Projects", "addUserConfirm", &[el("challengeId", &invitation)], none);
    bed.refused("ann", "Projects", "joinProjectConfirm", &[el("challengeId", &request)], none);
    worthless(&bed, &reset);
}

#[test]
fn numbers_that_set_a_password_are_worthless_once_it_was_set_in_any_way() {
    let bed = Bed::start(&["ann"]);
    let [first, second] = [asked_for_reset(&bed, "ann"), asked_for_reset(&bed, "ann")];
    let _ = bed.done("", "Users", "changePasswordChallenge", &[el("challengeID", &second), el("newPass", OTHER)]);
    worthless(&bed, &first);
    let number = asked_for_reset(&bed, "ann");
    let change = json!({"current-password": OTHER, "new-password": PASSWORD}).to_string();
    let _ = bed.agent().send_as(Some("ann USER"), "POST", "user/ann/change-password", Some(&change)).expect(200);
    worthless(&bed, &number);
    let number = asked_for_reset(&bed, "ann");
    let _ = bed.admin("PUT", "user/ann", Some(json!({ "password": OTHER }))).expect(200);
    worthless(&bed, &number);
    let number = asked_for_reset(&bed, "ann");
    let _ = bed.done("boss", "Users", "changePassword", &[el("uid", "ann"), el("newPass", PASSWORD)]);
    worthless(&bed, &number);
    // One that nothing has overtaken does what it is for.
    let number = asked_for_reset(&bed, "ann");
    let _ = bed.done("", "Users", "changePasswordChallenge", &[el("challengeID", &number), el("newPass", OTHER)]);
    worthless(&bed, &number);
}

#[test]
fn who_is_named_twice_is_asked_once_and_who_is_nobody_asks_for_nothing() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let add = [el("projectid", "Alfa"), el("uids", "john"), el("uids", "john")];
    let added = bed.done("ann", "Projects", "addUsers", &add);
    assert_eq!(each(&added, "success"), ["true", "false"]);
    assert!(added.contains("Uid john given twice"), "{added}");
    assert_eq!(bed.notifications("john").len(), 1);
    let _ = bed.done("john", "Projects", "addUserConfirm", &[el("challengeId", &bed.challenge("john"))]);
    let nobody = (2, "No such user ghost");
    bed.refused("boss", "Projects", "requestJoin", &join("ghost", "Alfa"), nobody);
    bed.refused("boss", "Projects", "joinProject", &[el("uid", "ghost"), el("projectid", "Alfa")], nobody);
    bed.refused("boss", "Projects", "createVettingProject", &vetting("ghost", "Fast"), nobody);
    let computer = [el("uid", "ghost"), el("name", "pc1"), el("type", "pc")];
    bed.refused("boss", "Resources", "createComputer", &computer, nobody);
    assert_eq!(
        one(&bed.done("boss", "Resources", "viewComputers", &[el("uid", "boss"), el("type", "pc")]), "name"),
        ""
    );
}
