//! Experiments at the door of DETER's testbed API: vectors T-33 to T-37 of the facades specification. What is realized really runs, as
//! plain processes.

use mf2c_tests::eventually;

use crate::testbed::{Bed, base64, each, el, one, said, state, unbase64, within};

/// A topology of computers, each with attributes, on one network.
pub(crate) fn topdl(computers: &[(&str, &[(&str, &str)])]) -> String {
    let computer = |(name, attributes): &(&str, &[(&str, &str)])| {
        let attributes: String = attributes
            .iter()
            .map(|(name, value)| format!("<attribute><attribute>{name}</attribute><value>{value}</value></attribute>"))
            .collect();
        let interface = "<interface><substrate>lan</substrate><name>eth0</name></interface>";
        format!("<elements><computer><name>{name}</name>{interface}{attributes}</computer></elements>")
    };
    let computers: String = computers.iter().map(computer).collect();
    format!("<experiment><version>1.0</version><substrates><name>lan</name></substrates>{computers}</experiment>")
}

const SLEEP: &[(&str, &str)] = &[("exec", "/bin/sleep 600")];

fn profile() -> String {
    said("profile", "description", "hello")
}

fn aspect(name: &str, kind: &str, data: &str) -> String {
    let mut inside = vec![el("type", kind), el("data", &base64(data))];
    if !name.is_empty() {
        inside.push(el("name", name));
    }
    within("aspects", &inside)
}

fn eid(name: &str) -> String {
    el("eid", name)
}

/// An experiment of the first generation.
fn make(bed: &Bed, uid: &str, name: &str, topology: &str) {
    let inside = [el("uid", uid), el("name", name), el("topology", &base64(topology))];
    let _ = bed.done(uid, "Experiments", "createExperiment", &inside);
}

fn realize(bed: &Bed, uid: &str, owner: &str, name: &str, notify: bool) {
    let inside = [el("uid", uid), el("owner", owner), el("name", name), el("notify", &notify.to_string())];
    let _ = bed.done(uid, "Experiments", "realizeExperiment", &inside);
}

fn release(bed: &Bed, uid: &str, owner: &str, name: &str) {
    let _ = bed.done(uid, "Experiments", "releaseExperiment", &[el("uid", uid), el("owner", owner), el("name", name)]);
}

#[test]
fn an_experiment_is_made_in_a_scope_by_who_may() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa-Romeo");
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &[el("projectid", "Alfa-Romeo"), el("uids", "john")]);
    // T-33.
    let made = |name: &str, owner: &str| vec![eid(name), el("owner", owner), profile()];
    let create = |uid: &str, inside: &[String]| bed.ask(uid, "Experiments", "createExperiment", inside);
    assert_eq!(one(&create("ann", &made("Alfa-Romeo:HelloWorld", "ann")).unwrap(), "return"), "true");
    for (uid, inside, fault) in [
        ("ann", made("Alfa-Romeo:HelloWorld", "ann"), (2, "Experiment exists")),
        ("ann", made("HelloWorld", "ann"), (2, "Bad Experiment name")),
        ("ann", made("Alfa-Romeo:<b>", "ann"), (2, "Bad Experiment name")),
        ("ann", made("Alfa-Romeo:../x", "ann"), (2, "Bad Experiment name")),
        ("ann", vec![el("owner", "ann"), profile()], (2, "eid is required")),
        ("ann", made("ann:x", "ann")[..2].to_vec(), (2, "No profile passed to profiled object!")),
        ("john", made("Alfa-Romeo:Other", "john"), (1, "Access denied")),
        ("john", made("ann:Other", "john"), (1, "Access denied")),
        ("john", made("john:Other", "ann"), (1, "Access denied")),
    ] {
        bed.refused(uid, "Experiments", "createExperiment", &inside, fault);
    }
    let rights = [el("projectid", "Alfa-Romeo"), el("uids", "john"), el("perms", "CREATE_EXPERIMENT")];
    let _ = bed.done("ann", "Projects", "changePermissions", &rights);
    let _ = create("john", &made("Alfa-Romeo:Other", "john")).unwrap();
    // Others see it in CIMI once they may read it.
    let seen = |uid: &str| bed.cimi(uid, "experiment?$filter=experimentId='Alfa-Romeo:Other'").json()["count"].clone();
    assert_eq!((seen("john"), seen("ann")), (1.into(), 0.into()));
    let read = within("acl", &[el("circleId", "Alfa-Romeo:Alfa-Romeo"), el("permissions", "READ_EXPERIMENT")]);
    let results = bed.done("john", "Experiments", "changeExperimentACL", &[eid("Alfa-Romeo:Other"), read]);
    assert_eq!(one(&results, "success"), "true", "{results}");
    assert_eq!(seen("ann"), 1);
    assert_eq!(each(&bed.experiment("ann", "Alfa-Romeo:Other"), "perms"), ["READ_EXPERIMENT"]);
    let wrong = [
        within("acl", &[el("circleId", "None:None"), el("permissions", "READ_EXPERIMENT")]),
        within("acl", &[el("circleId", "ann:ann"), el("permissions", "BOGUS")]),
        within("acl", &[el("circleId", "Alfa-Romeo:Alfa-Romeo")]),
    ];
    let inside: Vec<String> = [eid("Alfa-Romeo:Other")].into_iter().chain(wrong).collect();
    let results = bed.done("john", "Experiments", "changeExperimentACL", &inside);
    assert_eq!(each(&results, "success"), ["false", "false", "true"]);
    assert_eq!(each(&results, "reason")[..2], ["Invalid circle None:None", "Invalid permission"]);
    assert!(seen("ann") == 0 && bed.experiment("ann", "Alfa-Romeo:Other").is_empty());
    // A project that is gone leaves nothing to who takes its name.
    let read = within("acl", &[el("circleId", "Alfa-Romeo:Alfa-Romeo"), el("permissions", "READ_EXPERIMENT")]);
    let _ = bed.done("john", "Experiments", "changeExperimentACL", &[eid("Alfa-Romeo:Other"), read]);
    let _ = bed.done("boss", "Projects", "removeProject", &[el("projectid", "Alfa-Romeo")]);
    bed.project("ann", "Alfa-Romeo");
    assert!(seen("ann") == 0 && bed.experiment("ann", "Alfa-Romeo:Other").is_empty());
}

#[test]
fn aspects_have_names_and_layouts_are_read_before_they_are_taken() {
    let bed = Bed::start(&["ann"]);
    let _ = bed.done("ann", "Experiments", "createExperiment", &[eid("ann:x"), el("owner", "ann"), profile()]);
    let two = topdl(&[("a", SLEEP), ("b", SLEEP)]);
    // T-34.
    let add = |aspect: String| bed.done("ann", "Experiments", "addExperimentAspects", &[eid("ann:x"), aspect]);
    let first = add(aspect("", "layout", &two));
    assert_eq!((one(&first, "name"), one(&first, "success")), ("layout000".into(), "true".into()));
    let again = add(aspect("layout000", "layout", &two));
    assert_eq!((one(&again, "success"), one(&again, "reason")), ("false".into(), "duplicate aspect layout000".into()));
    let empty = [eid("ann:x")];
    bed.refused("ann", "Experiments", "addExperimentAspects", &empty, (2, "Null or empty aspect list"));
    let unknown = [eid("ann:y"), aspect("", "layout", &two)];
    bed.refused("ann", "Experiments", "addExperimentAspects", &unknown, (2, "Invalid experiment ann:y"));
    let change =
        bed.done("ann", "Experiments", "changeExperimentAspects", &[eid("ann:x"), aspect("layout000", "layout", &two)]);
    assert_eq!(one(&change, "success"), "false");
    let _ = add(aspect("go", "actions", "run fast"));
    // T-35.
    let view = |more: &[String]| {
        let inside: Vec<String> = [el("uid", "ann")].into_iter().chain(more.iter().cloned()).collect();
        bed.done("ann", "Experiments", "viewExperiments", &inside)
    };
    let listed = view(&[el("listOnly", "true")]);
    assert_eq!(each(&listed, "aspects").len(), 3);
    assert!(each(&listed, "data").is_empty() && each(&listed, "perms").len() == 4);
    let whole = view(&[el("listOnly", "false")]);
    let names: Vec<String> = each(&whole, "aspects").iter().map(|aspect| one(aspect, "name")).collect();
    assert_eq!(names, ["layout000", "layout000/full_layout", "go"]);
    assert_eq!(unbase64(&each(&whole, "data")[1]), two);
    let asked = view(&[within("queryAspects", &[el("type", "actions")])]);
    assert_eq!(each(&asked, "aspects").len(), 1);
    bed.refused(
        "ann",
        "Experiments",
        "viewExperiments",
        &[el("uid", "ann"), within("queryAspects", &[el("subType", "full_layout")])],
        (2, "Aspect subtype without type"),
    );
    let offset = [el("uid", "ann"), el("offset", "1")];
    bed.refused("ann", "Experiments", "viewExperiments", &offset, (2, "Offset without count"));
    assert!(each(&view(&[el("offset", "2"), el("count", "5")]), "experimentId").is_empty());
    let ns2 = [el("uid", "ann"), el("topologyFormat", "2")];
    assert_eq!(bed.ask("ann", "Experiments", "viewExperiments", &ns2).unwrap_err().0, 6);
    let only = view(&[el("components", "2")]);
    assert!(one(&only, "topology").is_empty() && unbase64(&one(&only, "actions")) == "run fast");
    let gone = [eid("ann:x"), aspect("layout000", "layout", "")];
    assert_eq!(one(&bed.done("ann", "Experiments", "removeExperimentAspects", &gone), "success"), "true");
    assert_eq!(each(&view(&[]), "aspects").len(), 1);
    // Topologies that would do harm.
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    for bad in [
        "<!DOCTYPE a [<!ENTITY b \"bb\">]><experiment>&b;</experiment>".to_owned(),
        format!("<experiment>{deep}</experiment>"),
        topdl(&[("&lt;script&gt;", SLEEP)]),
        topdl(&[("a", SLEEP), ("a", SLEEP)]),
        "<experiment>".to_owned(),
    ] {
        let result = add(aspect("", "layout", &bad));
        assert!(one(&result, "reason").starts_with("Bad layout: "), "{result}");
    }
}

#[test]
fn an_experiment_runs_and_stops_and_what_is_said_of_it_is_so() {
    let bed = Bed::start(&["ann", "john"]);
    // T-36.
    make(
        &bed,
        "ann",
        "two",
        &topdl(&[("a", SLEEP), ("b", &[("exec", "/bin/sh -c 'exec sleep 600'"), ("env.WHO", "me")])]),
    );
    assert_eq!(state(&bed.experiment("ann", "ann:two")), "Unrealized");
    realize(&bed, "ann", "ann", "two", true);
    assert!(["Changing", "Realized"].contains(&state(&bed.experiment("ann", "ann:two")).as_str()));
    let seen = bed.becomes("ann", "ann:two", "Realized");
    let containers = each(&seen, "containers");
    assert_eq!(containers.iter().map(|it| one(it, "name")).collect::<Vec<_>>(), ["a", "b"]);
    assert!(containers.iter().all(|it| one(it, "state") == "Up" && one(it, "type") == "process"), "{seen}");
    assert!(unbase64(&one(&seen, "log")).contains("the experiment is realized"));
    eventually("a notification", || bed.notifications("ann").iter().any(|it| it == "Experiment ann:two is realized"));
    let instances = bed.cimi("ann", "service-instance").json();
    assert_eq!(instances["count"], 2, "{instances}");
    assert_eq!(instances["serviceInstances"][0]["status"], "started");
    let services = bed.cimi("ann", "service").json();
    let environment = &services["services"][1]["environment"];
    assert!(services["count"] == 2 && environment["DETER_EXPERIMENT"] == "ann:two", "{services}");
    assert_eq!(bed.cimi("john", "service-instance").json()["count"], 0);
    let again = [el("uid", "ann"), el("owner", "ann"), el("name", "two")];
    let realized = (2, "Experiment ann:two is Realized already");
    bed.refused("ann", "Experiments", "realizeExperiment", &again, realized);
    bed.refused(
        "ann",
        "Experiments",
        "removeExperiment",
        &again,
        (2, "Experiment ann:two is realized: release it first"),
    );
    let realizations = bed.done("ann", "Realizations", "viewRealizations", &[el("uid", "ann")]);
    assert_eq!((one(&realizations, "status"), each(&realizations, "mapping").len()), ("Active".into(), 2));
    bed.refused("john", "Experiments", "releaseExperiment", &again[1..], (1, "Access denied"));
    release(&bed, "ann", "ann", "two");
    let _ = bed.becomes("ann", "ann:two", "Unrealized");
    assert_eq!((bed.count("service-instance"), bed.count("service")), (0, 0));
    // Again, and then its instances are taken away elsewhere.
    realize(&bed, "ann", "ann", "two", false);
    let _ = bed.becomes("ann", "ann:two", "Realized");
    for instance in bed.cimi("ann", "service-instance").json()["serviceInstances"].as_array().unwrap() {
        let id = instance["id"].as_str().unwrap();
        let _ = bed.agent().send_as(Some("ann USER"), "DELETE", id, None).expect(200);
    }
    let seen = bed.becomes("ann", "ann:two", "Unrealized");
    assert!(one(&seen, "stateDetail").contains("removed by other ways"), "{seen}");
    // It can be realized once more; what was left behind goes.
    realize(&bed, "ann", "ann", "two", false);
    let _ = bed.becomes("ann", "ann:two", "Realized");
    eventually("two services", || bed.count("service") == 2);
    let name = one(&bed.done("ann", "Realizations", "viewRealizations", &[el("uid", "ann")]), "name");
    let _ = bed.done("ann", "Realizations", "releaseRealization", &[el("name", &name)]);
    let _ = bed.becomes("ann", "ann:two", "Unrealized");
    bed.refused("ann", "Realizations", "releaseRealization", &[el("name", "x")], (2, "No such realization: x"));
    bed.refused("ann", "Realizations", "releaseRealization", &[], (2, "name is required"));
}

#[test]
fn where_nothing_fits_it_is_said_and_nothing_is_left() {
    let bed = Bed::start(&["ann"]);
    let huge: &[(&str, &str)] = &[("exec", "/bin/sleep 600"), ("memory_min", "1000000000")];
    let elsewhere: &[(&str, &str)] = &[("exec", "/bin/sleep 600"), ("type", "mainframe")];
    for (name, second) in [("huge", huge), ("elsewhere", elsewhere)] {
        make(&bed, "ann", name, &topdl(&[("a", SLEEP), ("b", second)]));
        realize(&bed, "ann", "ann", name, true);
        let mut seen = String::new();
        eventually("a fault", || {
            seen = bed.experiment("ann", &format!("ann:{name}"));
            !one(&seen, "faultInfo").is_empty() && state(&seen) == "Unrealized"
        });
        let fault = one(&seen, "faultInfo");
        assert_eq!(
            (one(&fault, "errorCode"), one(&fault, "detailString")),
            ("2".into(), "Insufficient Resources".into())
        );
        assert!(unbase64(&one(&seen, "log")).lines().count() > 2, "{seen}");
        eventually("nothing is left", || bed.count("service-instance") == 0 && bed.count("service") == 0);
        let told = format!("Experiment ann:{name} could not be realized: Insufficient Resources");
        eventually("a notification", || bed.notifications("ann").contains(&told));
    }
    // What does not run takes the others with it.
    make(&bed, "ann", "broken", &topdl(&[("a", SLEEP), ("b", &[("exec", "/no/such/program")])]));
    realize(&bed, "ann", "ann", "broken", false);
    let seen = bed.becomes("ann", "ann:broken", "Unrealized");
    let fault = one(&seen, "faultInfo");
    assert_eq!(one(&fault, "errorCode"), "3", "{seen}");
    let why = one(&fault, "detailString");
    assert!(why.starts_with("b does not run: ") && why.contains("/no/such/program"), "{why}");
    assert!(unbase64(&one(&seen, "log")).contains(&why), "{seen}");
    // What cannot be planned is refused at once.
    make(&bed, "ann", "plain", &topdl(&[("a", &[])]));
    let plain = [el("owner", "ann"), el("name", "plain")];
    let (code, text) = bed.ask("ann", "Experiments", "realizeExperiment", &plain).unwrap_err();
    assert!(code == 2 && text.contains("computer a") && text.contains("neither"), "{text}");
    let none = [el("owner", "ann"), el("name", "none")];
    bed.refused("ann", "Experiments", "realizeExperiment", &none, (2, "No such experiment: ann:none"));
}

#[test]
fn what_is_omitted_stays_and_rights_of_projects_count() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let add = [el("projectid", "Alfa"), el("uids", "john")];
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &add);
    let own = |name: &str| vec![el("uid", "ann"), el("owner", "ann"), el("name", name)];
    // T-37.
    make(&bed, "ann", "x", &topdl(&[("a", SLEEP)]));
    let modify = |uid: &str, more: &[String]| {
        let inside: Vec<String> =
            [el("uid", uid), el("owner", "ann"), el("name", "x")].into_iter().chain(more.iter().cloned()).collect();
        bed.ask(uid, "Experiments", "modifyExperiment", &inside)
    };
    let _ = modify("ann", &[el("actions", &base64("go")), el("readProjects", "Alfa")]).unwrap();
    let seen = bed.experiment("john", "ann:x");
    assert!(!one(&seen, "topology").is_empty() && unbase64(&one(&seen, "actions")) == "go", "{seen}");
    assert_eq!((one(&seen, "readProjects"), one(&seen, "writeProjects")), ("Alfa".into(), String::new()));
    assert_eq!(modify("john", &[el("actions", "")]).unwrap_err(), (1, "Access denied".to_owned()));
    let by_john = [el("uid", "john"), el("owner", "ann"), el("name", "x")];
    bed.refused("john", "Experiments", "realizeExperiment", &by_john, (1, "Access denied"));
    let _ = modify("ann", &[el("realizeProjects", "Alfa")]).unwrap();
    bed.refused("john", "Experiments", "realizeExperiment", &by_john, (1, "Access denied"));
    let rights = [el("projectName", "Alfa"), el("targetUser", "john"), el("rights", "4")];
    let _ = bed.done("ann", "Projects", "changePermissions", &rights);
    let _ = bed.done("john", "Experiments", "realizeExperiment", &by_john);
    let seen = bed.becomes("ann", "ann:x", "Realized");
    assert_eq!(one(&seen, "project"), "Alfa");
    // What runs is who has asked for it.
    assert_eq!((bed.cimi("john", "service-instance").json()["count"].clone(), 0), (1.into(), 0));
    let _ = bed.done("john", "Experiments", "releaseExperiment", &by_john);
    let _ = bed.becomes("ann", "ann:x", "Unrealized");
    let _ = modify("ann", &[el("topology", ""), el("readProjects", "")]).unwrap();
    let seen = bed.experiment("ann", "ann:x");
    assert!(one(&seen, "topology").is_empty() && !one(&seen, "actions").is_empty(), "{seen}");
    assert!(bed.experiment("john", "ann:x").is_empty());
    bed.refused("john", "Experiments", "removeExperiment", &by_john, (1, "Access denied"));
    let _ = bed.done("ann", "Experiments", "removeExperiment", &own("x"));
    bed.refused("ann", "Experiments", "removeExperiment", &own("x"), (2, "Invalid experiment ann:x"));
    assert_eq!(bed.count("experiment"), 0);
}

#[test]
fn a_kill_in_the_middle_of_a_realization_doubles_nothing_and_loses_nothing() {
    let mut bed = Bed::start(&["ann"]);
    let computers: Vec<String> = (0..4).map(|number| format!("c{number}")).collect();
    let computers: Vec<(&str, &[(&str, &str)])> = computers.iter().map(|name| (name.as_str(), SLEEP)).collect();
    make(&bed, "ann", "four", &topdl(&computers));
    // At one moment and another: none of them matters.
    for wanted in [0, 1, 3] {
        realize(&bed, "ann", "ann", "four", true);
        eventually("some of it", || bed.count("service-instance") >= wanted);
        bed.kill_and_start_again();
        let seen = bed.becomes("ann", "ann:four", "Realized");
        assert_eq!(each(&seen, "containers").len(), 4);
        assert_eq!((bed.count("service-instance"), bed.count("service")), (4, 4));
        let told = || bed.notifications("ann").iter().filter(|it| *it == "Experiment ann:four is realized").count();
        let before = told();
        release(&bed, "ann", "ann", "four");
        bed.kill_and_start_again();
        let _ = bed.becomes("ann", "ann:four", "Unrealized");
        eventually("nothing is left", || bed.count("service-instance") == 0 && bed.count("service") == 0);
        let told = bed.notifications("ann").iter().filter(|it| *it == "Experiment ann:four is realized").count();
        assert_eq!(told, before);
    }
}
