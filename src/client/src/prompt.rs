//! Asks the person at the terminal, and takes secrets from there or from standard input.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::ClientError;
use crate::terminal::Terminal;

/// The longest secret, in bytes; agents refuse far shorter ones.
const LONGEST: usize = 4096;

/// A secret that somebody typed or sent. It is never shown, not even to developers.
pub struct Secret(String);

impl Secret {
    /// For the request that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Asks a question that is answered with yes or no; anything but yes is no.
pub(crate) fn confirm(question: &str) -> Result<bool, ClientError> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line.
pub(crate) fn ask(question: &str) -> Result<String, ClientError> {
    let _ = write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush());
    let mut line = String::new();
    let read = io::stdin().lock().take(LONGEST as u64).read_line(&mut line);
    read.map_err(|source| ClientError::Input { what: "the answer", source })?;
    Ok(line.trim().to_owned())
}

/// Asks for a secret without showing it.
pub(crate) fn ask_secret(terminal: Terminal, question: &str, flag: &str) -> Result<Secret, ClientError> {
    if !terminal.person {
        let message = format!("there is no terminal to ask for the secret: send it on standard input with {flag}");
        return Err(ClientError::Usage(message));
    }
    let failed = |source| ClientError::Input { what: "the terminal", source };
    let tty = File::options().read(true).write(true).open("/dev/tty").map_err(failed)?;
    let quiet = Quiet::begin(&tty).map_err(|error| failed(error.into()))?;
    let _ = (&tty).write_all(question.as_bytes());
    let typed = read_typed(&tty);
    drop(quiet);
    let _ = (&tty).write_all(b"\n");
    match typed.map_err(failed)? {
        Some(bytes) => secret(bytes),
        None => Err(ClientError::Interrupted),
    }
}

/// Asks for a new secret, twice.
pub(crate) fn ask_new_secret(terminal: Terminal, flag: &str) -> Result<Secret, ClientError> {
    let first = ask_secret(terminal, "New password: ", flag)?;
    let second = ask_secret(terminal, "The same again: ", flag)?;
    if first.reveal() == second.reveal() {
        Ok(first)
    } else {
        Err(ClientError::Usage("the two passwords differ: nothing was changed, try again".to_owned()))
    }
}

/// One line of standard input.
pub(crate) fn secret_from_stdin() -> Result<Secret, ClientError> {
    let mut line = Vec::new();
    // Without a buffer of our own: what follows the line is for the next who asks.
    let mut input = io::stdin().lock();
    let read = input.by_ref().take(LONGEST as u64 + 2).read_until(b'\n', &mut line);
    read.map_err(|source| ClientError::Input { what: "standard input", source })?;
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    secret(line)
}

fn secret(bytes: Vec<u8>) -> Result<Secret, ClientError> {
    let refused = |what: &str| Err(ClientError::Usage(format!("{what}: nothing was sent")));
    if bytes.is_empty() {
        return refused("the secret is empty");
    }
    if bytes.len() > LONGEST {
        return refused("the secret is longer than 4096 bytes");
    }
    String::from_utf8(bytes).map(Secret).or_else(|_| refused("the secret is no UTF-8"))
}

/// The terminal without echo, and with every key for us; as it was again when this goes.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(tty: &'a File) -> rustix::io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut during = before.clone();
        // Ctrl-C comes as a key, so that it cannot end us while the echo is off.
        during.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(tty, OptionalActions::Flush, &during)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.tty, OptionalActions::Flush, &self.before);
    }
}

/// What is typed up to the end of the line; none after Ctrl-C.
fn read_typed(mut tty: impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut typed: Vec<u8> = Vec::new();
    // Key by key: what is typed behind the line is not for us.
    let mut key = [0];
    while tty.read(&mut key)? > 0 {
        match key[0] {
            b'\n' | b'\r' | 0x04 => break,
            0x03 => return Ok(None),
            0x08 | 0x7F => {
                // A whole character goes, however many bytes it has.
                while typed.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            0x15 => typed.clear(),
            _ if typed.len() > LONGEST => {}
            byte => typed.push(byte),
        }
    }
    Ok(Some(typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_at_a_secret_edit_it_and_ctrl_c_gives_up() {
        let typed = |keys: &[u8]| read_typed(keys).unwrap();
        assert_eq!(typed(b"secret\nmore"), Some(b"secret".to_vec()));
        assert_eq!(typed("sé\u{7f}e\u{7f}ecret\r".as_bytes()), Some(b"secret".to_vec()));
        assert_eq!(typed(b"wrong\x15right\n"), Some(b"right".to_vec()));
        assert_eq!(typed(b"secr\x03et\n"), None);
    }

    #[test]
    fn an_empty_or_endless_secret_is_refused() {
        assert!(secret(vec![]).is_err() && secret(vec![b'a'; LONGEST + 1]).is_err() && secret(vec![0xFF]).is_err());
        assert_eq!(secret(b"a b ".to_vec()).unwrap().reveal(), "a b ");
    }
}
