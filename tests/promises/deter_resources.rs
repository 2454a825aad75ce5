//! Computers, images and keys at the door of DETER's testbed API: vectors T-38 and T-39 of the facades specification.

use std::fs;
use std::process::Command;

use mf2c_tests::run;

use crate::deter_experiments::topdl;
use crate::testbed::{Bed, base64, each, el, one, unbase64};

/// The parts of a reply that tell of what has this name.
fn named<'r>(reply: &'r [String], name: &str) -> Vec<&'r String> {
    reply.iter().filter(|one_of| one(one_of, "name") == name).collect()
}

fn device(bed: &Bed) -> String {
    bed.admin("GET", "device", None).json()["devices"][0]["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("device/")
        .to_owned()
}

#[test]
fn computers_are_added_by_administrators_and_are_devices() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let device = device(&bed);
    let view = |uid: &str, more: &[(&str, &str)]| {
        let inside: Vec<String> = [("uid", uid)].iter().chain(more).map(|(name, text)| el(name, text)).collect();
        each(&bed.done(uid, "Resources", "viewComputers", &inside), "return")
    };
    // Without a description the device is a computer by itself, for who may see it.
    assert_eq!(one(named(&view("boss", &[]), &device)[0], "type"), "device");
    // T-38.
    let class =
        [el("type", "pc"), el("description", "a plain machine"), el("projectUse", "Alfa"), el("projectRead", "Alfa")];
    bed.refused("ann", "Resources", "createComputer", &class, (1, "Access denied"));
    assert_eq!(one(&bed.done("boss", "Resources", "createComputer", &class), "return"), "true");
    bed.refused("boss", "Resources", "createComputer", &class, (2, "There is a class pc already"));
    let computer = [el("name", "pc23"), el("type", "pc"), el("device", &device)];
    let _ = bed.done("boss", "Resources", "createComputer", &computer);
    bed.refused("boss", "Resources", "createComputer", &[el("name", "x")], (2, "type is required"));
    bed.refused(
        "boss",
        "Resources",
        "createComputer",
        &[el("name", "<x>"), el("type", "pc")],
        (2, "Bad computer name"),
    );
    let unknown = [el("name", "x"), el("type", "pc"), el("projectUse", "None")];
    bed.refused("boss", "Resources", "createComputer", &unknown, (2, "Invalid project None"));
    let _ = bed.done("boss", "Resources", "createComputer", &[el("name", "mac1"), el("type", "mac")]);
    let seen = view("ann", &[("type", "pc")]);
    assert_eq!(seen.len(), 2, "{seen:?}");
    let pc23 = |uid: &str| named(&view(uid, &[]), "pc23").first().map(|found| (*found).clone()).unwrap_or_default();
    // What it does not say of itself its class says.
    assert_eq!(
        (one(&pc23("ann"), "description"), one(&pc23("ann"), "projectUse")),
        ("a plain machine".into(), "Alfa".into())
    );
    assert_eq!(one(&pc23("ann"), "allocated"), "false");
    let class = seen.iter().find(|it| one(it, "name").is_empty()).unwrap();
    assert!(each(class, "allocated").is_empty(), "{class}");
    assert!(pc23("john").is_empty() && view("ann", &[("nameRE", "^pc")]).len() == 1);
    assert_eq!(
        (bed.cimi("ann", "computer").json()["count"].clone(), bed.cimi("john", "computer").json()["count"].clone()),
        (2.into(), 0.into())
    );
    // Allocated as long as something runs there.
    let topology = topdl(&[("a", &[("exec", "/bin/sleep 600"), ("type", "pc")])]);
    let made = |uid: &str| vec![el("uid", uid), el("name", "x"), el("topology", &base64(&topology))];
    let _ = bed.done("ann", "Experiments", "createExperiment", &made("ann"));
    let _ = bed.done("ann", "Experiments", "realizeExperiment", &[el("owner", "ann"), el("name", "x")]);
    let _ = bed.becomes("ann", "ann:x", "Realized");
    let seen = pc23("ann");
    assert_eq!((one(&seen, "allocated"), one(&seen, "allocatedExperiment")), ("true".into(), "ann:x".into()));
    let open = [el("uid", "boss"), el("name", "pc23"), el("projectRead", "Alfa"), el("projectModify", "Alfa")];
    let _ = bed.done("boss", "Resources", "modifyComputer", &open);
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &[el("projectid", "Alfa"), el("uids", "john")]);
    let seen = pc23("john");
    assert_eq!((one(&seen, "allocated"), one(&seen, "allocatedExperiment")), ("true".into(), String::new()));
    // John is of the project now, which sees the class as well.
    assert_eq!(bed.cimi("john", "computer").json()["count"], 2);
    let _ = bed.done("ann", "Experiments", "releaseExperiment", &[el("owner", "ann"), el("name", "x")]);
    let _ = bed.becomes("ann", "ann:x", "Unrealized");
    assert_eq!(one(&pc23("ann"), "allocated"), "false");
    // Who may not use the computer finds none of its type.
    let closed = [el("name", "pc23"), el("projectUse", "")];
    let _ = bed.done("boss", "Resources", "modifyComputer", &closed);
    let _ = bed.done("ann", "Experiments", "realizeExperiment", &[el("owner", "ann"), el("name", "x")]);
    let seen = bed.becomes("ann", "ann:x", "Unrealized");
    assert_eq!(one(&one(&seen, "faultInfo"), "detailString"), "Insufficient Resources");
    computers_change_and_go(&bed);
    assert!(view("ann", &[("type", "pc")]).is_empty());
}

/// The last of computers that John may change and Ann see.
fn computers_change_and_go(bed: &Bed) {
    let pc23 = || {
        let seen = each(&bed.done("ann", "Resources", "viewComputers", &[el("uid", "ann")]), "return");
        named(&seen, "pc23").first().map(|found| (*found).clone()).unwrap_or_default()
    };
    bed.refused("ann", "Resources", "modifyComputer", &[el("uid", "ann")], (2, "One of name and type is required"));
    bed.refused(
        "ann",
        "Resources",
        "modifyComputer",
        &[el("type", "pc"), el("description", "x")],
        (1, "Access denied"),
    );
    let _ = bed.done("john", "Resources", "modifyComputer", &[el("name", "pc23"), el("description", "john's")]);
    assert_eq!(one(&pc23(), "description"), "john's");
    bed.refused("john", "Resources", "removeComputer", &[el("name", "pc23")], (1, "Access denied"));
    let _ = bed.done("boss", "Resources", "removeComputer", &[el("uid", "boss"), el("name", "pc23")]);
    bed.refused("boss", "Resources", "removeComputer", &[el("name", "pc23")], (2, "No such computer"));
    let _ = bed.done("boss", "Resources", "removeComputer", &[el("type", "pc")]);
}

#[test]
fn images_come_with_what_runs_and_are_described() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &[el("projectid", "Alfa"), el("uids", "john")]);
    let view = |uid: &str| each(&bed.done(uid, "Resources", "viewImages", &[el("uid", uid)]), "return");
    let topology = topdl(&[("a", &[("exec", "/bin/sleep 600")])]);
    let made = [el("uid", "ann"), el("name", "x"), el("topology", &base64(&topology))];
    let _ = bed.done("ann", "Experiments", "createExperiment", &made);
    let _ = bed.done("ann", "Experiments", "realizeExperiment", &[el("owner", "ann"), el("name", "x")]);
    let _ = bed.becomes("ann", "ann:x", "Realized");
    let seen = view("ann");
    let sleep = named(&seen, "/bin/sleep")[0];
    assert_eq!((one(sleep, "owner"), one(sleep, "validIn")), ("ann".into(), "process".into()));
    assert!(view("john").is_empty());
    let describe = [
        el("uid", "ann"),
        el("name", "/bin/sleep"),
        el("description", "waits"),
        el("projectRead", "Alfa"),
        el("validIn", "pc"),
    ];
    let _ = bed.done("ann", "Resources", "modifyImage", &describe);
    let seen = view("john");
    assert_eq!((one(&seen[0], "description"), one(&seen[0], "validIn")), ("waits".into(), "pc".into()));
    assert_eq!(bed.cimi("john", "image").json()["count"], 1);
    bed.refused(
        "john",
        "Resources",
        "modifyImage",
        &[el("name", "/bin/sleep"), el("description", "x")],
        (1, "Access denied"),
    );
    bed.refused("john", "Resources", "modifyImage", &[el("name", "none")], (2, "No such image"));
    let remove = [el("uid", "ann"), el("name", "/bin/sleep")];
    bed.refused("ann", "Resources", "removeImage", &remove, (2, "Image /bin/sleep is in use by a service"));
    let _ = bed.done("ann", "Experiments", "releaseExperiment", &[el("owner", "ann"), el("name", "x")]);
    let _ = bed.becomes("ann", "ann:x", "Unrealized");
    bed.refused("john", "Resources", "removeImage", &[el("name", "/bin/sleep")], (1, "Access denied"));
    let _ = bed.done("ann", "Resources", "removeImage", &remove);
    assert!(view("ann").is_empty() && view("john").is_empty());
}

/// A public key of a pair that openssl has made, in PEM.
fn public_key(bed: &Bed) -> String {
    let mut make = Command::new("openssl");
    make.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"]);
    make.current_dir(bed.folder());
    let _ = run(make).expect(0);
    let mut show = Command::new("openssl");
    show.args(["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub"]).current_dir(bed.folder());
    let _ = run(show).expect(0);
    fs::read_to_string(bed.folder().join("key.pub")).unwrap()
}

#[test]
fn keys_are_credentials_of_their_owners() {
    let bed = Bed::start(&["ann", "john"]);
    bed.project("ann", "Alfa");
    let _ = bed.done("boss", "Projects", "addUsersNoConfirm", &[el("projectid", "Alfa"), el("uids", "john")]);
    let key = public_key(&bed);
    let view = |uid: &str| each(&bed.done(uid, "Resources", "viewKeys", &[el("uid", uid)]), "return");
    // T-39.
    let add = [el("uid", "ann"), el("owner", "ann"), el("keyData", &base64(&key)), el("description", "mine")];
    assert_eq!(one(&bed.done("ann", "Resources", "addKey", &add), "return"), "true");
    let seen = view("ann");
    let name = one(&seen[0], "name");
    assert!(!name.is_empty() && unbase64(&one(&seen[0], "keyData")).starts_with("ssh-rsa "), "{seen:?}");
    assert_eq!((one(&seen[0], "owner"), one(&seen[0], "description")), ("ann".into(), "mine".into()));
    let stored = bed.cimi("ann", "credential?$filter=type='ssh-key'").json();
    assert_eq!((stored["count"].clone(), stored["credentials"][0]["name"].clone()), (1.into(), name.as_str().into()));
    assert!(view("john").is_empty());
    let shared =
        [el("name", "shared"), el("keyData", &base64(&key)), el("projectRead", "Alfa"), el("projectDelete", "Alfa")];
    let _ = bed.done("ann", "Resources", "addKey", &shared);
    assert_eq!(view("john").len(), 1);
    let (code, text) = bed.ask("ann", "Resources", "addKey", &shared).unwrap_err();
    assert!(code == 2 && text.contains("shared"), "{text}");
    let (code, _) = bed.ask("ann", "Resources", "addKey", &[el("keyData", &base64("no key"))]).unwrap_err();
    assert_eq!(code, 2);
    bed.refused("ann", "Resources", "addKey", &[el("name", "x")], (2, "keyData is required"));
    bed.refused(
        "john",
        "Resources",
        "addKey",
        &[el("owner", "ann"), el("keyData", &base64(&key))],
        (1, "Access denied"),
    );
    let typed =
        |kind: &str| each(&bed.done("ann", "Resources", "viewKeys", &[el("uid", "ann"), el("type", kind)]), "return");
    assert_eq!((typed("ssh-rsa").len(), typed("ssh").len(), typed("dsa").len()), (2, 2, 0));
    bed.refused("john", "Resources", "removeKey", &[el("owner", "ann"), el("name", &name)], (2, "No such key"));
    let _ = bed.done("john", "Resources", "removeKey", &[el("owner", "ann"), el("name", "shared")]);
    let _ = bed.done("ann", "Resources", "removeKey", &[el("uid", "ann"), el("name", &name)]);
    assert!(view("ann").is_empty());
    assert_eq!(bed.cimi("ann", "credential?$filter=type='ssh-key'").json()["count"], 0);
}
