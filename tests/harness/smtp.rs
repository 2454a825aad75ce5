//! A real mail server on loopback, written by others: aiosmtpd, in a Python environment of the tests' own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::agent::eventually;
use crate::python::python;

/// The version of the mail server.
const PACKAGE: &str = "aiosmtpd==1.4.6";

/// A mail that has arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The sender, as the envelope has it.
    pub from: String,
    /// All recipients, as the envelope has them.
    pub to: Vec<String>,
    /// Head and text.
    pub data: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

impl Mail {
    /// The link, which stands alone on an indented line.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn link(&self) -> String {
        let links: Vec<&str> = self
            .data
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with("http"))
            .collect();
        let [link] = links.as_slice() else { panic!("not one link: {}", self.data) };
        (*link).to_owned()
    }
}

/// A running mail server. It ends when this is dropped.
pub struct SmtpServer {
    child: Child,
    _open: ChildStdin,
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl SmtpServer {
    /// Without TLS, for anybody.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these arguments of `smtp_server.py`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/smtp_server.py");
        let mut child = Command::new(python("test-python", &[PACKAGE]))
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mail server is started");
        let open = child.stdin.take().expect("its input is piped");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let port = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok());
        let port = port.expect("the mail server tells its port");
        let mails = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&mails);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().expect("no panic holds it").extend(read(&line));
            }
        });
        Self { child, _open: open, port, mails }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What has arrived so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("no panic holds it").clone()
    }

    /// The mail with this number, from 0, as soon as it is there.
    ///
    /// # Panics
    /// If it does not come in time.
    #[must_use]
    pub fn mail(&self, number: usize) -> Mail {
        eventually("a mail", || self.mails().len() > number);
        self.mails().swap_remove(number)
    }

    /// The environment variables with which an agent sends its mail here.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("MF2C_MAIL_HOST", "127.0.0.1".to_owned()),
            ("MF2C_MAIL_PORT", self.port.to_string()),
            ("MF2C_MAIL_SECURITY", "none".to_owned()),
            ("MF2C_MAIL_FROM", "fog@example.org".to_owned()),
        ]
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(line: &str) -> Option<Mail> {
    let mail: Value = serde_json::from_str(line).ok()?;
    Some(Mail {
        from: mail["from"].as_str()?.to_owned(),
        to: mail["to"].as_array()?.iter().filter_map(|to| to.as_str().map(str::to_owned)).collect(),
        data: mail["data"].as_str()?.replace("\r\n", "\n"),
        tls: mail["tls"] == true,
        user: mail["user"].as_str().map(str::to_owned),
    })
}
