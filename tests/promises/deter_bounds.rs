//! What one user stores at the door of DETER's testbed API, and what one answer of it takes, has bounds; others do not feel it.

use crate::testbed::{Bed, each, el, one, within};

/// The data of an aspect that is nearly as large as an experiment may be, in base64.
fn large() -> String {
    "eHh4".repeat((2 << 20) / 4 - 64)
}

/// What has no room beside eight of those.
fn small() -> String {
    "eHh4".repeat(512)
}

fn notes(data: &str) -> String {
    within("aspects", &[el("type", "notes"), el("name", "all"), el("data", data)])
}

fn make(bed: &Bed, uid: &str, eid: &str, aspects: &str) -> Result<String, (i32, String)> {
    let profile = crate::testbed::said("profile", "description", "hello");
    let inside = [el("eid", eid), el("owner", uid), profile, aspects.to_owned()];
    bed.ask(uid, "Experiments", "createExperiment", &inside)
}

fn view(bed: &Bed, uid: &str, more: &[String]) -> Result<Vec<String>, (i32, String)> {
    let reply = bed.ask(uid, "Experiments", "viewExperiments", &[&[el("uid", uid)], more].concat())?;
    Ok(each(&reply, "experimentId"))
}

#[test]
fn an_owner_stores_so_much_and_an_answer_takes_so_much() {
    let bed = Bed::start(&["ann", "kim"]);
    let large = large();
    for number in 0..8 {
        assert!(make(&bed, "ann", &format!("ann:x{number}"), &notes(&large)).is_ok(), "{number}");
    }
    // No more of hers, by whichever operation; what is small has no room either, and what has no bytes has.
    let full = (2, "the aspects of all experiments are too large: 192 MiB in all and 12 MiB of one owner are accepted");
    let full = (full.0, full.1.to_owned());
    assert_eq!(make(&bed, "ann", "ann:more", &notes(&small())), Err(full.clone()));
    assert!(make(&bed, "ann", "ann:more", "").is_ok());
    let add = |eid: &str| [el("eid", eid), notes(&small())];
    let fault = bed.ask("ann", "Experiments", "addExperimentAspects", &add("ann:more")).unwrap_err();
    assert_eq!(fault, full);
    let modify = [el("uid", "ann"), el("name", "more"), el("actions", &small())];
    assert_eq!(bed.ask("ann", "Experiments", "modifyExperiment", &modify).unwrap_err(), full);
    // Others have room. What is given away goes on taking up that of who made it: nobody fills another's, or makes more of his own.
    assert!(make(&bed, "kim", "kim:own", &notes(&large)).is_ok());
    let give = |eid: &str, to: &str| [el("eid", eid), el("uid", to)];
    assert!(bed.ask("ann", "Experiments", "setOwner", &give("ann:x7", "kim")).is_ok());
    assert_eq!(bed.ask("ann", "Experiments", "addExperimentAspects", &add("ann:more")).unwrap_err(), full);
    assert!(make(&bed, "kim", "kim:more", &notes(&small())).is_ok());
    // What an administrator gives is the new owner's.
    assert_eq!(bed.ask("boss", "Experiments", "setOwner", &give("kim:own", "ann")).unwrap_err(), full);
    assert!(bed.ask("kim", "Experiments", "setOwner", &give("ann:x7", "ann")).is_ok());
    // All of it does not go into one answer; it says how to ask for less, and each way of that is answered.
    let (code, text) = view(&bed, "ann", &[]).unwrap_err();
    assert_eq!(code, 2);
    assert!(text.contains("more than 16 MiB") && text.contains("first 8 experiments"), "{text}");
    assert_eq!(view(&bed, "ann", &[el("listOnly", "true")]).unwrap().len(), 9);
    assert_eq!(view(&bed, "ann", &[el("components", "16")]).unwrap().len(), 9);
    assert_eq!(view(&bed, "ann", &[el("offset", "9"), el("count", "7")]).unwrap(), ["ann:x7"]);
    assert_eq!(view(&bed, "ann", &[el("regex", "x[0-6]")]).unwrap().len(), 7);
    let questions = vec![within("queryAspects", &[el("type", "notes")]); 65];
    assert_eq!(view(&bed, "ann", &questions).unwrap_err(), (2, "at most 64 queryAspects are accepted".to_owned()));
    // What goes makes room.
    let _ = bed.done("ann", "Experiments", "removeExperiment", &[el("eid", "ann:x0")]);
    let _ = bed.done("ann", "Experiments", "addExperimentAspects", &add("ann:more"));
    assert_eq!(one(&bed.experiment("ann", "ann:more"), "data"), small());
}
