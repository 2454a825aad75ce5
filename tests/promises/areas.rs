//! Agents in an area: they join with a token, show its certificates, renew them while connections stay open, and lose their
//! links at once when they are revoked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mf2c_tests::{Agent, Start, curl, eventually, let_pass, mf2c};
use serde_json::Value;

/// Agents and what they need on disk; they are stopped and it is removed at the end.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data_dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, name: &str) -> Start {
        self.start_at(name, "127.0.0.1:0")
    }

    /// A fixed port, so that others find the agent again after a restart.
    fn start_at(&self, name: &str, link: &str) -> Start {
        // Backups have links of their own, which would have to be told from those that are counted here.
        let start = Start::new().data_dir(&self.data_dir(name)).environment("MF2C_AREA_BACKUPS", "0");
        start.environment("MF2C_LINK_LISTEN", link)
    }
}

/// A command for the agent of a data directory, which succeeds: what it prints.
fn told(data_dir: &Path, words: &[&str]) -> String {
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    mf2c(&[words, &place].concat()).expect(0).out
}

/// What `mf2c ca show` knows.
fn shown(agent: &Agent) -> Value {
    serde_json::from_str(&told(agent.data_dir(), &["ca", "show", "-o", "json"])).unwrap()
}

/// An authority and leader.
fn found(leader: &Agent) {
    told(leader.data_dir(), &["ca", "init", "--area", "pier"]);
}

/// Lets an agent in.
fn join(leader: &Agent, member: &Agent) {
    let token = told(leader.data_dir(), &["token", "create"]);
    told(member.data_dir(), &["join", token.trim()]);
}

fn device(agent: &Agent) -> String {
    shown(agent)["membership"]["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn serial(agent: &Agent) -> String {
    shown(agent)["membership"]["serial"].as_str().unwrap().to_owned()
}

/// A figure of `/metrics`; none where it is not told.
fn figure(agent: &Agent, name: &str) -> Option<f64> {
    let page = curl(["-k", &format!("https://{}/metrics", agent.https())]).expect(200).text();
    page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok())
}

fn links(agent: &Agent) -> f64 {
    figure(agent, "mf2c_links").unwrap_or_default()
}

/// The roots as a file for curl.
fn roots(agent: &Agent, place: &Place, name: &str) -> String {
    let path = place.folder.path().join(name);
    fs::write(&path, told(agent.data_dir(), &["ca", "show", "--pem"])).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether a client that believes these roots, and none else, gets an answer.
fn believed(agent: &Agent, roots: &str) -> bool {
    let url = format!("https://{}/healthz", agent.https());
    std::process::Command::new("curl")
        .args(["-s", "-f", "-o", "/dev/null", "--cacert", roots, &url])
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn a_second_agent_joins_with_a_token_and_both_show_certificates_of_the_area() {
    let place = Place::new();
    let (leader, member) = (place.start("lead").agent(), place.start("kid").agent());
    let threads = |agent: &Agent| fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap().count();
    let few = threads(&leader);
    assert_eq!(figure(&leader, "mf2c_member_expiry_timestamp_seconds"), None);
    let before = leader.printed();
    found(&leader);
    join(&leader, &member);
    eventually("the link", || links(&leader) == 1.0 && links(&member) == 1.0);
    assert!(threads(&leader) > few, "a thread for links runs only where it is needed");
    let roots = roots(&leader, &place, "roots.pem");
    for agent in [&leader, &member] {
        assert!(believed(agent, &roots), "{}", agent.log());
        let own = &shown(agent)["membership"];
        assert_eq!(own["area"], "pier");
        let status = mf2c(&["status", "--url", &format!("https://{}", agent.https()), "--ca", &roots]).expect(0).out;
        assert!(status.contains("links       1 open, member of an area until 2"), "{status}");
        let ends = figure(agent, "mf2c_certificate_expiry_timestamp_seconds").unwrap();
        assert_eq!(Some(ends), figure(agent, "mf2c_member_expiry_timestamp_seconds"));
    }
    assert_eq!(leader.printed(), before);
    for (folder, file) in
        [("lead/ca", "root.key"), ("lead/ca", "area.key"), ("lead/member", "agent.pem"), ("kid/member", "agent.pem")]
    {
        let mode = fs::metadata(place.folder.path().join(folder).join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{folder}/{file}");
    }
}

#[test]
fn after_restarts_and_a_kill_the_link_is_there_again_without_a_token() {
    let place = Place::new();
    let leader = place.start("lead").agent();
    let mut member = place.start("kid").agent();
    found(&leader);
    join(&leader, &member);
    eventually("the link", || links(&leader) == 1.0);
    let (address, first) = (shown(&leader)["listens"].as_str().unwrap().to_owned(), serial(&member));
    assert!(member.stop("TERM").success());
    eventually("the end of the link", || links(&leader) == 0.0);
    let member = place.start("kid").agent();
    eventually("the link after the member's restart", || links(&leader) == 1.0 && links(&member) == 1.0);
    assert_eq!(serial(&member), first);
    let _ = leader.kill();
    let leader = place.start_at("lead", &address).agent();
    eventually("the link after the leader was killed", || links(&leader) == 1.0 && links(&member) == 1.0);
    let roots = roots(&leader, &place, "roots.pem");
    assert!(believed(&leader, &roots) && believed(&member, &roots));
}

#[test]
fn a_revoked_agent_loses_its_link_and_gets_no_other_while_its_neighbour_keeps_its_own() {
    let place = Place::new();
    let leader = place.start("lead").agent();
    let (member, other) = (place.start("kid").agent(), place.start("other").agent());
    found(&leader);
    join(&leader, &member);
    join(&leader, &other);
    eventually("two links", || links(&leader) == 2.0);
    let opened = figure(&other, "mf2c_links_total");
    told(leader.data_dir(), &["ca", "revoke", "--device", &device(&member)]);
    eventually("the end of the link", || links(&leader) == 1.0);
    assert_eq!(links(&other), 1.0);
    assert_eq!(figure(&other, "mf2c_links_total"), opened, "its link is the one that it was");
    eventually("the list at the neighbour", || figure(&other, "mf2c_certificates_revoked") == Some(1.0));
    // It tries again, after pauses.
    let_pass(Duration::from_secs(2));
    assert_eq!(links(&leader), 1.0);
    // With a token made for it, it is let in again.
    let token = told(leader.data_dir(), &["token", "create", "--device", &device(&member)]);
    eventually("that it learns of it", || {
        mf2c(&["join", token.trim(), "--data-dir", member.data_dir().to_str().unwrap()]).code == Some(0)
    });
    eventually("the link after another token", || links(&leader) == 2.0);
}

#[test]
fn certificates_of_seconds_are_renewed_again_and_again_while_one_connection_stays_open() {
    let place = Place::new();
    let leader = place.start("lead").environment("MF2C_PKI_LEAF_LIFE", "12s").agent();
    let member = place.start("kid").agent();
    found(&leader);
    join(&leader, &member);
    eventually("the link", || links(&leader) == 1.0);
    let mut open = mf2c_tests::Connection::open(&member.http()).unwrap();
    let roots = roots(&leader, &place, "roots.pem");
    let mut serials = vec![serial(&member)];
    eventually("three renewals", || {
        assert_eq!(open.send("GET", "/healthz", "").unwrap().0, 200);
        assert!(believed(&member, &roots) && believed(&leader, &roots), "{}", member.log());
        let now = serial(&member);
        if serials.last() != Some(&now) {
            serials.push(now);
        }
        serials.len() > 3
    });
    let opened = figure(&member, "mf2c_links_total").unwrap();
    assert!(opened <= 8.0, "{opened} links for {} certificates", serials.len());
}

#[test]
fn while_the_root_changes_there_is_no_moment_at_which_a_handshake_fails() {
    let place = Place::new();
    let (leader, member) = (place.start("lead").agent(), place.start("kid").agent());
    found(&leader);
    join(&leader, &member);
    eventually("the link", || links(&leader) == 1.0 && links(&member) == 1.0);
    let old = roots(&leader, &place, "old.pem");
    told(leader.data_dir(), &["ca", "rotate"]);
    eventually("both roots at the member", || {
        assert!(believed(&leader, &old) && believed(&member, &old), "who knows the old root only");
        believed_roots(&member) == 2
    });
    let both = roots(&leader, &place, "both.pem");
    told(leader.data_dir(), &["ca", "rotate", "--finish"]);
    eventually("the new root alone at the member", || {
        assert!(believed(&leader, &both) && believed(&member, &both));
        believed_roots(&member) == 1
    });
    let new = roots(&leader, &place, "new.pem");
    assert!(believed(&leader, &new) && believed(&member, &new));
    assert_eq!(links(&leader), 1.0);
    let third = place.start("third").agent();
    join(&leader, &third);
    eventually("a link with the new root", || links(&leader) == 2.0);
}

/// How many roots an agent believes.
fn believed_roots(agent: &Agent) -> usize {
    shown(agent)["membership"]["roots"].as_array().unwrap().len()
}

/// Handshakes without a pause, on both agents, until it is stopped; each is counted. One that fails is a panic.
fn keep_shaking(agents: [&Agent; 2], roots: &str, going: &AtomicBool, count: &AtomicUsize) {
    while going.load(Ordering::Relaxed) {
        for agent in agents {
            assert!(believed(agent, roots), "after {count:?} handshakes, {roots}: {}", agent.log());
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn handshakes_without_a_pause_survive_each_step_of_a_change_of_roots_and_who_was_off_for_a_while_hears_of_it() {
    let place = Place::new();
    let (leader, member) = (place.start("lead").agent(), place.start("kid").agent());
    let mut off = place.start("off").agent();
    found(&leader);
    join(&leader, &member);
    join(&leader, &off);
    eventually("the links", || links(&leader) == 2.0);
    assert!(off.stop("TERM").success());
    let during = |roots: &str, step: &[&str], left: usize| {
        let (going, count) = (AtomicBool::new(true), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let shaking = scope.spawn(|| keep_shaking([&leader, &member], roots, &going, &count));
            let some = || {
                let before = count.load(Ordering::Relaxed);
                eventually("handshakes", || shaking.is_finished() || count.load(Ordering::Relaxed) >= before + 20);
            };
            some();
            told(leader.data_dir(), step);
            eventually("the step at the member", || shaking.is_finished() || believed_roots(&member) == left);
            some();
            going.store(false, Ordering::Relaxed);
            shaking.join().expect("a handshake failed");
        });
    };
    let opened = figure(&member, "mf2c_links_total");
    during(&roots(&leader, &place, "old.pem"), &["ca", "rotate"], 2);
    during(&roots(&leader, &place, "both.pem"), &["ca", "rotate", "--finish"], 1);
    assert_eq!(links(&leader), 1.0);
    assert_eq!(figure(&member, "mf2c_links_total"), opened, "the link is the one that it was");

    // Its certificate still holds, so it knows its leader, who tells it.
    let off = place.start("off").agent();
    eventually("the link of who was off", || links(&leader) == 2.0 && believed_roots(&off) == 1);
    let new = roots(&leader, &place, "new.pem");
    eventually("the new root at who was off", || {
        fs::read_to_string(&new).unwrap() == told(off.data_dir(), &["ca", "show", "--pem"])
    });
    assert!(believed(&off, &new));
}

#[test]
fn who_was_off_while_the_roots_changed_and_its_certificate_ended_says_that_it_needs_a_token_and_gets_in_with_it() {
    let place = Place::new();
    let leader = place.start("lead").environment("MF2C_PKI_LEAF_LIFE", "10s").agent();
    let mut member = place.start("kid").agent();
    found(&leader);
    join(&leader, &member);
    let absent = device(&member);
    assert!(member.stop("TERM").success());
    told(leader.data_dir(), &["ca", "rotate"]);
    told(leader.data_dir(), &["ca", "rotate", "--finish"]);
    let_pass(Duration::from_secs(11));
    let member = place.start("kid").agent();
    let trouble = || shown(&member)["membership"]["trouble"].as_str().unwrap_or_default().to_owned();
    eventually("advice", || trouble().contains("expired") && trouble().contains("join again with a new token"));
    assert_eq!(links(&leader), 0.0);
    let token = told(leader.data_dir(), &["token", "create", "--device", &absent]);
    told(member.data_dir(), &["join", token.trim()]);
    eventually("the link after another token", || links(&leader) == 1.0);
    assert_eq!(shown(&member)["membership"]["trouble"], Value::Null);
}

#[test]
fn a_leader_joins_the_cloud_gets_an_area_of_its_own_and_lets_others_in_while_the_cloud_is_gone() {
    let place = Place::new();
    let (cloud, leader) = (place.start("sky").agent(), place.start("lead").agent());
    told(cloud.data_dir(), &["ca", "init", "--area", "cloud"]);
    let token = told(cloud.data_dir(), &["token", "create", "--role", "leader", "--area", "pier"]);
    told(leader.data_dir(), &["join", "--role", "leader", token.trim()]);
    let roots = roots(&cloud, &place, "roots.pem");
    assert_eq!(
        (&shown(&leader)["authority"]["area"], &shown(&leader)["membership"]["area"]),
        (&"pier".into(), &"pier".into())
    );
    eventually("the link to the cloud", || links(&cloud) == 1.0 && links(&leader) == 1.0);
    let _ = cloud.kill();
    let member = place.start("kid").agent();
    join(&leader, &member);
    eventually("the link to the leader", || links(&leader) == 1.0 && links(&member) == 1.0);
    assert!(shown(&member)["membership"]["id"].as_str().unwrap().contains("/area/pier/agent/"));
    assert!(believed(&leader, &roots) && believed(&member, &roots));
}

#[test]
fn who_was_off_beyond_the_end_of_its_certificate_comes_back_where_that_is_allowed_and_else_says_what_to_do() {
    for allowed in [true, false] {
        let place = Place::new();
        let settings =
            [("MF2C_PKI_LEAF_LIFE", "10s"), ("MF2C_PKI_RENEW_AFTER_EXPIRY", if allowed { "true" } else { "false" })];
        let start = settings.iter().fold(place.start("lead"), |start, (name, value)| start.environment(name, value));
        let leader = start.agent();
        let mut member = place.start("kid").agent();
        found(&leader);
        join(&leader, &member);
        let first = serial(&member);
        assert!(member.stop("TERM").success());
        let_pass(Duration::from_secs(11));
        let member = place.start("kid").agent();
        if allowed {
            eventually("another certificate", || serial(&member) != first && links(&leader) == 1.0);
            continue;
        }
        let trouble = || shown(&member)["membership"]["trouble"].as_str().unwrap_or_default().to_owned();
        eventually("advice", || trouble().contains("join again with a new token"));
        assert_eq!((serial(&member), links(&leader)), (first, 0.0));
    }
}

#[test]
fn an_agent_whose_key_others_may_read_does_not_start() {
    let place = Place::new();
    let mut leader = place.start("lead").agent();
    found(&leader);
    assert!(leader.stop("TERM").success());
    for file in ["member/agent.pem", "ca/area.key"] {
        let path = place.data_dir("lead").join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = place.start("lead").refused();
        assert_ne!(refused.code, Some(0));
        refused.tells(&[file, "0644", "chmod 600"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let leader = place.start("lead").agent();
    assert_eq!(shown(&leader)["authority"]["area"], "pier");
}
