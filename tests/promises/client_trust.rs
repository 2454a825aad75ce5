//! Whom the command-line client believes, what it keeps of a session, and what it makes of those that do not answer as an
//! agent does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use mf2c_tests::{Agent, Ran, Start, agent_binary, mf2c, mf2c_fed, mf2c_with, run};

fn url(agent: &Agent) -> String {
    format!("https://{}", agent.https())
}

#[test]
fn an_unknown_certificate_is_refused_with_its_fingerprint_and_believed_by_it() {
    let agent = Start::new().agent();
    let (url, fingerprint) = (url(&agent), agent.fingerprint());
    let query = |more: &[&str]| mf2c(&[&["query", "service", "--url", &url, "--as", "internal ADMIN"], more].concat());
    query(&[]).expect(6).tells(&["vouches for the certificate", &format!("--fingerprint {fingerprint}")]);
    mf2c(&["login", &url, "--user", "jane"]).expect(6).tells(&[&format!("--fingerprint {fingerprint}")]);
    let _ = query(&["--fingerprint", &fingerprint]).expect(0);
    let _ = query(&["--fingerprint", &fingerprint.to_lowercase().replace(':', "")]).expect(0);
    let _ = query(&["--ca", agent.data_dir().join("tls/server.pem").to_str().unwrap()]).expect(0);
    let _ = query(&["--insecure"]).expect(0);
    let other = fingerprint.chars().rev().collect::<String>();
    query(&["--fingerprint", &other]).expect(6).tells(&["another certificate", &fingerprint, &other]);
    query(&["--fingerprint", "AB:CD"]).expect(2).tells(&["64 hexadecimal digits"]);
    query(&["--ca", "/nowhere.pem"]).expect(1).tells(&["/nowhere.pem"]);
}

#[test]
fn a_person_sees_the_fingerprint_and_is_asked() {
    let agent = Start::new().agent();
    let home = tempfile::tempdir().unwrap();
    let login = format!("{} login {} --user jane", agent_binary().display(), url(&agent));
    let mut command = Command::new("bash");
    command.args(["-c", &format!("printf 'n\\n' | script -qec '{login}' /dev/null")]).env("HOME", home.path());
    let said = run(command).out;
    assert!(said.contains(&agent.fingerprint()) && said.contains("[y/N]"), "{said}");
    assert!(said.contains("was not accepted: nothing was sent"), "{said}");
    assert!(!home.path().join(".config").exists());
}

#[test]
fn those_who_are_nobody_are_told_to_sign_in() {
    let agent = Start::new().agent();
    let ca = agent.data_dir().join("tls/server.pem");
    let nobody = |command: &[&str]| mf2c(&[command, &["--url", &url(&agent), "--ca", ca.to_str().unwrap()]].concat());
    let login = format!("mf2c login {}", url(&agent));
    nobody(&["query", "service"]).expect(3).tells(&["credentials required", &login]);
    nobody(&["whoami"]).expect(3).tells(&[&login]);
    nobody(&["logout"]).expect(3).tells(&[&login]);
    nobody(&["user", "list"]).expect(3).tells(&[&login]);
    let jane = |command: &[&str]| nobody(&[command, &["--as", "jane USER"]].concat());
    jane(&["edit", "cloud-entry-point", "name=x"]).expect(3).tells(&["you are signed in, but lack the right"]);
    assert!(jane(&["whoami"]).expect(0).out.starts_with("jane (USER) at https://127.0.0.1:"));
}

#[test]
fn an_agent_that_is_not_there_is_named_with_what_to_look_at() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://{closed}");
    mf2c(&["get", "device/x", "--url", &url]).expect(6).tells(&[&url, "refused", "is an agent running there?"]);
    mf2c(&["login", &url, "--user", "x"]).expect(6).tells(&[&url]);
    mf2c(&["status", "--url", &url]).expect(6).tells(&[&url]);
    mf2c(&["query", "device", "--url", "https://jane:secret@x"]).expect(2).tells(&["--user"]);
    mf2c(&["query", "device", "--url", "http://192.0.2.1"]).expect(2).tells(&["unencrypted"]);
    mf2c(&["query", "device", "--url", "https://192.0.2.1", "--as", "x ADMIN"]).expect(2).tells(&["on this machine"]);
}

/// Answers every connection with these bytes once a request has come.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).and_then(|_| stream.write_all(answer));
        }
    });
    url
}

#[test]
fn whoever_is_no_agent_is_not_taken_for_one() {
    let cases: [(&[u8], &str); 7] = [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer as an mf2c agent"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n<html></html", "no JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "no collection"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nsorry", "status 502"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"cut\":", "cannot reach"),
        (b"", "cannot reach"),
    ];
    for (answer, told) in cases {
        let url = server(answer);
        mf2c(&["query", "device", "--url", &url]).expect(6).tells(&[told]);
        let login = mf2c_fed(&[], &["login", &url, "--user", "jane", "--password-stdin"], "secret\n").expect(6);
        assert!(!login.err.contains("secret"), "{login:?}");
    }
    let rude =
        server(b"HTTP/1.1 403 X\r\ncontent-length: 40\r\n\r\n{\"status\":403,\"message\":\"\\u001b[2Jgone\"}\n ");
    let said = mf2c(&["query", "device", "--url", &rude]).expect(3);
    assert!(!said.err.contains('\u{1b}'), "{said:?}");
}

#[test]
fn an_agent_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    mf2c(&["query", "device", "--url", &url, "--timeout", "1"]).expect(6).tells(&["within 1 s", "--timeout"]);
    mf2c(&["events", "--url", &url, "--timeout", "1"]).expect(6).tells(&["within 1 s"]);
}

/// Writes a profile as an earlier sign-in would have left it.
fn profile(home: &Path, text: &str, mode: u32) {
    let folder = home.join("mf2c/profiles");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("default.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn at_home(home: &Path, arguments: &[&str]) -> Ran {
    mf2c_with(&[("XDG_CONFIG_HOME", home.to_str().unwrap())], arguments)
}

#[test]
fn a_profile_names_the_agent_and_its_certificate_and_its_cookie_goes_nowhere_else() {
    let agent = Start::new().agent();
    let home = tempfile::tempdir().unwrap();
    let (url, fingerprint) = (url(&agent), agent.fingerprint());
    let text =
        format!("url = \"{url}\"\nfingerprint = \"{fingerprint}\"\nsession = \"session/1\"\ncookie = \"a=hush\"\n");
    profile(home.path(), &text, 0o600);
    let whoami = at_home(home.path(), &["query", "service", "--as", "internal ADMIN"]).expect(0);
    whoami.tells(&["no service"]);

    // Another address: neither the pin nor the cookie.
    let other = Start::new().agent();
    let other_url = format!("https://{}", other.https());
    at_home(home.path(), &["query", "service", "--url", &other_url]).expect(6).tells(&["vouches"]);
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let echo_url = format!("http://{}", echo.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = echo.accept().unwrap();
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let _ = at_home(home.path(), &["get", "device/x", "--url", &echo_url]).expect(6);
    assert!(!heard.join().unwrap().contains("hush"));

    // The agent at the known address has another certificate now.
    profile(home.path(), &text.replace(&url, &other_url), 0o600);
    at_home(home.path(), &["query", "service"]).expect(6).tells(&["another certificate", "somebody may be in between"]);
}

#[test]
fn a_profile_that_others_may_read_or_that_is_damaged_is_refused() {
    let home = tempfile::tempdir().unwrap();
    profile(home.path(), "url = \"https://127.0.0.1:1\"\ncookie = \"a=hush\"\n", 0o644);
    at_home(home.path(), &["whoami"]).expect(1).tells(&["0644", "chmod 600"]);
    profile(home.path(), "cookie = \"a=hush\" and more", 0o600);
    let said = at_home(home.path(), &["whoami"]).expect(1);
    said.tells(&["is no profile"]);
    assert!(!said.err.contains("hush"), "{said:?}");
    at_home(home.path(), &["whoami", "--profile", "../x"]).expect(2).tells(&["name of a profile"]);
    at_home(home.path(), &["whoami", "--profile", "edge"]).expect(2).tells(&["no profile `edge`"]);
    let mode = fs::metadata(home.path().join("mf2c/profiles/default.toml")).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600);
}
