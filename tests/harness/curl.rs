//! Real curl, as users have it.

use std::process::Command;

use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
    /// The head of the last response.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Runs curl with `arguments` and reads its answer.
///
/// # Panics
/// If curl cannot be run.
#[must_use]
pub fn curl(arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Answer {
    curl_at(&[], arguments)
}

/// The same behind the words `entry`, which lead to where it shall run.
pub(crate) fn curl_at(entry: &[String], arguments: impl IntoIterator<Item = impl AsRef<str>>) -> Answer {
    let head = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut words = entry.iter().map(String::as_str).chain(["curl"]);
    let output = Command::new(words.next().expect("curl at least"))
        .args(words)
        .args(["-s", "-S", "--max-time", "120", "-D"])
        .arg(head.path())
        .args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()))
        .output()
        .expect("curl is installed");
    let head = std::fs::read_to_string(head.path()).unwrap_or_default();
    let last = head.rsplit("\r\n\r\n").find(|part| !part.trim().is_empty()).unwrap_or_default().to_owned();
    let status = last.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: last, body: output.stdout }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The message of a message document.
    #[must_use]
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The id that a message document names.
    #[must_use]
    pub fn id(&self) -> String {
        self.json()["resource-id"].as_str().unwrap_or_default().to_owned()
    }

    /// The same answer, if it has this status.
    ///
    /// # Panics
    /// If it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text());
        self
    }
}
