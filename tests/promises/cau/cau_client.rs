//! cau-client: from the trigger to the leader's handshake, and everything that may go wrong on the way.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// An edge whose cau-client asks this CAU, and shows its certificate to that leader.
struct Edge {
    agent: Agent,
    folder: TempDir,
    trigger: String,
}

impl Edge {
    fn new(of: &Agent, cau: &str, leader: &str, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pkidata, root) = (folder.path().join("pkidata"), root(of, folder.path()));
        let fixed = [
            ("MF2C_LEGACY_TRIGGER", "127.0.0.1:0"),
            ("MF2C_LEGACY_PKIDATA", pkidata.to_str().unwrap()),
            ("MF2C_LEGACY_CAU_CA", root.to_str().unwrap()),
            ("CAU_URL", cau),
            ("LCAU_URL", leader),
        ];
        let start = fixed.iter().chain(more).fold(start(), |start, (name, value)| start.environment(name, value));
        let agent = start.agent();
        let trigger = door(&agent, "legacy.trigger");
        Self { agent, folder, trigger }
    }

    fn beside(leader: &Agent, more: &[(&str, &str)]) -> Self {
        Self::new(leader, &door(leader, "legacy.cau"), &door(leader, "legacy.leader_cau"), more)
    }

    fn pull(&self, device: &str) -> String {
        trigger(&self.trigger, &format!("detectedLeaderID={device},deviceID={device}\n"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("pkidata").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

#[test]
fn the_documented_flow_ends_with_ok_three_files_and_a_leader_who_has_seen_the_certificate() {
    let leader = leader();
    let edge = Edge::beside(&leader, &[]);
    let device = identifier('8');
    permit(&leader, &device);
    assert_eq!(edge.pull(&device), "OK\n");
    let mode = |name: &str| fs::metadata(edge.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("server.key"), mode("server.crt"), mode("deviceid.txt")), (0o600, 0o644, 0o644));
    assert_eq!(edge.read("deviceid.txt"), device);
    assert!(edge.read("server.key").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(edge.read("server.crt").matches("BEGIN CERTIFICATE").count(), 1, "the leaf alone");
    let pkidata = edge.folder.path().join("pkidata");
    let of = |line: &str| openssl(&pkidata, &line.split(' ').collect::<Vec<_>>()).expect(0).out;
    assert_eq!(of("verify -CAfile ca.crt server.crt"), "server.crt: OK\n");
    assert_eq!(of("x509 -in server.crt -noout -pubkey"), of("pkey -in server.key -pubout"));
    assert!(of("x509 -in server.crt -noout -subject").contains(&format!("CN = {},", &device[..63])));
    eventually("the word of the leader", || leader.log().contains("has shown its certificate to the leader's CAU"));
    let [document] = certificates(&leader, &device).try_into().unwrap();
    assert_eq!((&document["kind"], &document["issuer"]), (&"legacy".into(), &"it2untrustedca".into()));

    let before = edge.read("server.crt");
    assert_eq!(edge.pull(&device), "OK\n", "a second trigger");
    assert_eq!(
        (edge.read("server.crt"), certificates(&leader, &device).len()),
        (before.clone(), 1),
        "nothing new was issued"
    );
    fs::write(edge.file("server.crt"), "lost").unwrap();
    assert_eq!(edge.pull(&device), "OK\n", "whoever has the key needs no token to have its certificate again");
    assert_eq!((edge.read("server.crt"), certificates(&leader, &device).len()), (before, 1));
    let key = trigger(&edge.trigger, &format!("getpubkey={device}\n"));
    let plain = key.replace("RSA PUBLIC KEY", "PUBLIC KEY");
    assert!(key.starts_with("-----BEGIN RSA PUBLIC KEY-----\n") && key.ends_with("-----\n"), "{key}");
    assert_eq!(plain, of("pkey -in server.key -pubout"));
    assert!(trigger(&edge.trigger, "getpubkey=nobody\n").starts_with("err2"), "a device that is unknown");
}

#[test]
fn the_first_iteration_works_as_well_with_a_token_from_a_file() {
    let leader = leader();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{}\n", token(&leader, &[]))).unwrap();
    let more = [("MF2C_LEGACY_CAU_GENERATION", "it1"), ("MF2C_LEGACY_CAU_TOKEN_FILE", file.to_str().unwrap())];
    let edge = Edge::beside(&leader, &more);
    let line = format!("MACaddr=ab:cd:ef:01:23:45,IDkey={0},deviceID=edge-1,detectedLeaderID=None\n", identifier('a'));
    assert_eq!(trigger(&edge.trigger, &line), "OK\n");
    let line = fs::read_to_string(&file).unwrap();
    let secret = line.split(['.', '@']).nth(3).unwrap();
    assert!(edge.file("ca.crt").exists() && !edge.agent.log().contains(secret) && !leader.log().contains(secret));
    assert_eq!(certificates(&leader, "edge-1")[0]["kind"], "legacy");
    // Another device has no right to the same token, and the old key stays as it is.
    let key = edge.read("server.key");
    assert!(edge.pull("edge-2").starts_with("err1"));
    assert_eq!((edge.read("server.key"), edge.read("deviceid.txt")), (key, "edge-1".to_owned()));
}

#[test]
fn lines_that_ask_for_nothing_are_refused_and_certify_nobody() {
    let leader = leader();
    let edge = Edge::beside(&leader, &[]);
    permit(&leader, "edge-1");
    let good = "detectedLeaderID=None,deviceID=edge-1";
    for bad in ["foo=bar\n", "\n", "hello\n", &format!("{good},deviceID=edge-2\n"), &format!("{good},admin=true\n")] {
        let said = trigger(&edge.trigger, bad);
        assert!(said.starts_with("err4: ") && !said.contains("OK") && !said.ends_with('\n'), "{bad}: {said}");
    }
    let long = trigger(&edge.trigger, &"x".repeat(2 << 20));
    assert!(long.starts_with("err4: the line is longer"), "{long}");
    let mut waiting = TcpStream::connect(&edge.trigger).unwrap();
    waiting.write_all(good.as_bytes()).unwrap();
    // Who says nothing more keeps nobody else waiting.
    assert!(trigger(&edge.trigger, "foo=bar\n").starts_with("err4"));
    waiting.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
    let mut said = String::new();
    waiting.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("err4: no line came within 15 seconds"), "{said}");
    assert!(certificates(&leader, "edge-1").is_empty() && !edge.file("server.crt").exists());
}

#[test]
fn a_cau_that_is_away_silent_or_somebody_else_is_an_error_within_the_time_that_callers_wait() {
    let (leader, other) = (leader(), super::leader());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    permit(&leader, "edge-1");
    permit(&other, "edge-1");
    let lcau = door(&leader, "legacy.leader_cau");
    for (what, cau) in
        [("nobody there", "127.0.0.1:1".to_owned()), ("silence", silent), ("another root", door(&other, "legacy.cau"))]
    {
        let edge = Edge::new(&leader, &cau, &lcau, &[]);
        // Who asks waits for so long, and no longer.
        let said = edge.pull("edge-1");
        assert!(said.starts_with("err1: "), "{what}: {said}");
        assert!(!edge.file("server.crt").exists(), "{what}");
    }
    assert!(certificates(&other, "edge-1").is_empty(), "it was asked for nothing");
}

#[test]
fn a_leader_who_refuses_or_is_away_is_an_error_even_with_a_certificate() {
    let leader = leader();
    permit(&leader, "edge-1");
    let (cau, lcau) = (door(&leader, "legacy.cau"), door(&leader, "legacy.leader_cau"));
    let away = Edge::new(&leader, &cau, "127.0.0.1:1", &[]);
    let said = away.pull("edge-1");
    assert!(said.starts_with("err1: the leader's CAU"), "{said}");
    permit(&leader, "edge-2");
    let edge = Edge::new(&leader, &cau, &lcau, &[]);
    assert_eq!(edge.pull("edge-2"), "OK\n");
    let _ = ask(&leader, &["ca", "revoke", "--device", "edge-2"]).expect(0);
    let said = edge.pull("edge-2");
    assert!(said.starts_with("err1: the leader's CAU"), "revoked: {said}");
}

#[test]
fn a_key_that_others_may_read_is_refused_and_one_of_the_original_is_read() {
    let leader = leader();
    permit(&leader, "edge-1");
    let edge = Edge::beside(&leader, &[]);
    let pkidata = edge.folder.path().join("pkidata");
    fs::create_dir(&pkidata).unwrap();
    let _ =
        openssl(&pkidata, &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "server.key"])
            .expect(0);
    let wrong = edge.read("server.key").replace("PRIVATE KEY", "RSA PRIVATE KEY");
    fs::write(edge.file("server.key"), &wrong).unwrap();
    fs::set_permissions(edge.file("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = edge.pull("edge-1");
    assert!(said.starts_with("err1: private key") && said.contains("chmod 600"), "{said}");
    fs::set_permissions(edge.file("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(edge.pull("edge-1"), "OK\n");
    assert_eq!(edge.read("server.key"), wrong, "a key is never replaced");
}

#[test]
fn who_takes_no_notice_of_the_answer_does_not_keep_the_place_of_others() {
    let agent = start().environment("MF2C_LEGACY_TRIGGER", "127.0.0.1:0").agent();
    let address = door(&agent, "legacy.trigger");
    let answered: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(b"nonsense\n").unwrap();
            let _ = stream.read(&mut [0; 4]).unwrap();
            stream
        })
        .collect();
    assert!(trigger(&address, "nonsense\n").starts_with("err4"));
    drop(answered);
}
