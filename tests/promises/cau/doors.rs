//! The regional CAU and the leader's CAU, as old clients and attackers meet them.

use super::*;

/// The public key of a device, as the CAU tells it.
fn key(cau: &str, device: &str) -> String {
    client(&["key", cau, device])
}

#[test]
fn no_door_is_open_unless_it_is_asked_for() {
    let agent = start().agent();
    assert!(!agent.log().contains("legacy."), "{}", agent.log());
}

#[test]
fn clients_of_both_iterations_are_certified_on_one_port_and_may_ask_again() {
    let leader = leader();
    let cau = door(&leader, "legacy.cau");
    let (one, two) = (Device::new(&identifier('1')), Device::new("edge-2"));
    permit(&leader, &one.id);
    let first = one.certify("it1", &cau, &["--pieces"]);
    one.keep(&first);
    assert_eq!(one.certify("it1", &cau, &[]), first, "the answer was lost: the same again, without a token");
    let made = token(&leader, &[]);
    let second = two.certify("it2", &cau, &["--token", &made]);
    assert!(second.starts_with("200 "), "{second}");
    two.keep(&second);
    let told = key(&cau, "edge-2");
    let own = openssl(two.folder.path(), &["pkey", "-in", "key.pem", "-pubout"]).expect(0).out;
    assert_eq!(told, format!("200 {}", own.replace("PUBLIC KEY", "RSA PUBLIC KEY")));
    assert!(key(&cau, "edge-3").starts_with("404 "));
    assert!(!leader.log().contains(made.split('.').nth(3).unwrap()), "a secret in the log");
    assert_eq!((certificates(&leader, &one.id).len(), certificates(&leader, "edge-2").len()), (1, 1));
}

#[test]
fn nobody_takes_the_place_of_a_device_that_is_known() {
    let leader = leader();
    let cau = door(&leader, "legacy.cau");
    let victim = Device::new("edge-1");
    permit(&leader, "edge-1");
    victim.keep(&victim.certify("it2", &cau, &[]));
    let before = key(&cau, "edge-1");
    let attacker = Device::new("edge-1");
    let some = token(&leader, &[]);
    let of_another = token(&leader, &["--device", "edge-9"]);
    for more in [&[][..], &["--token", &some], &["--token", &of_another]] {
        let said = attacker.certify("it2", &cau, more);
        assert!(said.starts_with("403 "), "{said}");
        assert!(attacker.certify("it1", &cau, more).starts_with("ERROR:"));
    }
    assert_eq!((key(&cau, "edge-1"), certificates(&leader, "edge-1").len()), (before.clone(), 1));
    // The token was not used up by that, and a new key comes with a token for this very device.
    assert!(Device::new("edge-2").certify("it2", &cau, &["--token", &some]).starts_with("200 "));
    let allowed = token(&leader, &["--device", "edge-1"]);
    attacker.keep(&attacker.certify("it2", &cau, &["--token", &allowed]));
    assert_ne!(key(&cau, "edge-1"), before);
}

#[test]
fn without_a_permission_or_with_a_bad_request_nothing_is_certified() {
    let leader = leader();
    let cau = door(&leader, "legacy.cau");
    let device = Device::new("edge-1");
    assert!(device.certify("it2", &cau, &[]).starts_with("401 "));
    assert!(device.certify("it1", &cau, &[]).starts_with("ERROR:no open join token"));
    assert!(device.certify("it2", &cau, &["--token", "nonsense"]).starts_with("400 "));
    let good = token(&leader, &[]);
    let (head, address) = good.split_once('@').unwrap();
    let forged = format!("{}{}@{address}", &head[..head.len() - 43], "A".repeat(43));
    assert!(device.certify("it2", &cau, &["--token", &forged]).starts_with("401 "));
    permit(&leader, "edge-1");
    let weak = Device::with("edge-1", "rsa:1024", &[]);
    assert!(weak.certify("it2", &cau, &[]).starts_with("400 "));
    let greedy = Device::with("edge-1", "rsa:2048", &["-addext", "subjectAltName=DNS:cau.example.org"]);
    assert!(greedy.certify("it2", &cau, &[]).starts_with("403 "));
    fs::write(device.path("csr.pem"), "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n")
        .unwrap();
    assert!(device.certify("it2", &cau, &[]).starts_with("400 "));
    assert!(certificates(&leader, "edge-1").is_empty());
    let used = Device::new("edge-2");
    used.keep(&used.certify("it2", &cau, &["--token", &good]));
    assert!(Device::new("edge-3").certify("it2", &cau, &["--token", &good]).starts_with("401 "), "used up");
}

#[test]
fn a_name_in_a_request_that_is_not_the_device_s_own_does_not_count() {
    let leader = leader();
    let cau = door(&leader, "legacy.cau");
    let mut device = Device::new(&identifier('7'));
    device.id = "edge-1".to_owned();
    permit(&leader, "edge-1");
    device.keep(&device.certify("it2", &cau, &[]));
    let subject = openssl(device.folder.path(), &["x509", "-in", "leaf.pem", "-noout", "-subject"]).expect(0).out;
    assert!(subject.contains("CN = edge-1"), "{subject}");
}

#[test]
fn garbage_and_silence_at_the_doors_keep_nobody_out() {
    let leader = leader();
    let (cau, lcau) = (door(&leader, "legacy.cau"), door(&leader, "legacy.leader_cau"));
    let silent: Vec<TcpStream> =
        [&cau, &lcau].iter().cycle().take(600).map(|door| TcpStream::connect(door).unwrap()).collect();
    for door in [&cau, &lcau] {
        let mut plain = TcpStream::connect(door).unwrap();
        plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        plain.write_all(b"GET /cau/ca HTTP/1.1\r\n\r\n").unwrap();
        let mut said = Vec::new();
        let _ = plain.read_to_end(&mut said);
        assert!(!said.starts_with(b"HTTP"), "no word without TLS");
    }
    let device = Device::new("edge-1");
    permit(&leader, "edge-1");
    device.keep(&device.certify("it2", &cau, &[]));
    let (leaf, secret) = (device.path("leaf.pem"), device.path("key.pem"));
    assert_eq!(client(&["leader", &lcau, &leaf, &secret]).trim_end(), "end");
    drop(silent);
}

#[test]
fn the_leader_admits_certificates_of_its_authorities_and_no_others() {
    let leader = leader();
    let (cau, lcau) = (door(&leader, "legacy.cau"), door(&leader, "legacy.leader_cau"));
    let device = Device::new("edge-1");
    permit(&leader, "edge-1");
    device.keep(&device.certify("it1", &cau, &[]));
    let (leaf, secret) = (device.path("leaf.pem"), device.path("key.pem"));
    for more in [&[][..], &["--tls12"]] {
        let shown = |certificate: &[&str]| client(&[&["leader", &lcau], certificate, more].concat());
        assert_eq!(shown(&[&leaf, &secret]).trim_end(), "end");
        assert!(shown(&[]).starts_with("error"), "no certificate");
    }
    let subject = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=edge-1", "-days", "2"];
    let files = ["-keyout", "own.key", "-out", "own.pem"];
    let _ = openssl(device.folder.path(), &[&subject[..], &files].concat()).expect(0);
    let said = client(&["leader", &lcau, &device.path("own.pem"), &device.path("own.key")]);
    assert!(said.starts_with("error"), "self-signed: {said}");
    let member = start().agent();
    let _ = ask(&member, &["join", &token(&leader, &[])]).expect(0);
    // Key and certificate stand in one file.
    let own = member.data_dir().join("member/agent.pem").to_str().unwrap().to_owned();
    assert_eq!(client(&["leader", &lcau, &own, &own]).trim_end(), "end", "{}", leader.log());
    let serial = certificates(&leader, "edge-1")[0]["serial"].as_str().unwrap().to_owned();
    let _ = ask(&leader, &["ca", "revoke", &serial]).expect(0);
    for more in [&[][..], &["--tls12"]] {
        let said = client(&[&["leader", &lcau, &leaf, &secret], more].concat());
        assert!(said.starts_with("error"), "revoked: {said}");
    }
    assert!(key_is_gone(&cau));
}

/// A revoked certificate's key is told to nobody.
fn key_is_gone(cau: &str) -> bool {
    key(cau, "edge-1").starts_with("404 ")
}

#[test]
fn requests_over_http_get_the_status_that_they_deserve() {
    let leader = leader();
    let url = format!("https://{}", door(&leader, "legacy.cau"));
    let status = |arguments: &[&str], path: &str| {
        let url = format!("{url}{path}");
        mf2c_tests::curl([&["-k", &url], arguments].concat()).status
    };
    assert_eq!(status(&[], "/cau/ca"), 200);
    assert_eq!(status(&[], "/cau/publickey?deviceid=../x"), 400);
    assert_eq!(status(&[], "/cau/cert"), 405);
    assert_eq!(status(&[], "/other"), 404);
    assert_eq!(status(&["--data", "csr:x"], "/cau/cert"), 400);
    assert_eq!(status(&["-H", "transfer-encoding: chunked", "--data", "csr:x"], "/cau/cert"), 411);
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    fs::write(&large, "x".repeat(2 << 20)).unwrap();
    assert_eq!(status(&["--data-binary", &format!("@{}", large.display())], "/cau/cert"), 413);
}
