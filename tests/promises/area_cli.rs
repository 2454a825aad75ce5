//! `mf2c ca`, `mf2c token`, `mf2c join` and `agent --join` as an operator meets them, with openssl and curl as the judges.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mf2c_tests::{Agent, Ran, Start, curl, eventually, mf2c, mf2c_fed, run};
use serde_json::Value;

/// An agent on ports of the system's choice.
fn start() -> Start {
    Start::new().arguments(["--link", "127.0.0.1:0"])
}

/// A command about this agent.
fn ask(agent: &Agent, arguments: &[&str]) -> Ran {
    let place = ["--data-dir", agent.data_dir().to_str().unwrap()];
    mf2c(&[arguments, &place].concat())
}

fn words<'a>(agent: &Agent, line: &'a str) -> Ran {
    ask(agent, &line.split(' ').collect::<Vec<&'a str>>())
}

/// An agent with the authority of an area.
fn authority(area: &str) -> Agent {
    let agent = start().agent();
    let _ = ask(&agent, &["ca", "init", "--area", area]).expect(0);
    agent
}

/// A new token, as it is printed.
fn token(agent: &Agent, more: &[&str]) -> String {
    let made = ask(agent, &[&["token", "create"], more].concat()).expect(0);
    made.out.trim_end().to_owned()
}

/// An agent that has joined.
fn member(authority: &Agent) -> Agent {
    let agent = start().agent();
    let _ = ask(&agent, &["join", &token(authority, &[])]).expect(0);
    agent
}

fn shown(agent: &Agent) -> Value {
    let shown = words(agent, "ca show -o json").expect(0);
    serde_json::from_str(&shown.out).unwrap()
}

fn tokens(agent: &Agent) -> Vec<Value> {
    serde_json::from_str(&words(agent, "token list -o json").expect(0).out).unwrap()
}

fn state(agent: &Agent, token: &str) -> String {
    let id = token.split('.').nth(2).unwrap();
    let found = tokens(agent).into_iter().find(|it| it["token"] == id).unwrap();
    found["state"].as_str().unwrap().to_owned()
}

fn openssl(folder: &Path, line: &str) -> Ran {
    let mut command = Command::new("openssl");
    command.args(line.split(' ')).current_dir(folder);
    run(command)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn commands_need_a_running_agent_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let some = "mf2c1.aa.bb.cc@h:1";
    for line in
        ["ca init", "ca show", "ca crl", "ca rotate", "ca revoke 4f", "token create", "token list", "token delete x"]
    {
        let words: Vec<&str> = line.split(' ').chain(["--data-dir", place]).collect();
        mf2c(&words).expect(6).tells(&["no agent runs with the data directory", place, "start the agent"]);
    }
    mf2c(&["join", some, "--data-dir", place]).expect(2).tells(&["this join token is not complete"]);
    let good = format!("mf2c1.{}.{}.{}@127.0.0.1:1", "0".repeat(64), "0".repeat(16), "A".repeat(43));
    mf2c(&["join", &good, "--data-dir", place]).expect(6).tells(&["no agent runs", "mf2c agent --join"]);
}

#[test]
fn an_agent_without_an_area_tells_how_to_get_one() {
    let agent = start().agent();
    let _ = words(&agent, "ca revoke 4f").expect(4);
    for line in ["ca show", "ca crl", "ca rotate", "token create"] {
        words(&agent, line).expect(4).tells(&["no certificate authority", "mf2c ca init", "mf2c join"]);
    }
    words(&agent, "token delete 0123456789abcdef").expect(4).tells(&["there is no token `0123456789abcdef`"]);
    words(&agent, "token list").expect(0).tells(&["there are no tokens"]);
}

#[test]
fn an_authority_is_made_once_and_openssl_believes_its_roots() {
    let agent = start().agent();
    let made = words(&agent, "ca init --area harbour --trust-domain fog.example --domain fog.example.org").expect(0);
    made.tells(&["other agents are let in on 127.0.0.1:", "ca/root.key"]);
    assert!(made.out.contains("harbour") && made.out.contains("fog.example"), "{}", made.out);
    words(&agent, "ca init --area pier").expect(5).tells(&["a certificate authority already"]);

    let view = shown(&agent);
    let root = view["authority"]["roots"][0].as_str().unwrap();
    assert!(words(&agent, "ca show").expect(0).out.contains(root));
    assert_eq!((&view["authority"]["area"], &view["membership"]["role"]), (&"harbour".into(), &"leader".into()));
    assert_eq!(view["authority"]["hasRootKey"], true);

    let data = agent.data_dir();
    assert_eq!((mode(&data.join("ca")), mode(&data.join("member"))), (0o700, 0o700));
    for key in ["ca/root.key", "ca/area.key", "member/agent.pem"] {
        assert_eq!(mode(&data.join(key)), 0o600, "{key}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("roots.pem"), words(&agent, "ca show --pem").expect(0).out).unwrap();
    let text = openssl(folder.path(), "x509 -in roots.pem -noout -text -fingerprint -sha256").expect(0).out;
    for expected in ["URI:spiffe://fog.example", "CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign", "prime256v1"] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    let print: String = root
        .to_uppercase()
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair))
        .collect::<Vec<_>>()
        .join(":");
    assert!(text.contains(&print), "{print} is not the fingerprint in:\n{text}");
    let area = data.join("ca/area.pem");
    let line = format!("verify -CAfile roots.pem {}", area.display());
    let _ = openssl(folder.path(), &line).expect(0);
    // The facade shows the area's certificate without a restart.
    let roots = folder.path().join("roots.pem");
    let url = format!("{}/cloud-entry-point", agent.api());
    let _ = curl(["--cacert", roots.to_str().unwrap(), &url]).expect(200);
}

#[test]
fn a_token_is_one_line_and_its_secret_is_nowhere_else() {
    let agent = authority("harbour");
    let made = ask(&agent, &["token", "create", "--ttl", "1h", "--name", "boat.mf2c.internal"]).expect(0);
    assert_eq!(made.out.lines().count(), 1, "{}", made.out);
    let token = made.out.trim_end();
    assert!(token.starts_with("mf2c1.") && token.contains("@127.0.0.1:"), "{token}");
    made.tells(&["lets one machine in as agent", "in 59 min", "only this machine can"]);
    let root = shown(&agent)["authority"]["roots"][0].as_str().unwrap().to_owned();
    let parts: Vec<&str> = token.split(['.', '@']).collect();
    let (id, secret) = (parts[2], parts[3]);
    assert_eq!(parts[1], root);

    let list = words(&agent, "token list").expect(0);
    assert!(list.out.contains(id) && list.out.contains("OPEN") && list.out.contains("in 59 min"), "{}", list.out);
    let listed = words(&agent, "token list -o json").expect(0).out;
    assert!(!listed.contains("digest") && !listed.contains(secret), "{listed}");
    for told in [agent.log(), agent.printed(), made.err, agent.send("GET", "join-token", None).text()] {
        assert!(!told.contains(secret), "{told}");
    }

    let other = ask(&agent, &["token", "create", "--address", "fog.example.org:8444"]).expect(0);
    assert!(other.out.trim_end().ends_with("@fog.example.org:8444") && !other.err.contains("only this machine"));
    let _ = ask(&agent, &["token", "delete", id, other.out.split('.').nth(2).unwrap()]).expect(0);
    assert!(tokens(&agent).is_empty());
    let boat = start().agent();
    ask(&boat, &["join", token]).expect(3).tells(&["token_invalid"]);
    ask(&agent, &["token", "delete", id]).expect(4).tells(&["there is no token", id]);
    words(&agent, "token create --area pier").expect(2).tells(&["`--area` is for --role leader"]);
}

#[test]
fn joining_says_what_it_does_and_a_second_time_is_refused() {
    let harbour = authority("harbour");
    let boat = start().agent();
    let token = token(&harbour, &[]);
    let place = ["--data-dir", boat.data_dir().to_str().unwrap()];
    let joined = mf2c_fed(&[], &[&["join", "-"], &place[..]].concat(), &format!("{token}\n")).expect(0);
    let root = shown(&harbour)["authority"]["roots"][0].as_str().unwrap().to_owned();
    joined.tells(&[
        "calling 127.0.0.1:",
        "found the authority",
        &root,
        "admitted as agent of the area harbour",
        "holds until",
        "(in 23 h)",
        "renews it by itself",
    ]);
    let view = shown(&boat);
    let (id, serial) = (view["membership"]["id"].as_str().unwrap(), view["membership"]["serial"].as_str().unwrap());
    assert_eq!((joined.out.trim_end(), &view["authority"]), (id, &Value::Null));
    assert!(id.starts_with("spiffe://mf2c.internal/area/harbour/agent/"), "{id}");
    assert!(words(&boat, "ca show").expect(0).out.contains(serial));
    let roots = words(&boat, "ca show --pem").expect(0).out;
    assert_eq!(roots, words(&harbour, "ca show --pem").expect(0).out);

    let listed = harbour.send("GET", &format!("certificate/{serial}"), None).expect(200).json();
    assert_eq!((&listed["kind"], &listed["state"], &listed["subject"]), (&"agent".into(), &"VALID".into(), &id.into()));
    assert_eq!(state(&harbour, &token), "USED");

    let again = self::token(&harbour, &[]);
    ask(&boat, &["join", &again]).expect(5).tells(&["belongs to the area `harbour` already", "member/"]);
    words(&boat, "ca init").expect(5).tells(&["belongs to the area `harbour` already"]);
    for line in ["token create", "ca crl", "ca rotate", "ca revoke 4f"] {
        let leader = view["membership"]["leader"].as_str().unwrap();
        words(&boat, line)
            .expect(4)
            .tells(&["this agent is a member: run this at the agent that leads the area", leader]);
    }
    eventually("the admission in the log", || harbour.log().contains("admitted an agent"));
    assert_eq!(state(&harbour, &again), "OPEN");
    assert!(!boat.log().contains(token.split('.').nth(3).unwrap()), "the token is in the log");
}

#[test]
fn each_bad_token_has_a_refusal_of_its_own() {
    let harbour = authority("harbour");
    let boat = start().agent();
    let join = |token: &str| ask(&boat, &["join", token]);

    join("token").expect(2).tells(&["this is no join token", "mf2c token create"]);
    join("mf2c1.aa").expect(2).tells(&["this join token is not complete", "the root's hash"]);
    join("mf2c2.aa.bb.cc@h:1").expect(2).tells(&["update mf2c on this machine"]);
    let good = token(&harbour, &[]);
    join(&good.replace("@127.0.0.1:", "@")).expect(2).tells(&["not HOST:PORT"]);
    let missing = boat.data_dir().join("none.txt");
    ask(&boat, &["join", "--token-file", missing.to_str().unwrap()]).expect(1).tells(&["none.txt", "No such file"]);

    // Another secret.
    let secret = good.split(['.', '@']).nth(3).unwrap();
    let first = if secret.starts_with('A') { 'B' } else { 'A' };
    join(&good.replace(secret, &format!("{first}{}", &secret[1..]))).expect(3).tells(&["token_invalid"]);

    let leader = token(&harbour, &["--role", "leader", "--area", "pier"]);
    join(&leader).expect(3).tells(&["another role", "mf2c join --role leader"]);
    assert_eq!(state(&harbour, &leader), "OPEN");

    let device = token(&harbour, &["--device", "somebody-else"]);
    join(&device).expect(3).tells(&["another device"]);

    let short = token(&harbour, &["--ttl", "1s"]);
    eventually("the end of a token", || state(&harbour, &short) == "EXPIRED");
    join(&short).expect(3).tells(&["token_expired", "ask for a new one"]);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (bare, _) = good.split_once('@').unwrap();
    join(&format!("{bare}@{nobody}")).expect(6).tells(&["no connection to", &nobody.to_string()]);

    // A token of another root, with the address of this one: whoever answers there never hears the secret.
    let other = authority("harbour");
    let theirs = token(&other, &[]);
    let (_, address) = good.split_once('@').unwrap();
    let (bare, _) = theirs.split_once('@').unwrap();
    join(&format!("{bare}@{address}")).expect(6).tells(&["is not to be trusted", address]);
    assert_eq!(state(&other, &theirs), "OPEN");

    let _ = join(&good).expect(0);
    let second = start().agent();
    ask(&second, &["join", &good]).expect(3).tells(&["token_used", "ask for a new one"]);
}

/// The revocation list, as openssl reads it.
fn revoked(agent: &Agent) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("crl.pem"), words(agent, "ca crl").expect(0).out).unwrap();
    fs::copy(agent.data_dir().join("ca/area.pem"), folder.path().join("area.pem")).unwrap();
    let read = openssl(folder.path(), "crl -in crl.pem -noout -text -CAfile area.pem").expect(0);
    assert!(read.err.contains("verify OK"), "{}", read.err);
    read.out.to_lowercase()
}

#[test]
fn what_is_revoked_is_in_a_list_that_openssl_believes() {
    let harbour = authority("harbour");
    let boat = member(&harbour);
    let view = shown(&boat);
    let serial = view["membership"]["serial"].as_str().unwrap();
    let device = view["membership"]["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(!revoked(&harbour).contains(serial));
    words(&harbour, "ca revoke 0123456789abcdef").expect(4).tells(&["0123456789abcdef"]);
    let _ = words(&harbour, "ca revoke --device nobody").expect(4);
    let _ = words(&harbour, "ca revoke --user nobody").expect(4);

    let done = ask(&harbour, &["ca", "revoke", serial, "--reason", "the boat was sold"]).expect(0);
    assert_eq!(done.out.trim_end(), serial);
    done.tells(&["1 certificate is revoked"]);
    assert!(revoked(&harbour).contains(serial));
    let document = harbour.send("GET", &format!("certificate/{serial}"), None).expect(200).json();
    assert_eq!((&document["state"], &document["reason"]), (&"REVOKED".into(), &"the boat was sold".into()));

    let other = member(&harbour);
    let other = shown(&other)["membership"]["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_ne!(device, other);
    let done = ask(&harbour, &["ca", "revoke", "--device", &other]).expect(0);
    assert!(revoked(&harbour).contains(done.out.lines().next().unwrap()));
}

#[test]
fn while_the_root_changes_either_is_good_and_afterwards_only_the_new_one() {
    let harbour = authority("harbour");
    let boat = member(&harbour);
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    let believed = |agent: &Agent, root: &PathBuf| {
        curl(["--cacert", root.to_str().unwrap(), &format!("{}/cloud-entry-point", agent.api())]).status == 200
    };
    let old = written("old.pem", &words(&harbour, "ca show --pem").expect(0).out);
    assert!(believed(&harbour, &old) && believed(&boat, &old));

    words(&harbour, "ca rotate --finish").expect(2).tells(&["mf2c ca rotate"]);
    words(&harbour, "ca rotate").expect(0).tells(&["beside the old one", "--finish"]);
    let _ = words(&harbour, "ca rotate").expect(2);
    let both = words(&harbour, "ca show --pem").expect(0).out;
    assert_eq!(
        (both.matches("BEGIN").count(), shown(&harbour)["authority"]["roots"].as_array().unwrap().len()),
        (2, 2)
    );
    let first = fs::read_to_string(&old).unwrap();
    let together = written("both.pem", &both);
    let new = written("new.pem", both.replace(first.trim_end(), "").trim_start());
    assert_eq!(openssl(folder.path(), "x509 -in new.pem -noout -subject").expect(0).err, "");
    for agent in [&harbour, &boat] {
        // OpenSSL follows one way only: that to the root which its users were given before. Agents follow both.
        eventually("both roots", || believed(agent, &old) && believed(agent, &together));
    }
    for agent in [&harbour, &boat] {
        for root in [&old, &new] {
            let ca = root.to_str().unwrap();
            let url = format!("https://{}", agent.https().replace("127.0.0.1", "localhost"));
            eventually("both roots", || mf2c(&["status", "--url", &url, "--ca", ca]).code == Some(0));
        }
    }
    let during = token(&harbour, &[]);
    let ship = start().agent();
    let _ = ask(&ship, &["join", &during]).expect(0);

    let _ = words(&harbour, "ca rotate --finish").expect(0);
    assert_eq!(words(&harbour, "ca show --pem").expect(0).out.matches("BEGIN").count(), 1);
    for agent in [&harbour, &boat, &ship] {
        eventually("the new root alone", || believed(agent, &new) && !believed(agent, &old));
    }
}

#[test]
fn an_agent_joins_at_its_start_once() {
    let harbour = authority("harbour");
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("boat"), folder.path().join("token.txt"));
    let place = format!("@{}", file.display());
    let boat = |join: &str| start().data_dir(&data).arguments(["--join", join]);

    boat(&place).refused().expect(1).tells(&["cannot read the token in", "No such file"]);
    boat("mf2c1.aa").refused().expect(2).tells(&["this join token is not complete"]);
    let good = token(&harbour, &[]);
    let (bare, _) = good.split_once('@').unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = boat(&format!("{bare}@{nobody}")).refused().expect(6);
    refused.tells(&["the agent did not join, so it stops", "no connection to"]);
    assert!(!refused.out.contains("ready"), "{}", refused.out);

    fs::write(&file, format!("{good}\n")).unwrap();
    let mut agent = boat(&place).agent();
    let serial = shown(&agent)["membership"]["serial"].clone();
    assert_eq!(shown(&agent)["membership"]["area"], "harbour");
    assert!(!agent.log().contains(good.split('.').nth(3).unwrap()), "the token is in the log");
    assert!(agent.stop("TERM").success());

    let mut agent = boat(&place).agent();
    assert_eq!(shown(&agent)["membership"]["serial"], serial);
    assert!(agent.stop("TERM").success());
    fs::remove_file(&file).unwrap();
    let mut agent = boat(&place).agent();
    assert!(agent.stop("TERM").success());

    let other = authority("harbour");
    boat(&token(&other, &[])).refused().expect(5).tells(&["belongs to the area `harbour` already", "another root"]);
}

#[test]
fn a_leader_joins_with_an_area_of_its_own() {
    let harbour = authority("harbour");
    let pier = start().agent();
    let leader = token(&harbour, &["--role", "leader", "--area", "pier"]);
    let joined = ask(&pier, &["join", "--role", "leader", &leader]).expect(0);
    joined.tells(&["admitted as leader of the area pier"]);
    let view = shown(&pier);
    assert_eq!((&view["authority"]["area"], &view["authority"]["hasRootKey"]), (&"pier".into(), &false.into()));
    let ship = member(&pier);
    assert_eq!(shown(&ship)["membership"]["area"], "pier");
    // One root for both areas.
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    fs::write(&root, words(&harbour, "ca show --pem").expect(0).out).unwrap();
    let url = format!("{}/cloud-entry-point", ship.api());
    let _ = curl(["--cacert", root.to_str().unwrap(), &url]).expect(200);
}

#[test]
fn a_key_that_others_may_read_keeps_the_agent_from_starting() {
    let harbour = authority("harbour");
    let (data, _folder) = harbour.kill();
    for key in ["ca/root.key", "ca/area.key", "member/agent.pem"] {
        let path = data.join(key);
        set_mode(&path, 0o644);
        start().data_dir(&data).refused().expect(1).tells(&[key, "0644", "chmod 600"]);
        set_mode(&path, 0o600);
    }
    let agent = start().data_dir(&data).agent();
    let _ = words(&agent, "ca show").expect(0);
}

/// The number of the newest list of revoked certificates.
fn list_number(agent: &Agent) -> u64 {
    shown(agent)["authority"]["listNumber"].as_u64().unwrap()
}

#[test]
fn lists_of_an_authority_from_an_old_copy_are_newer_than_those_that_members_have_seen() {
    let harbour = authority("harbour");
    let folder = tempfile::tempdir().unwrap();
    let copied = |from: &Path, to: &Path| {
        let mut cp = Command::new("cp");
        cp.arg("-a").args([from, to]);
        let _ = run(cp).expect(0);
    };
    let place = harbour.data_dir().join("ca");
    copied(&place, folder.path());
    for _ in 0..3 {
        let boat = member(&harbour);
        let serial = shown(&boat)["membership"]["serial"].clone();
        let _ = ask(&harbour, &["ca", "revoke", serial.as_str().unwrap()]).expect(0);
    }
    let before = list_number(&harbour);
    let (data, _kept) = harbour.kill();
    fs::remove_dir_all(&place).unwrap();
    copied(&folder.path().join("ca"), &data);
    let harbour = start().data_dir(&data).agent();
    eventually("a newer list", || list_number(&harbour) > before);
    assert!(revoked(&harbour).matches("serial number").count() == 3, "{}", revoked(&harbour));
}

#[test]
fn who_has_lost_its_certificate_comes_back_with_a_token_for_its_device_alone() {
    let harbour = authority("harbour");
    let (data, _kept) = member(&harbour).kill();
    fs::remove_dir_all(data.join("member")).unwrap();
    let boat = start().data_dir(&data).agent();
    let refused = ask(&boat, &["join", &token(&harbour, &[])]).expect(3);
    refused.tells(&["has been admitted already", "make a token with `--device "]);
    let device = refused.err.split("--device ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    let _ = ask(&boat, &["join", &token(&harbour, &["--device", &device])]).expect(0);
}

#[test]
fn agents_join_while_the_key_of_the_root_is_elsewhere_and_the_root_cannot_be_changed() {
    let (data, _kept) = authority("harbour").kill();
    let (key, away) = (data.join("ca/root.key"), data.join("root.key"));
    fs::rename(&key, &away).unwrap();
    let harbour = start().data_dir(&data).agent();
    assert!(words(&harbour, "ca show").expect(0).out.contains("not on this machine"));
    let boat = member(&harbour);
    assert_eq!(shown(&boat)["membership"]["area"], "harbour");
    words(&harbour, "ca rotate").expect(2).tells(&["the key of the root is not on this machine"]);
    let refused = words(&harbour, "token create --role leader --area pier").expect(2);
    refused.tells(&["the key of the root is not on this machine"]);
    let (data, _) = harbour.kill();
    fs::rename(&away, &key).unwrap();
    let harbour = start().data_dir(&data).agent();
    let _ = words(&harbour, "ca rotate").expect(0);
}
