//! `flocker-ca`: makes the certificates of a Flocker cluster, in the directory where one stands. It needs no agent.
//!
//! It runs as `mf2c flocker-ca`, and where `mf2c` is called by a link of the name `flocker-ca`.

mod arguments;
mod files;
mod journal;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mf2c_actors::ports::World;
use mf2c_domain::entropy::uuid_v4;
use mf2c_pki::flocker::{Cluster, LIST_FILE, Owner, checked};

use arguments::{Arguments, Asked, Command, Places};
use journal::Journal;

/// Done, or help was asked for.
const DONE: u8 = 0;
/// Anything else.
const FAILED: u8 = 1;

/// Whether a program that was called by this name is to be `flocker-ca`.
#[must_use]
pub fn is_called_so(program: Option<&OsString>) -> bool {
    program.and_then(|name| Path::new(name).file_name()) == Some(OsStr::new("flocker-ca"))
}

/// Does what the words behind the program's name say; gives the exit code.
#[must_use]
pub fn run(words: &[OsString], world: &World) -> u8 {
    let outcome = match arguments::read(words) {
        Asked::Read(text) => say(text.trim_end()),
        Asked::Nonsense(text) => {
            let _ = writeln!(io::stderr(), "{text}");
            return FAILED;
        }
        Asked::Work(Arguments { command, telling }) => Journal::open(&telling).and_then(|journal| {
            let done = work(command, &journal, world);
            if let Err(reason) = &done {
                journal.tell(&format!("failed: {reason}"));
            }
            say(&done?)
        }),
    };
    match outcome {
        Ok(()) => DONE,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "Error: {reason}");
            FAILED
        }
    }
}

fn say(text: &str) -> Result<(), String> {
    match writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("Standard output: {error}")),
        _ => Ok(()),
    }
}

/// Makes what is asked for; gives what to tell.
fn work(command: Command, journal: &Journal, world: &World) -> Result<String, String> {
    let (now, entropy) = (world.clock.now(), &*world.entropy);
    match command {
        Command::Initialize { name } => {
            let (name, here) = (text(&name)?, absolute(None)?);
            files::free(&here, "cluster")?;
            let pair = Cluster::create(name, now, entropy).map_err(|error| error.to_string())?;
            files::write(&here, "cluster", &pair)?;
            journal.tell(&format!("made the authority of the cluster `{name}` in {}", here.display()));
            Ok("Created cluster.key and cluster.crt. Keep cluster.key secret: whoever has it controls the cluster."
                .to_owned())
        }
        Command::CreateControlCertificate { host, places } => {
            let host = text(&host)?;
            let stem = format!("control-{}", checked("", host).map_err(|error| invalid("hostname", &error))?);
            make(&stem, Owner::Control(host), &places, journal, world)?;
            Ok(format!(
                "Created {stem}.crt and {stem}.key\nCopy both to /etc/flocker on the machine of the control service, \
                 call them control-service.crt and control-service.key there, and chmod 0600 them."
            ))
        }
        Command::CreateNodeCertificate { places } => {
            let id = uuid_v4(entropy);
            make(&id, Owner::Node(&id), &places, journal, world)?;
            Ok(format!(
                "Created {id}.crt. Copy it to /etc/flocker/node.crt on the node, {id}.key to /etc/flocker/node.key, \
                 and chmod 0600 both."
            ))
        }
        Command::CreateApiCertificate { name, places } => {
            let name = text(&name)?;
            checked(mf2c_pki::flocker::USER, name).map_err(|error| invalid("username", &error))?;
            make(name, Owner::User(name), &places, journal, world)?;
            Ok(format!(
                "Created {name}.crt. Give it with {name}.key and cluster.crt to the user, who can then use the API of \
                 the control service."
            ))
        }
        Command::Revoke { certificate, places } => revoke(&certificate, &places, journal, world),
    }
}

/// Adds a certificate to the list of those that count no more.
fn revoke(certificate: &OsStr, places: &Places, journal: &Journal, world: &World) -> Result<String, String> {
    let (from, into) = (absolute(places.inputpath.as_deref())?, absolute(places.outputpath.as_deref())?);
    let cluster = files::authority(&from)?;
    let serial = files::serial(Path::new(certificate), &cluster)?;
    let known = files::list(&into)?;
    let list = cluster.revoke(&serial, known.as_deref(), world.clock.now()).map_err(|error| error.to_string())?;
    let Some(list) = list else { return Ok(format!("{serial} was revoked before: {LIST_FILE} has it.")) };
    files::replace(&into, &list)?;
    journal.tell(&format!("revoked {serial} of the cluster {} in {}", cluster.id(), into.display()));
    Ok(format!(
        "Revoked {serial} in {LIST_FILE}. Copy it to the control service, beside its cluster.crt; it is read at once."
    ))
}

/// Makes a pair with the authority in one directory, in another.
fn make(stem: &str, owner: Owner<'_>, places: &Places, journal: &Journal, world: &World) -> Result<(), String> {
    let (from, into) = (absolute(places.inputpath.as_deref())?, absolute(places.outputpath.as_deref())?);
    let cluster = files::authority(&from)?;
    // Making a key takes a while: whatever can be said before is said before.
    files::free(&into, stem)?;
    let pair = cluster.issue(owner, world.clock.now(), &*world.entropy).map_err(|error| error.to_string())?;
    files::write(&into, stem, &pair)?;
    journal.tell(&format!("made {stem}.crt and {stem}.key of the cluster {} in {}", cluster.id(), into.display()));
    Ok(())
}

fn text(name: &OsStr) -> Result<&str, String> {
    name.to_str().ok_or_else(|| "Invalid username: Could not be converted to UTF-8".to_owned())
}

fn invalid(what: &str, error: &impl std::fmt::Display) -> String {
    format!("Invalid {what}: {error}")
}

fn absolute(path: Option<&Path>) -> Result<PathBuf, String> {
    let path = path.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::path::absolute(path).map_err(|error| files::told("The current directory is gone.", &error, path))
}
