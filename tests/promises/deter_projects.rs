//! Projects at the door of DETER's testbed API: vectors T-25 to T-32 of the facades specification.

use crate::testbed::{Bed, each, el, one, said, within};

fn profile() -> String {
    said("profile", "description", "cars")
}

fn id(name: &str) -> String {
    el("projectid", name)
}

/// The member's part of what is told of the only project in a reply.
fn member(reply: &str, uid: &str) -> String {
    let found = each(reply, "members").into_iter().find(|member| one(member, "uid") == uid);
    found.unwrap_or_else(|| panic!("{uid} is no member: {reply}"))
}

#[test]
fn a_project_waits_for_approval_and_administrators_hear_of_it() {
    let bed = Bed::start(&["ann", "john"]);
    let made = [id("Alfa-Romeo"), el("owner", "ann"), profile()];
    // T-25.
    assert_eq!(one(&bed.done("ann", "Projects", "createProject", &made), "return"), "true");
    bed.refused("ann", "Projects", "createProject", &made, (2, "Project name conflict on Alfa-Romeo"));
    assert!(bed.notifications("boss").iter().any(|text| text.contains("ann") && text.contains("Alfa-Romeo")));
    for (inside, text) in [
        (vec![id("Beta"), el("owner", "ann")], "No profile passed to profiled object!"),
        (vec![id("Beta"), profile()], "owner is required"),
        (vec![id("<b>Beta</b>"), el("owner", "ann"), profile()], "Invalid projectid"),
        (vec![id("../Beta"), el("owner", "ann"), profile()], "Invalid projectid"),
        (vec![el("owner", "ann")], "projectid is required"),
    ] {
        bed.refused("ann", "Projects", "createProject", &inside, (2, text));
    }
    bed.refused(
        "ann",
        "Projects",
        "createProject",
        &[id("Beta"), el("owner", "john"), profile()],
        (1, "Access denied"),
    );
    // T-26.
    let add = [id("Alfa-Romeo"), el("uids", "john")];
    bed.refused("ann", "Projects", "addUsers", &add, (2, "Project is not yet approved"));
    let approve = [id("Alfa-Romeo"), el("approved", "true")];
    bed.refused("ann", "Projects", "approveProject", &approve, (1, "Access denied"));
    assert_eq!(one(&bed.done("boss", "Projects", "approveProject", &approve), "return"), "true");
    bed.refused("boss", "Projects", "approveProject", &approve, (2, "Project already approved"));
    // Validity comes first, then approval, then whether anybody is named, then who may.
    bed.refused("john", "Projects", "addUsers", &[id("None"), el("uids", "john")], (2, "Invalid projectid"));
    bed.refused("john", "Projects", "addUsers", &[el("uids", "john")], (2, "Projectid required"));
    bed.refused("john", "Projects", "addUsers", &[id("Alfa-Romeo")], (2, "Missing uids"));
    bed.refused("john", "Projects", "addUsers", &add, (1, "Access denied"));
    // What is stored is seen in CIMI by its members, without challenges, and made by nobody there.
    let seen = bed.cimi("ann", "project/Alfa-Romeo").expect(200).json();
    assert!(seen["approved"] == true && seen.get("challenges").is_none(), "{seen}");
    let _ = bed.cimi("john", "project/Alfa-Romeo").expect(403);
    let _ = bed.agent().send_as(Some("ann USER"), "POST", "project", Some("{}")).expect(405);
}

#[test]
fn users_are_asked_or_ask_and_somebody_confirms_it() {
    let bed = Bed::start(&["ann", "john", "kim"]);
    bed.project("ann", "Alfa-Romeo");
    // T-27.
    let add = [id("Alfa-Romeo"), el("uids", "john"), el("uids", "nobody"), el("perms", "CREATE_EXPERIMENT")];
    let results = each(&bed.done("ann", "Projects", "addUsers", &add), "return");
    assert_eq!((one(&results[0], "name"), one(&results[0], "success")), ("john".into(), "true".into()));
    assert!(results[0].contains("reason") && one(&results[0], "reason").is_empty());
    assert_eq!(
        (one(&results[1], "success"), one(&results[1], "reason")),
        ("false".into(), "No such user nobody".into())
    );
    let number = bed.challenge("john");
    bed.refused("kim", "Projects", "addUserConfirm", &[el("challengeId", &number)], (1, "Access denied"));
    bed.refused("john", "Projects", "addUserConfirm", &[el("challengeId", "7")], (2, "No such challenge outstanding"));
    assert_eq!(one(&bed.done("john", "Projects", "addUserConfirm", &[el("challengeID", &number)]), "return"), "true");
    bed.refused(
        "john",
        "Projects",
        "addUserConfirm",
        &[el("challengeId", &number)],
        (2, "No such challenge outstanding"),
    );
    let again = bed.done("ann", "Projects", "addUsers", &add[..2]);
    assert_eq!(one(&again, "success"), "false");
    assert_eq!(one(&again, "reason"), "Uid john already a member of Alfa-Romeo");
    let _ = bed.cimi("john", "project/Alfa-Romeo").expect(200);
    // T-28.
    let join = [el("uid", "kim"), id("Alfa-Romeo")];
    assert_eq!(one(&bed.done("kim", "Projects", "joinProject", &join), "return"), "true");
    let number = bed.challenge("ann");
    let confirm = |perms: &str| vec![el("challengeId", &number), el("perms", perms)];
    bed.refused("john", "Projects", "joinProjectConfirm", &confirm("ADD_USER"), (1, "Access denied"));
    bed.refused("ann", "Projects", "joinProjectConfirm", &confirm("BOGUS"), (2, "Invalid permission"));
    let none = [el("challengeId", "8")];
    bed.refused("ann", "Projects", "joinProjectConfirm", &none, (2, "No such challenge outstanding"));
    let _ = bed.done("ann", "Projects", "joinProjectConfirm", &confirm("REMOVE_USER"));
    let seen = bed.done("kim", "Projects", "viewProjects", &[el("uid", "kim")]);
    assert_eq!(each(&member(&seen, "kim"), "permissions"), ["REMOVE_USER"]);
    bed.refused("kim", "Projects", "joinProject", &join, (2, "Uid kim already a member of Alfa-Romeo"));
    let gone = bed.done("kim", "Projects", "removeUsers", &[id("Alfa-Romeo"), el("uids", "john"), el("uids", "ann")]);
    assert_eq!(each(&gone, "success"), ["true", "false"]);
    let _ = bed.cimi("john", "project/Alfa-Romeo").expect(403);
    let forced = [id("Alfa-Romeo"), el("uids", "john"), el("perms", "ALL_PERMS")];
    bed.refused("ann", "Projects", "addUsersNoConfirm", &forced, (1, "Access denied"));
    assert_eq!(one(&bed.done("boss", "Projects", "addUsersNoConfirm", &forced), "success"), "true");
    let seen = bed.done("john", "Projects", "viewProjects", &[el("uid", "john")]);
    assert_eq!(
        (each(&member(&seen, "john"), "permissions").len(), one(&member(&seen, "john"), "rights")),
        (7, "7".into())
    );
}

#[test]
fn the_first_generation_adds_at_once_and_says_rights_as_flags() {
    let bed = Bed::start(&["ann", "john", "kim"]);
    // T-29: nobody has approved of it.
    let _ = bed.done("ann", "Projects", "createProject", &[el("uid", "ann"), el("name", "Alfa")]);
    let named = |inside: &[(&str, &str)]| -> Vec<String> {
        let own = [("uid", "ann"), ("projectName", "Alfa")];
        own.iter().chain(inside).map(|(name, text)| el(name, text)).collect()
    };
    let _ = bed.done("ann", "Projects", "addUser", &named(&[("newUser", "john")]));
    bed.refused("ann", "Projects", "addUser", &named(&[("newUser", "john")]), (2, "Uid john already a member of Alfa"));
    bed.refused("ann", "Projects", "addUser", &named(&[("newUser", "nobody")]), (2, "No such user nobody"));
    let _ = bed.done("ann", "Projects", "changePermissions", &named(&[("targetUser", "john"), ("rights", "5")]));
    let seen = bed.done("ann", "Projects", "viewProjects", &[el("userid", "ann")]);
    let john = member(&seen, "john");
    assert_eq!(
        (each(&john, "permissions"), one(&john, "rights")),
        (vec!["ADD_USER".into(), "REALIZE_EXPERIMENT".into()], "5".into())
    );
    assert_eq!((one(&seen, "vetting"), one(&seen, "approved")), ("false".into(), "false".into()));
    let wrong = named(&[("targetUser", "john"), ("rights", "8")]);
    bed.refused("ann", "Projects", "changePermissions", &wrong, (2, "Invalid permission"));
    // John may add and not remove, and so changes nobody's rights.
    let by_john = [el("uid", "john"), el("projectName", "Alfa"), el("targetUser", "john"), el("rights", "7")];
    bed.refused("john", "Projects", "changePermissions", &by_john, (1, "Access denied"));
    let add_kim = [el("uid", "john"), el("projectName", "Alfa"), el("newUser", "kim")];
    let _ = bed.done("john", "Projects", "addUser", &add_kim);
    let remove_kim = [el("uid", "john"), el("projectName", "Alfa"), el("removeUser", "kim")];
    bed.refused("john", "Projects", "removeUser", &remove_kim, (1, "Access denied"));
    let _ = bed.done("ann", "Projects", "removeUser", &named(&[("removeUser", "kim")]));
    assert_eq!(each(&bed.done("ann", "Projects", "viewProjects", &[el("uid", "ann")]), "members").len(), 2);
    let _ = bed.done("kim", "Projects", "requestJoin", &[el("uid", "kim"), el("projectName", "Alfa")]);
    assert!(bed.notifications("john").pop().unwrap().contains("kim has asked to join your project Alfa"));
    // The same in words.
    bed.refused(
        "ann",
        "Projects",
        "changePermissions",
        &[id("Alfa"), el("uids", "john"), el("perms", "ADD_USER")],
        (2, "Project is not yet approved"),
    );
}

#[test]
fn projects_are_found_by_name_and_owner_and_given_away_by_their_owner() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa-Romeo");
    bed.project("ann", "Bugatti");
    let _ = bed.done("john", "Projects", "createProject", &[el("name", "Alfa-John")]);
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &[id("Alfa-Romeo"), el("uids", "john")]);
    // T-30.
    let view = |inside: &[(&str, &str)]| {
        let inside: Vec<String> = [("uid", "john")].iter().chain(inside).map(|(name, text)| el(name, text)).collect();
        each(&bed.done("john", "Projects", "viewProjects", &inside), "projectId")
    };
    assert_eq!(view(&[]), ["Alfa-John", "Alfa-Romeo"]);
    assert_eq!(view(&[("regex", "^Alfa-R")]), ["Alfa-Romeo"]);
    assert_eq!(view(&[("nameRE", "^Alfa"), ("owner", "john")]), ["Alfa-John"]);
    assert!(view(&[("nameRE", "^Alfa-R"), ("owner", "john")]).is_empty());
    assert_eq!(each(&bed.done("boss", "Projects", "viewProjects", &[]), "projectId").len(), 3);
    bed.refused("john", "Projects", "viewProjects", &[], (1, "Access denied"));
    bed.refused("john", "Projects", "viewProjects", &[el("uid", "ann")], (1, "Access denied"));
    let (code, text) = bed.ask("john", "Projects", "viewProjects", &[el("uid", "john"), el("regex", "(")]).unwrap_err();
    assert!(code == 2 && text.starts_with("Bad regular expression"), "{text}");
    // T-14, T-31.
    let view = bed.ask("", "Projects", "viewProjects", &[el("uid", "john")]).unwrap_err();
    assert_eq!(view, (2, "No client certificate and one is required".to_owned()));
    let give = [el("uid", "john"), el("projectName", "Alfa-Romeo"), el("newOwner", "john")];
    bed.refused("john", "Projects", "setOwner", &give, (1, "Access denied"));
    let later = [id("Alfa-Romeo"), el("uid", "john")];
    assert_eq!(one(&bed.done("ann", "Projects", "setOwner", &later), "return"), "true");
    bed.refused("ann", "Projects", "setOwner", &later, (1, "Access denied"));
    bed.refused("john", "Projects", "removeProject", &[id("Alfa-Romeo")], (1, "Access denied"));
    let _ = bed.done("boss", "Projects", "removeProject", &[id("Alfa-Romeo")]);
    bed.refused("boss", "Projects", "removeProject", &[id("Alfa-Romeo")], (2, "Invalid projectid"));
    let _ = bed.done("john", "Projects", "removeProject", &[el("uid", "john"), el("name", "Alfa-John")]);
}

#[test]
fn administrators_vet_projects_and_profiles_say_what_they_are() {
    let bed = Bed::start(&["ann", "john"]);
    // T-32.
    let wanted = each(&bed.done("", "Projects", "getVettingRequirements", &[]), "name");
    assert!(wanted.contains(&"description".to_owned()), "{wanted:?}");
    let asked = [el("uid", "ann"), el("name", "Alfa"), said("fields", "description", "fast cars")];
    let _ = bed.done("ann", "Projects", "createVettingProject", &asked);
    let told = bed.notifications("boss").pop().unwrap();
    assert!(told.contains("ann") && told.contains("Alfa") && told.contains("fast cars"), "{told}");
    let (code, text) = bed.ask("ann", "Projects", "createVettingProject", &asked[..2]).unwrap_err();
    assert_eq!((code, text.as_str()), (2, "No profile passed to profiled object!"));
    let _ = bed.done("boss", "Projects", "createProject", &[el("uid", "boss"), el("name", "Alfa")]);
    let vet = [el("uid", "boss"), el("name", "Alfa")];
    bed.refused("ann", "Projects", "makeProjectVetting", &[el("uid", "ann"), el("name", "Alfa")], (1, "Access denied"));
    let _ = bed.done("boss", "Projects", "makeProjectVetting", &vet);
    let add = [el("projectName", "Alfa"), el("newUser", "ann")];
    let _ = bed.done("boss", "Projects", "addUser", &add);
    let _ = bed.done("boss", "Projects", "setOwner", &[el("projectName", "Alfa"), el("newOwner", "ann")]);
    let _ = bed.done("boss", "Projects", "removeUser", &[el("projectName", "Alfa"), el("removeUser", "boss")]);
    let seen = bed.done("ann", "Projects", "viewProjects", &[el("uid", "ann")]);
    assert_eq!((one(&seen, "vetting"), one(&seen, "owner")), ("true".into(), "ann".into()));
    assert_eq!(each(&seen, "members").len(), 1);
    // Profiles.
    let described = bed.done("", "Projects", "getProfileDescription", &[]);
    assert!(each(&described, "name").contains(&"funders".to_owned()));
    let change = |name: &str, value: &str| within("changes", &[el("name", name), el("value", value)]);
    let changes = [id("Alfa"), change("URL", "https://example.org"), change("nosuch", "x"), change("description", "")];
    let results = bed.done("ann", "Projects", "changeProjectProfile", &changes);
    assert_eq!(each(&results, "success"), ["true", "false", "false"]);
    assert_eq!(each(&results, "reason")[0], "No such attribute");
    let seen = bed.done("ann", "Projects", "getProjectProfile", &[id("Alfa")]);
    assert!(seen.contains("https://example.org") && one(&seen, "id") == "Alfa", "{seen}");
    bed.refused("john", "Projects", "getProjectProfile", &[id("Alfa")], (1, "Access denied"));
    assert_eq!(each(&bed.done("", "Projects", "getValidPermissions", &[]), "return").len(), 7);
}
