//! Who cannot come by rights at the door of DETER's testbed API that nobody has given him.

use serde_json::json;

use crate::testbed::{Bed, base64, el, one, within};

fn access(circle: &str, permissions: &[&str]) -> String {
    let mut inside = vec![el("circleId", circle)];
    inside.extend(permissions.iter().map(|permission| el("permissions", permission)));
    within("acl", &inside)
}

fn experiment(bed: &Bed, uid: &str, name: &str) {
    let inside = [el("uid", uid), el("name", name), el("actions", &base64("wait"))];
    let _ = bed.done(uid, "Experiments", "createExperiment", &inside);
}

fn seen(bed: &Bed, uid: &str) -> String {
    bed.done(uid, "Experiments", "viewExperiments", &[el("uid", uid)])
}

#[test]
fn nobody_has_the_circle_of_a_user_by_a_project_of_that_name() {
    let bed = Bed::start(&["ann", "john", "kim"]);
    let make = [el("uid", "ann"), el("name", "john")];
    bed.refused("ann", "Projects", "createProject", &make, (2, "Project name conflict on john"));
    experiment(&bed, "kim", "secret");
    let give = [el("eid", "kim:secret"), access("john:john", &["ALL_PERMS"])];
    let _ = bed.done("kim", "Experiments", "changeExperimentACL", &give);
    assert!(seen(&bed, "john").contains("kim:secret") && !seen(&bed, "ann").contains("kim:secret"));
}

#[test]
fn who_may_read_or_write_an_experiment_may_neither_run_it_nor_give_himself_more() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("john", "Johns");
    experiment(&bed, "ann", "hello");
    let give = [el("eid", "ann:hello"), access("Johns:Johns", &["READ_EXPERIMENT", "MODIFY_EXPERIMENT"])];
    let _ = bed.done("ann", "Experiments", "changeExperimentACL", &give);
    let denied = (1, "Access denied");
    let realize = [el("uid", "john"), el("eid", "ann:hello"), el("cid", "Johns:Johns")];
    bed.refused("john", "Experiments", "realizeExperiment", &realize, denied);
    let hello = [el("uid", "john"), el("owner", "ann"), el("name", "hello")];
    let write = |more: String| [&hello[..], &[more]].concat();
    bed.refused("john", "Experiments", "modifyExperiment", &write(el("realizeProjects", "Johns")), denied);
    let _ = bed.done("john", "Experiments", "modifyExperiment", &write(el("actions", &base64("go"))));
}

#[test]
fn who_adds_members_gives_them_no_rights_that_he_has_not() {
    let bed = Bed::start(&["ann", "kim", "john"]);
    bed.project("ann", "Alfa");
    let add = [el("projectid", "Alfa"), el("uids", "kim"), el("perms", "ADD_USER")];
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &add);
    let add = |right: &str| [el("projectid", "Alfa"), el("uids", "john"), el("perms", right)];
    bed.refused("kim", "Projects", "addUsers", &add("ALL_PERMS"), (1, "Access denied"));
    let _ = bed.done("kim", "Projects", "addUsers", &add("ADD_USER"));
}

#[test]
fn a_new_password_ends_what_was_signed_in_with_the_old_one() {
    let bed = Bed::start(&["ann"]);
    let change = [el("uid", "ann"), el("newPass", "another long sentence")];
    assert_eq!(one(&bed.done("ann", "Users", "getUserProfile", &[el("uid", "ann")]), "id"), "ann");
    let sessions = || bed.admin("GET", "testbed-session?$filter=user='ann'", None).expect(200).json()["count"].clone();
    let revoked = || bed.admin("GET", "certificate?$filter=state='REVOKED'", None).expect(200).json()["count"].clone();
    assert_eq!((sessions(), revoked()), (1.into(), 0.into()));
    let _ = bed.done("boss", "Users", "changePassword", &change);
    assert_eq!((sessions(), revoked()), (0.into(), 1.into()));
}

#[test]
fn what_is_given_away_goes_on_counting_for_who_made_it() {
    let bed = Bed::start(&["ann", "john"]);
    for number in 0..100 {
        let _ = bed.done("john", "Projects", "createProject", &[el("uid", "john"), el("name", &format!("p{number}"))]);
    }
    let text = "there are too many projects: 10000 in all and 100 of one owner are accepted";
    let make = |uid: &str| [el("uid", uid), el("name", "more")];
    let give = |uid: &str, name: &str, to: &str| [el("uid", uid), el("projectName", name), el("newOwner", to)];
    // He has no room for more when he has given one away, and takes none of the others'.
    let _ = bed.done("john", "Projects", "setOwner", &give("john", "p0", "ann"));
    bed.refused("john", "Projects", "createProject", &make("john"), (2, text));
    let _ = bed.done("ann", "Projects", "createProject", &make("ann"));
    let _ = bed.done("ann", "Projects", "setOwner", &give("ann", "more", "john"));
    // What an administrator gives is the new owner's.
    bed.refused("boss", "Projects", "setOwner", &give("boss", "more", "john"), (2, text));
    let _ = bed.done("boss", "Projects", "setOwner", &give("boss", "p0", "ann"));
    let _ = bed.done("boss", "Projects", "setOwner", &give("boss", "more", "john"));
    // And nobody gets anything who cannot sign in.
    let barred = json!({ "state": "SUSPENDED" });
    let _ = bed.admin("PUT", "user/ann", Some(barred)).expect(200);
    bed.refused("john", "Projects", "setOwner", &give("john", "p1", "ann"), (2, "No such user ann"));
}
