//! What commands about areas say on the control socket: one line of JSON each way.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::connect;

/// The version of these lines.
const VERSION: u32 = 1;
/// The longest request, in bytes.
pub(super) const LONGEST_REQUEST: usize = 64 << 10;
/// The longest answer, in bytes: a list of some hundred thousand revoked certificates.
const LONGEST_ANSWER: u64 = 32 << 20;
/// How long an agent may take to answer: joining goes over a network.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command wants of the agent. It may hold a token, so it is never logged.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Request {
    /// `mf2c ca init`
    InitAuthority {
        /// The area.
        area: String,
        /// The deployment.
        trust_domain: String,
        /// Domains of members' names.
        domains: Vec<String>,
    },
    /// `mf2c ca show`
    ShowArea,
    /// `mf2c discover`
    ShowNear,
    /// `mf2c ca revoke`; one of the three.
    Revoke {
        /// A serial number.
        serial: Option<String>,
        /// A device.
        device: Option<String>,
        /// A user.
        user: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// `mf2c ca rotate`
    Rotate {
        /// Whether to drop the old root.
        finish: bool,
    },
    /// `mf2c ca crl`
    RevocationList,
    /// `mf2c token create`
    CreateToken(NewToken),
    /// `mf2c token list`
    ListTokens,
    /// `mf2c token delete`
    DeleteToken {
        /// Its id, without the type.
        id: String,
    },
    /// `mf2c area`
    ShowAgents,
    /// `mf2c area lead`, `mf2c area backup` and `mf2c area agent`
    ChangeRole {
        /// Whose: a device, or its beginning.
        device: String,
        /// `leader`, `backup` or `agent`.
        role: String,
    },
    /// `mf2c area forget`
    ForgetAgent {
        /// A device, or its beginning.
        device: String,
    },
    /// `mf2c join`
    Join {
        /// The whole token.
        token: String,
        /// As what; none: what the configuration says.
        role: Option<MemberRole>,
    },
}

/// A token to be made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewToken {
    /// As what its bearer is admitted.
    pub(crate) role: MemberRole,
    /// For a leader: the area.
    pub(crate) area: Option<String>,
    /// How long it can be used, in seconds.
    pub(crate) ttl: u64,
    /// The only device.
    pub(crate) device: Option<String>,
    /// Names in the certificate.
    pub(crate) names: Vec<String>,
    /// Where joiners find this agent; none: what the configuration says.
    pub(crate) address: Option<String>,
    /// Whether it is good without its secret.
    pub(crate) without_secret: bool,
}

/// A request with its version. The version is read first: the rest may be of another form.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    body: T,
}

/// How it went.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// Done, with what there is to show.
    Done(Value),
    /// Not done.
    Failed(Refusal),
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The exit code of the command.
    pub(crate) exit: u8,
    /// For people.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// Reads a line that begins with `{`.
pub(super) fn read(line: &str) -> Result<Request, Refusal> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let usage = |message: String| Refusal::new(super::exit::USAGE, message);
    match serde_json::from_str::<Version>(line) {
        Ok(Version { v: VERSION }) => {}
        Ok(Version { v }) => {
            return Err(usage(format!(
                "the command speaks version {v} and the agent version {VERSION}: restart the agent with the same mf2c"
            )));
        }
        Err(_) => return Err(usage("this is no request: expected one line of JSON with its version `v`".to_owned())),
    }
    // What serde says could repeat a token.
    serde_json::from_str::<Versioned<Request>>(line)
        .map(|request| request.body)
        .map_err(|_| usage("the agent does not know this command: restart it with the same mf2c".to_owned()))
}

/// Writes an answer as one line.
pub(super) fn write(stream: &mut UnixStream, answer: Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Versioned { v: VERSION, body: answer })?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Asks the agent of `data_dir`; none if no agent runs there.
///
/// # Errors
/// The socket's.
pub(crate) fn ask(data_dir: &Path, request: Request) -> io::Result<Option<Answer>> {
    let Some(mut stream) = connect(data_dir)? else { return Ok(None) };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&Versioned { v: VERSION, body: request })?;
    line.push(b'\n');
    if line.len() > LONGEST_REQUEST {
        return Err(io::Error::other("this is more than a command can say: name fewer domains or names"));
    }
    stream.write_all(&line)?;
    let mut answer = String::new();
    let late = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::other(format!("the agent gave no answer within {PATIENCE:?}; its log tells why"))
        }
        _ => error,
    };
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer).map_err(late)?;
    match serde_json::from_str::<Versioned<Answer>>(&answer) {
        Ok(answer) => Ok(Some(answer.body)),
        Err(_) if answer.is_empty() => Err(io::Error::other("the agent gave no answer; its log tells why")),
        Err(_) => Err(io::Error::other("the running agent is of another version: restart it with the same mf2c")),
    }
}

/// A token on its way to the agent.
pub(crate) fn join(token: &JoinToken, role: Option<MemberRole>) -> Request {
    Request::Join { token: token.to_string(), role }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_as_it_was_written() {
        let text = r#"{"v":1,"do":"revoke","serial":"4f","device":null,"user":null,"reason":"gone"}"#;
        let Ok(request) = read(text) else { panic!() };
        assert_eq!(serde_json::to_string(&Versioned { v: VERSION, body: request }).unwrap(), text);
        assert!(matches!(read(r#"{"v":1,"do":"show-area"}"#), Ok(Request::ShowArea)));
        assert!(matches!(read(r#"{"v":1,"do":"create-token","role":"leader","area":"a","ttl":60,"names":[],
            "withoutSecret":false}"#), Ok(Request::CreateToken(token)) if token.ttl == 60 && token.address.is_none()));
    }

    #[test]
    fn what_is_no_request_is_refused_without_being_repeated() {
        let refused = |text: &str| read(text).err().unwrap().message;
        for text in ["{", "{}", r#"{"v":"1"}"#, "[]"] {
            assert!(refused(text).contains("expected one line of JSON"), "{text}");
        }
        assert!(refused(r#"{"v":2,"do":"fly"}"#).contains("version 2 and the agent version 1"));
        let said = refused(r#"{"v":1,"do":"join","token":["mf2c1.secret"]}"#);
        assert!(said.contains("does not know this command") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn an_answer_is_one_line_whatever_is_in_it() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        write(&mut here, Answer::Done(serde_json::json!({"pem": "a\nb\n"}))).unwrap();
        write(&mut here, Answer::Failed(Refusal::new(5, "no"))).unwrap();
        drop(here);
        let mut said = String::new();
        there.read_to_string(&mut said).unwrap();
        assert_eq!(
            said,
            "{\"v\":1,\"done\":{\"pem\":\"a\\nb\\n\"}}\n{\"v\":1,\"failed\":{\"exit\":5,\"message\":\"no\"}}\n"
        );
    }
}
