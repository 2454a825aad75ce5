//! The way to an engine: a socket, the newest version of the API that both sides know, and what its errors mean.

use std::path::PathBuf;
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use parking_lot::Mutex;

use crate::bounded::within;
use crate::error::BackendError;

/// What people call it.
pub(crate) const ENGINE: &str = "Docker";
/// Answering what version it is takes a living engine milliseconds.
const GREETING: Duration = Duration::from_secs(5);
/// And so does answering at all; but many others may be asking.
const PONG: Duration = Duration::from_secs(10);
/// The oldest version of the API that will do, major and minor: Docker 20.10.
const OLDEST: (usize, usize) = (1, 41);
/// For calls that say nothing else, in seconds: each has its own limit around it.
const CALL: u64 = 3600;

/// One engine, which may come and go.
pub(crate) struct Engine {
    socket: PathBuf,
    /// The client with the version agreed on; every call makes its own connection.
    client: Mutex<Option<Docker>>,
}

impl Engine {
    pub(crate) const fn new(socket: PathBuf) -> Self {
        Self { socket, client: Mutex::new(None) }
    }

    /// A client that speaks a version of the API that the engine knows.
    pub(crate) async fn client(&self) -> Result<Docker, BackendError> {
        let known = self.client.lock().clone();
        if let Some(client) = known {
            return Ok(client);
        }
        let socket = self.socket.display().to_string();
        let fresh = Docker::connect_with_unix(&socket, CALL, API_DEFAULT_VERSION).map_err(|error| self.away(&error))?;
        let agreed = within("asking Docker for its version", GREETING, async {
            fresh.negotiate_version().await.map_err(|error| self.away(&error))
        })
        .await?;
        let version = agreed.client_version();
        if (version.major_version, version.minor_version) < OLDEST {
            return Err(BackendError::Unavailable {
                engine: ENGINE,
                why: format!(
                    "it speaks version {version} of its API, and 1.41 is the oldest that will do (Docker 20.10)"
                ),
            });
        }
        // The library agrees on a version and then names none, which means the engine's newest, whatever that changes.
        let prefix = format!("/v{}.{}", version.major_version, version.minor_version);
        let agreed = agreed.with_request_modifier(move |mut request| {
            if let Ok(uri) = versioned(&request.uri().to_string(), &prefix).parse() {
                *request.uri_mut() = uri;
            }
            request
        });
        *self.client.lock() = Some(agreed.clone());
        Ok(agreed)
    }

    /// Asks whether it is there.
    pub(crate) async fn ping(&self) -> Result<(), BackendError> {
        const WHAT: &str = "asking Docker whether it is there";
        within(WHAT, PONG, async {
            let pong = self.client().await?.ping().await;
            pong.map(drop).map_err(|error| self.fault(WHAT, "", &error))
        })
        .await
    }

    fn away(&self, error: &Error) -> BackendError {
        let why = format!("{error}; is it running, and may this agent use {}?", self.socket.display());
        BackendError::Unavailable { engine: ENGINE, why }
    }

    /// What an error means, for an operation on something with this name.
    pub(crate) fn fault(&self, what: &'static str, name: &str, error: &Error) -> BackendError {
        if let Error::DockerResponseServerError { status_code, message } = error {
            if *status_code == 400 && message.contains("client version") {
                // Agree again at the next call.
                *self.client.lock() = None;
                let why = format!("it was exchanged for an older one ({message}); ask again");
                return BackendError::Unavailable { engine: ENGINE, why };
            }
            return refused(what, name, *status_code, message);
        }
        match error {
            Error::RequestTimeoutError => BackendError::Timeout { what, after: Duration::from_secs(CALL) },
            Error::DockerStreamError { error } => said(what, name, error),
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } | Error::StrParseError { .. } => {
                BackendError::failed(what, error)
            }
            other => {
                // Whoever answers next may be another one.
                *self.client.lock() = None;
                self.away(other)
            }
        }
    }
}

fn refused(what: &'static str, name: &str, status: u16, message: &str) -> BackendError {
    match status {
        404 if message.contains("No such container") => BackendError::Missing { name: name.to_owned() },
        409 => BackendError::conflict(name, message),
        400 if !is_port_message(message) => BackendError::invalid(message),
        _ => said(what, name, message),
    }
}

/// What a sentence of the engine means. Its own words are all there is: the API has no codes for these.
fn said(what: &'static str, name: &str, message: &str) -> BackendError {
    let no_image =
        ["No such image", "manifest unknown", "repository does not exist", "pull access denied", "not found: manifest"];
    if no_image.iter().any(|words| message.contains(words)) {
        return BackendError::NoImage { image: name.to_owned(), why: message.to_owned() };
    }
    if is_port_message(message) {
        return BackendError::PortTaken { port: port(message), why: message.to_owned() };
    }
    BackendError::Failed { what, why: message.to_owned() }
}

fn is_port_message(message: &str) -> bool {
    message.contains("port is already allocated") || message.contains("address already in use")
}

/// The port in `Bind for 0.0.0.0:8080 failed` or `listen tcp4 0.0.0.0:8080: bind: address already in use`.
fn port(message: &str) -> u16 {
    let ends = message.match_indices(':').map(|(at, _)| &message[at + 1..]);
    let numbers = ends.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    numbers.filter(|digits| digits.len() > 1).find_map(|digits| digits.parse().ok()).unwrap_or(0)
}

/// An address with the version of the API before its path.
fn versioned(uri: &str, prefix: &str) -> String {
    let host = uri.find("://").map_or(0, |at| at + 3);
    let path = uri[host..].find('/').map_or(uri.len(), |at| host + at);
    format!("{}{prefix}{}", &uri[..path], &uri[path..])
}

/// Whether the engine says by this that there is nothing to do: it is done, or the thing is gone.
pub(crate) fn is_done(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 304 | 404, .. })
}

/// Whether it was refused for the state that something is in.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 409, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_before_the_path() {
        assert_eq!(versioned("unix://2f61/images/a/json?x=/y", "/v1.41"), "unix://2f61/v1.41/images/a/json?x=/y");
        assert_eq!(versioned("/info", "/v1.41"), "/v1.41/info");
    }

    #[test]
    fn a_taken_port_is_read_from_the_words_of_the_engine() {
        let words = "driver failed programming external connectivity on endpoint mf2c-x (ab12): \
                     Bind for 0.0.0.0:18080 failed: port is already allocated";
        assert!(matches!(refused("starting", "x", 500, words), BackendError::PortTaken { port: 18080, .. }));
        let words = "failed to bind host port: listen tcp4 0.0.0.0:8080: bind: address already in use";
        assert!(matches!(refused("starting", "x", 400, words), BackendError::PortTaken { port: 8080, .. }));
        let words = "No such image: test/web:1";
        assert!(matches!(refused("creating", "test/web:1", 404, words), BackendError::NoImage { .. }));
        assert!(matches!(refused("starting", "x", 404, "No such container: x"), BackendError::Missing { .. }));
        assert!(matches!(refused("starting", "x", 500, "no space left on device"), BackendError::Failed { .. }));
    }
}
