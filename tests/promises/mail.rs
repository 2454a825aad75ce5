//! Mail servers as they are: with TLS and passwords, and absent, hanging or talking nonsense. Nobody waits for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use mf2c_tests::{Agent, SmtpServer, Start, eventually};

const REGISTRATION: &str = r#"{"userTemplate": {"href": "user-template/self-registration", "username": "testuser",
    "password": "testpassword", "passwordRepeat": "testpassword", "emailAddress": "your@email.com"}}"#;

/// Registers.
fn register(agent: &Agent) {
    let _ = agent.send_as(None, "POST", "user", Some(REGISTRATION)).expect(201);
}

fn configured(port: u16) -> Start {
    Start::new()
        .environment("MF2C_MAIL_HOST", "127.0.0.1")
        .environment("MF2C_MAIL_PORT", &port.to_string())
        .environment("MF2C_MAIL_SECURITY", "none")
        .environment("MF2C_MAIL_FROM", "fog@example.org")
        .environment("MF2C_MAIL_TIMEOUT", "5s")
}

/// A server that does with each connection what it is told to.
fn server(talk: fn(std::net::TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(move || talk(stream))))
    });
    port
}

/// The link is in the callback, and an administrator finds it there, whatever became of the mail.
fn link_stays_out_of_the_log(agent: &Agent) {
    let callbacks = agent.send("GET", "callback", None).expect(200).json();
    let id = callbacks["callbacks"][0]["id"].as_str().unwrap().to_owned();
    assert!(!agent.log().contains(&id), "the link is in the log");
    let _ = agent.send_as(None, "GET", &format!("{id}/execute"), None).expect(200);
}

#[test]
fn a_mail_server_that_is_absent_hangs_or_talks_nonsense_holds_up_no_registration() {
    let absent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hangs = server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let nonsense = server(|mut stream| {
        let _ = stream.write_all(b"\xff\xfe\x00 not a mail server\r\n");
    });
    let endless = server(|mut stream| while stream.write_all(&[b'2'; 4096]).is_ok() {});
    for port in [absent, hangs, nonsense, endless] {
        let agent = configured(port).agent();
        register(&agent);
        eventually("the log tells of the mail", || agent.log().contains("a mail "));
        link_stays_out_of_the_log(&agent);
    }
}

#[test]
fn a_mail_that_is_refused_for_now_is_sent_again_and_one_refused_for_good_is_given_up() {
    static FIRST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let real = SmtpServer::start();
    // Sends the first caller away and passes on all others.
    static REAL: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    REAL.store(real.port(), std::sync::atomic::Ordering::SeqCst);
    let busy = server(|mut stream| {
        if FIRST.swap(false, std::sync::atomic::Ordering::SeqCst) {
            let _ = stream.write_all(b"421 busy, try again later\r\n");
            return;
        }
        let mut other =
            std::net::TcpStream::connect(("127.0.0.1", REAL.load(std::sync::atomic::Ordering::SeqCst))).unwrap();
        let (mut back, mut to) = (other.try_clone().unwrap(), stream.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back, &mut to));
        let _ = std::io::copy(&mut stream, &mut other);
    });
    let agent = configured(busy).agent();
    register(&agent);
    assert_eq!(real.mail(0).to, ["your@email.com"]);

    let refuses = server(|mut stream| {
        let _ = stream.write_all(b"554 no\r\n");
    });
    let agent = configured(refuses).agent();
    register(&agent);
    eventually("the mail is given up", || agent.log().contains("given up"));
    link_stays_out_of_the_log(&agent);
}

/// A certificate for 127.0.0.1 that is its own authority, as PEM files: certificate, key.
fn pair(folder: &std::path::Path) -> (String, String) {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args([
        "-subj",
        "/CN=mail",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ]);
    openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
    assert!(openssl.output().is_ok_and(|done| done.status.success()), "openssl makes a certificate");
    (certificate.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

#[test]
fn mail_goes_over_tls_with_a_password_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair(folder.path());
    let password = folder.path().join("password");
    fs::write(&password, "correct horse\nsecond line\n").unwrap();
    for (kind, security) in [("--starttls", "starttls"), ("--tls", "tls")] {
        let server = SmtpServer::with(&[kind, &certificate, &key, "--user", "mailer", "correct horse"]);
        let agent = configured(server.port())
            .environment("MF2C_MAIL_SECURITY", security)
            .environment("MF2C_MAIL_CA_FILE", &certificate)
            .environment("MF2C_MAIL_USERNAME", "mailer")
            .environment("MF2C_MAIL_PASSWORD_FILE", password.to_str().unwrap())
            .environment("MF2C_MAIL_TIMEOUT", "10s")
            .agent();
        register(&agent);
        let mail = server.mail(0);
        assert_eq!((mail.tls, mail.user.as_deref()), (true, Some("mailer")), "{security}");
        assert!(!agent.log().contains("correct horse"));
    }
}

#[test]
fn no_mail_goes_out_without_the_tls_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair(folder.path());
    let plain = SmtpServer::start();
    let unknown = SmtpServer::with(&["--starttls", &certificate, &key]);
    // One offers no STARTTLS, the other shows a certificate that nobody has told the agent to trust.
    for server in [&plain, &unknown] {
        let agent = configured(server.port()).environment("MF2C_MAIL_SECURITY", "starttls").agent();
        register(&agent);
        eventually("the log tells of the mail", || agent.log().contains("a mail "));
        assert!(server.mails().is_empty());
    }
}

#[test]
fn settings_that_cannot_be_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Start::new().data_dir(folder.path());
    for (settings, words) in [
        (vec![("MF2C_MAIL_HOST", "smtp.example.org")], vec!["mail.from"]),
        (vec![("MF2C_MAIL_HOST", "a b"), ("MF2C_MAIL_FROM", "a@b.c")], vec!["mail.host", "smtp.example.org"]),
        (
            vec![("MF2C_MAIL_HOST", "smtp.example.org"), ("MF2C_MAIL_FROM", "a@b.c"), ("MF2C_MAIL_SECURITY", "none")],
            vec!["mail.security", "clear text"],
        ),
        (
            vec![("MF2C_MAIL_HOST", "127.0.0.1"), ("MF2C_MAIL_FROM", "a@b.c"), ("MF2C_MAIL_USERNAME", "x")],
            vec!["mail.password_file"],
        ),
        (vec![("MF2C_MAIL_FROM", "a@b.c")], vec!["mail.host"]),
        (vec![("MF2C_MAIL_HOST", "127.0.0.1"), ("MF2C_MAIL_FROM", "nobody")], vec!["sender", "nobody"]),
        (
            vec![
                ("MF2C_MAIL_HOST", "127.0.0.1"),
                ("MF2C_MAIL_FROM", "a@b.c"),
                ("MF2C_MAIL_USERNAME", "x"),
                ("MF2C_MAIL_PASSWORD_FILE", "/nonexistent/password"),
            ],
            vec!["mail.password_file", "/nonexistent/password"],
        ),
        (vec![("MF2C_API_EXTERNAL_URL", "fog.example.org")], vec!["api.external_url", "https://fog.example.org"]),
        (vec![("MF2C_AUTH_VALIDATION_LIFE", "10ms")], vec!["auth.validation_life"]),
    ] {
        let refused = settings.iter().fold(start(), |start, (name, value)| start.environment(name, value)).refused();
        assert_ne!(refused.code, Some(0), "{settings:?}");
        refused.tells(&words);
    }
}
