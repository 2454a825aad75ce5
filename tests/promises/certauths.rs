//! The eight certificate authorities of the original, with `openssl` and `curl` as the judges. `g9` and `g10` are vectors of
//! the cluster's specification.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Agent, Answer, Start, agent_binary, curl, mf2c, run};
use serde_json::{Value, json};
use tempfile::TempDir;

const CSR: &str = "content-type: text/plain";

fn start() -> Start {
    Start::new().environment("MF2C_LEGACY_CERTAUTHS", "true").environment("MF2C_LINK_LISTEN", "127.0.0.1:0")
}

/// An agent with an authority of its own, which can make tokens.
fn with_authority() -> Agent {
    let agent = start().agent();
    let _ = mf2c(&["ca", "init", "--data-dir", place(&agent)]).expect(0);
    agent
}

fn place(agent: &Agent) -> &str {
    agent.data_dir().to_str().unwrap()
}

fn token(agent: &Agent, more: &[&str]) -> String {
    let made = mf2c(&[&["token", "create", "--data-dir", place(agent)], more].concat()).expect(0);
    made.out.trim().to_owned()
}

/// A request to one of the authorities.
fn ask(agent: &Agent, method: &str, ca: &str, headers: &[&str], body: Option<&str>) -> Answer {
    let url = format!("https://{}/certauths/rest/{ca}", agent.https());
    let mut arguments = vec!["-k", "-X", method, &url];
    arguments.extend(headers.iter().flat_map(|header| ["-H", *header]));
    if let Some(body) = body {
        arguments.extend(["--data-binary", body]);
    }
    curl(arguments)
}

fn as_admin(agent: &Agent, ca: &str, name: &str) -> Answer {
    ask(agent, "POST", ca, &[CSR, "slipstream-authn-info: internal ADMIN"], Some(name))
}

/// A folder in which openssl works.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    #[track_caller]
    fn openssl(&self, line: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(line.split_whitespace()).current_dir(self.0.path());
        run(command).expect(0).out
    }

    fn request(&self, subject: &str, more: &str) -> String {
        self.openssl(&format!("req -newkey rsa:2048 -nodes -keyout key -out csr -subj {subject} {more}"));
        fs::read_to_string(self.0.path().join("csr")).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }
}

/// What the agent has written down of certificates of the kind.
fn recorded(agent: &Agent) -> Vec<Value> {
    let listed = agent.send("GET", "certificate?$filter=kind=\"legacy\"", None).expect(200).json();
    listed["certificates"].as_array().unwrap().clone()
}

#[test]
fn a_request_with_a_join_token_becomes_a_certificate_once_and_is_recorded() {
    let (agent, bench) = (with_authority(), Bench::new());
    let root = ask(&agent, "GET", "it2untrustedca", &[], None).expect(200);
    assert_eq!(root.header("content-type").as_deref(), Some("text/plain"));
    bench.write("ca.pem", &root.text());
    let text = bench.openssl("x509 -in ca.pem -noout -text");
    assert!(text.contains("Public-Key: (2048 bit)") && text.contains("CA:TRUE, pathlen:0"), "{text}");
    for (name, mode) in [("it2untrustedca.key", 0o600), ("it2untrustedca.pem", 0o600)] {
        let found = fs::metadata(agent.data_dir().join("certauths").join(name)).unwrap();
        assert_eq!(found.mode() & 0o7777, mode, "{name}");
    }

    let device = "0a1b".repeat(15);
    let request = bench.request(&format!("/C=EU/O=mF2C/OU=IT2-FOG/CN={device}"), "");
    let token = format!("mf2c-join-token: {}", token(&agent, &[]));
    let leaf = ask(&agent, "POST", "it2untrustedca", &[CSR, &token], Some(&request)).expect(200);
    assert_eq!(leaf.header("cache-control").as_deref(), Some("no-store"));
    bench.write("leaf.pem", &leaf.text());
    assert!(leaf.text().starts_with("-----BEGIN CERTIFICATE-----\n") && !leaf.text().contains("PRIVATE KEY"));
    bench.openssl("verify -x509_strict -CAfile ca.pem leaf.pem");
    let text = bench.openssl("x509 -in leaf.pem -noout -text");
    for part in [
        "Version: 3 (0x2)",
        "Signature Algorithm: sha256WithRSAEncryption",
        &format!("Subject: C = EU, O = mF2C, OU = IT2-FOG, CN = {device}\n"),
        "Digital Signature, Key Encipherment, Data Encipherment\n",
        "TLS Web Client Authentication, TLS Web Server Authentication\n",
        "Basic Constraints: critical\n                CA:FALSE\n",
        &format!("DNS:{device}\n"),
        " 00:00:00 ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // The token is used up, and the certificate is known and can be revoked.
    let again = ask(&agent, "POST", "it2untrustedca", &[CSR, &token], Some(&request)).expect(403);
    assert!(!again.text().contains("BEGIN"), "{}", again.text());
    let [only] = &recorded(&agent)[..] else { panic!("not one") };
    assert_eq!(
        (&only["issuer"], &only["device"], &only["state"]),
        (&json!("it2untrustedca"), &json!(device), &json!("VALID"))
    );
    let serial = bench.openssl("x509 -in leaf.pem -noout -serial").trim().replace("serial=", "").to_lowercase();
    assert_eq!((only["serial"].as_str().unwrap(), serial.len()), (serial.as_str(), 32));
    let _ = mf2c(&["ca", "revoke", &serial, "--data-dir", place(&agent)]).expect(0);
    assert_eq!(recorded(&agent)[0]["state"], "REVOKED");
}

#[test]
fn requests_without_a_good_permission_or_with_something_wrong_are_refused_each_with_its_reason() {
    let (agent, bench) = (with_authority(), Bench::new());
    let good = bench.request("/CN=device-1", "");
    let post = |headers: &[&str], body: &str| ask(&agent, "POST", "uc1untrustedca", headers, Some(body));
    let refused = |answer: Answer, status: u16, reason: &str| {
        assert!(
            answer.status == status && answer.text().contains(reason),
            "{reason}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(!answer.text().contains("-----BEGIN CERTIFICATE-----"));
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    };
    refused(post(&[CSR], &good), 403, "--without-secret");
    refused(post(&[CSR, "mf2c-join-token: mf2c1.nonsense"], &good), 401, "join token");
    let stolen = format!("mf2c-join-token: {}", token(&agent, &[]).replace("@", "A@"));
    assert!([401, 403].contains(&post(&[CSR, &stolen], &good).status));
    let kept = format!("mf2c-join-token: {}", token(&agent, &[]));
    let with = |body: &str| post(&[CSR, &kept], body);
    refused(with("x"), 400, "the body is no certificate request");
    refused(with(&good.replace("MII", "MIJ")), 400, "no certificate request");
    refused(with(&"x".repeat(40 * 1024)), 413, "too large");
    refused(post(&["content-type: application/json", &kept], &good), 415, "text/plain");
    refused(post(&[&kept], &good), 415, "text/plain");
    refused(with(&bench.request("/O=nobody", "")), 400, "common name is empty");
    refused(with(&bench.request("/CN=a,O=evil", "")), 400, "comma");
    refused(with(&bench.request("/CN=a", "-addext subjectAltName=DNS:bank.example")), 400, "`bank.example`");
    bench.openssl("req -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=weak");
    refused(with(&fs::read_to_string(bench.0.path().join("weak.csr")).unwrap()), 400, "1024 bits");
    refused(ask(&agent, "DELETE", "uc1untrustedca", &[], None), 405, "invalid method");
    assert!(recorded(&agent).is_empty());
    // None of this has used up the token.
    bench.write("leaf.pem", &with(&good).expect(200).text());
    assert!(bench.openssl("x509 -in leaf.pem -noout -ext subjectAltName").contains("URI:urn:mf2c:name:device-1"));

    // A device whose program knows no header.
    let _ = token(&agent, &["--device", "device-2", "--without-secret"]);
    let other = bench.request("/CN=device-2", "");
    assert!(post(&[CSR], &other).expect(200).text().contains("BEGIN CERTIFICATE"));
    refused(post(&[CSR], &other), 403, "has been used");
}

#[test]
fn g9_and_g10_only_administrators_get_private_keys_and_only_by_the_exact_name_of_a_trusted_authority() {
    let (agent, bench) = (start().agent(), Bench::new());
    let made = as_admin(&agent, "it2trustedca", "cau-1").expect(200);
    assert_eq!(made.header("cache-control").as_deref(), Some("no-store"));
    assert!(made.text().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    bench.write("pair.pem", &made.text());
    bench.write("ca.pem", &ask(&agent, "GET", "it2trustedca", &[], None).expect(200).text());
    bench.openssl("verify -x509_strict -CAfile ca.pem pair.pem");
    let [key, certificate] =
        ["pkey -in pair.pem -pubout", "x509 -in pair.pem -noout -pubkey"].map(|line| bench.openssl(line));
    assert_eq!(key, certificate);
    let text = bench.openssl("x509 -in pair.pem -noout -subject -ext subjectAltName");
    assert!(text.contains("CN = cau-1, OU = IT2-FOG, O = mF2C, C = EU\n") && text.contains("DNS:cau-1\n"), "{text}");

    for other in ["IT2UNTRUSTEDCA", "IT2TRUSTEDCA", "It2trustedca", "it2trustedCA", "it1trustedca", "trustedca", "x"] {
        let answer = as_admin(&agent, other, "x").expect(404);
        assert!(!answer.text().contains("PRIVATE KEY"), "{other}: {}", answer.text());
        let _ = ask(&agent, "GET", other, &[], None).expect(404);
    }
    for (name, reason) in [
        ("a, O=evil", "comma"),
        ("", "empty"),
        ("  ", "empty"),
        (&"n".repeat(65), "65 characters"),
        ("a\nb", "control"),
    ] {
        let answer = as_admin(&agent, "it2trustedca", name).expect(400);
        assert!(answer.text().contains(reason), "{name:?}: {}", answer.text());
    }
    assert!(as_admin(&agent, "it2trustedca", &"n".repeat(64)).expect(200).text().contains("RSA PRIVATE KEY"));
    for (headers, status) in [(&[CSR][..], 401), (&[CSR, "slipstream-authn-info: jane USER"], 403)] {
        let answer = ask(&agent, "POST", "it2trustedca", headers, Some("cau-2")).expect(status);
        assert!(answer.text().contains("administrators"), "{}", answer.text());
    }
    let serials: BTreeSet<String> =
        recorded(&agent).iter().map(|it| it["serial"].as_str().unwrap().to_owned()).collect();
    assert_eq!(serials.len(), 2);
    // Without an authority of its own the agent makes no tokens: there is none that could be good.
    let request = bench.request("/CN=device-1", "");
    let refused = ask(&agent, "POST", "it2untrustedca", &[CSR], Some(&request));
    assert!([403, 503].contains(&refused.status) && !refused.text().contains("BEGIN"), "{}", refused.text());
}

#[test]
fn the_authorities_are_off_unless_configured() {
    let agent = Start::new().environment("MF2C_LINK_LISTEN", "127.0.0.1:0").agent();
    let _ = ask(&agent, "GET", "it2trustedca", &[], None).expect(404);
    let _ = as_admin(&agent, "it2trustedca", "cau-1").expect(404);
    assert!(!agent.data_dir().join("certauths").exists());
}

#[test]
fn many_at_once_are_answered_or_told_to_come_again_and_all_serials_differ() {
    let agent = start().agent();
    let asked: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..24)
            .map(|number| {
                scope.spawn({
                    let agent = &agent;
                    move || as_admin(agent, "uc3trustedca", &format!("host-{number}"))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let done = asked.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 2 && asked.iter().all(|answer| [200, 503].contains(&answer.status)), "{done}");
    for busy in asked.iter().filter(|answer| answer.status == 503) {
        assert_eq!(busy.header("retry-after").as_deref(), Some("1"));
    }
    assert_eq!(recorded(&agent).len(), done);
}

#[test]
fn the_examples_of_the_page_about_the_authorities_work() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/certauths.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("\n```sh\n").skip(1).map(|block| block.split_once("\n```").unwrap().0);
    let agent = with_authority();
    let script = blocks.collect::<Vec<_>>().join("\n");
    let script = script.replace("127.0.0.1:8443", agent.https()).replace("./data", place(&agent));
    let folder = tempfile::tempdir().unwrap();
    let mut path = vec![agent_binary().parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script]).current_dir(folder.path()).env_clear();
    bash.env("PATH", std::env::join_paths(path).unwrap()).env("PASSWORD", agent.admin_password());
    let said = run(bash).expect(0).out;
    assert!(said.contains("agent.pem: OK\n") && said.contains("CN = cau-1, OU = IT2-FOG"), "{said}");
}
