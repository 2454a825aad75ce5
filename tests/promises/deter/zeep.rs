//! zeep, a stock client of SOAP, loads the descriptions and calls every operation.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use mf2c_tests::{SmtpServer, python};

use super::place::{PREFIX, Testbed, start};
use crate::testbed::{lend, stop_all};

/// The version of the client.
pub(super) const PACKAGE: &str = "zeep==4.3.3";
/// What the client says when it has tried it.
const PARTS: [&str; 11] = [
    "ApiInfo",
    "accounts",
    "signing in",
    "passwords",
    "profiles",
    "notifications",
    "projects",
    "projects of the first generation",
    "experiments",
    "resources",
    "what runs",
];
/// The operations of the API's first description (2013), by its five services. What it heads "getProfileDescription" a second
/// time makes an account.
const SEED: [(&str, &[&str]); 5] = [
    ("ApiInfo", &["getVersion", "echo"]),
    (
        "Users",
        &[
            "requestChallenge",
            "challengeResponse",
            "changePassword",
            "requestPasswordReset",
            "changePasswordChallenge",
            "getProfileDescription",
            "getUserProfile",
            "changeUserProfile",
            "getNotifications",
            "markNotificationsRead",
            "createUser",
        ],
    ),
    (
        "Projects",
        &[
            "viewProjects",
            "addUser",
            "removeUser",
            "changePermissions",
            "setOwner",
            "requestJoin",
            "createProject",
            "removeProject",
            "getVettingRequirements",
            "createVettingProject",
            "makeProjectVetting",
        ],
    ),
    (
        "Experiments",
        &[
            "viewExperiments",
            "createExperiment",
            "modifyExperiment",
            "removeExperiment",
            "realizeExperiment",
            "releaseExperiment",
        ],
    ),
    (
        "Resources",
        &[
            "viewComputers",
            "createComputer",
            "modifyComputer",
            "removeComputer",
            "viewImages",
            "modifyImage",
            "removeImage",
            "viewKeys",
            "addKey",
            "removeKey",
        ],
    ),
];

#[test]
fn zeep_loads_all_descriptions_and_calls_every_operation() {
    let server = SmtpServer::start();
    let start = server.environment().iter().fold(start(), |start, (name, value)| start.environment(name, value));
    // Experiments run as plain processes.
    let start = start.environment("MF2C_SERVICES_PROCESS", "true").environment("MF2C_SERVICES_DOCKER_SOCKET", "");
    let place = Testbed::with(start);
    lend(|method, path, body| place.admin(method, path, body));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/deter.py");
    let mut command = Command::new(python("test-zeep", &[PACKAGE]));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).arg("-B").arg(script);
    command.args([
        &place.base(),
        &place.path("roots.pem"),
        &place.path(""),
        "admin",
        &place.agent.admin_password(),
        PREFIX,
    ]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let (mut told, mut taken) = (Vec::new(), Vec::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(to) = line.strip_prefix("mail ") {
            let number = number_for(&server, to, &mut taken);
            writeln!(input, "{number}").unwrap();
        }
        told.push(line);
    }
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    let status = child.wait().unwrap();
    stop_all(|method, path, body| place.admin(method, path, body));
    assert!(status.success(), "{told:#?}\n{error}\n{}", place.agent.log());
    let done: Vec<_> = told.iter().filter_map(|line| line.strip_prefix("done: ")).collect();
    assert_eq!(done, PARTS);
    let named = |what: &str, service: &str| -> BTreeSet<&str> {
        let start = format!("{what}: {service} ");
        told.iter().find_map(|line| line.strip_prefix(&start)).unwrap().split(' ').collect()
    };
    let counts = ["ApiInfo", "Users", "Projects", "Experiments", "Realizations", "Resources"]
        .map(|service| named("operations", service).len());
    assert_eq!(counts, [3, 16, 22, 15, 3, 10]);
    assert_eq!(SEED.map(|(_, operations)| operations.len()), [2, 11, 11, 6, 10]);
    for (service, operations) in SEED {
        let succeeded = named("succeeded", service);
        let missing: Vec<_> = operations.iter().filter(|name| !succeeded.contains(**name)).collect();
        assert!(missing.is_empty(), "{service} has refused {missing:?} each time");
    }
}

/// The number in the first mail to somebody that has not been looked at: it stands behind the prefix, on a line of its
/// own.
fn number_for(server: &SmtpServer, to: &str, taken: &mut Vec<usize>) -> String {
    let mut number = None;
    mf2c_tests::eventually("a mail", || {
        let mails = server.mails();
        let found = mails.iter().enumerate().find(|(at, mail)| !taken.contains(at) && mail.to == [to]);
        number = found.map(|(at, mail)| (at, mail.link()));
        number.is_some()
    });
    let (at, link) = number.unwrap();
    taken.push(at);
    link.strip_prefix(PREFIX).expect("the prefix").to_owned()
}
