//! The first administrator: made when there is no user at all, with a password that is told once or comes from a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use actix::Addr;
use mf2c_actors::hasher::Hasher;
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::{AddResource, ResourceStore};
use mf2c_auth::{api_key, passwords};
use mf2c_domain::acl::{Acl, Principal, Right, Rule};
use mf2c_domain::caller::Caller;
use mf2c_domain::people::FIRST_ADMIN;
use mf2c_domain::resource::{self, Draft};
use mf2c_store::{NewDocument, Store};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::config;

/// Groups of six characters in a password of ours: 24 characters hold 139 random bits.
const GROUPS: usize = 4;
/// The shortest password from a file.
const MIN: usize = 8;

/// Why there is no administrator.
#[derive(Debug, Error)]
pub enum FirstAdminError {
    /// The file with the password cannot be read.
    #[error("failed to read the administrator's password from `{}` (`auth.admin_password_file`)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file with the password cannot be used.
    #[error("`{}` (`auth.admin_password_file`) {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The account cannot be stored.
    #[error("failed to make the first administrator: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// Where the password comes from.
enum Source {
    /// From the file of the configuration; nobody needs to be told.
    File(String),
    /// Made here, and told once.
    Made(String),
    /// There is none: what is printed would be kept by the journal.
    None,
}

/// Makes the administrator where there is no user. What must be told of it on standard output, if anything.
///
/// # Errors
/// [`FirstAdminError`]: an agent that nobody can ever sign in to shall not start.
pub(crate) async fn ensure(
    file: Option<&Path>,
    store: &Store,
    writer: &Addr<ResourceStore>,
    hasher: &Hasher,
    world: &World,
) -> Result<Option<String>, FirstAdminError> {
    if store.count("user") > 0 {
        return Ok(None);
    }
    let source = match file {
        Some(path) => Source::File(read(path)?),
        None if config::is_under_journal() && !io::stdout().is_terminal() => Source::None,
        None => Source::Made(api_key::groups(GROUPS, &*world.entropy)),
    };
    let failed = |reason: String| FirstAdminError::Failed { reason };
    let digest = match &source {
        Source::File(password) | Source::Made(password) => {
            Some(hasher.hash(password.clone()).await.map_err(|error| failed(error.to_string()))?)
        }
        Source::None => None,
    };
    let new = account(digest, world).map_err(failed)?;
    let added = writer.send(AddResource(new)).await.map_err(|error| failed(error.to_string()))?;
    added.map_err(|error| failed(error.to_string()))?;
    Ok(match source {
        Source::Made(password) => Some(format!(
            "administrator: user {FIRST_ADMIN}, password {password}\n\
             this password is shown only now; change it with `mf2c user passwd` after `mf2c login`"
        )),
        Source::File(_) => {
            tracing::info!(
                user = FIRST_ADMIN,
                "made the first administrator, with the password of the configured file"
            );
            None
        }
        Source::None => {
            tracing::warn!(
                "made the user admin without a password, because the journal would keep it: \
                 set one with mf2c user passwd admin --data-dir DIR"
            );
            None
        }
    })
}

fn account(digest: Option<String>, world: &World) -> Result<NewDocument, String> {
    let spec = resource::find("user").ok_or("there are no users")?;
    let mut body =
        json!({"username": FIRST_ADMIN, "emailAddress": "admin@localhost", "state": "ACTIVE", "isSuperUser": true});
    if let (Some(digest), Value::Object(body)) = (digest, &mut body) {
        body.insert("password".to_owned(), digest.into());
    }
    let body = body.as_object().cloned().unwrap_or_else(Map::new);
    let draft = spec.prepare_add(body, world.clock.now(), &*world.entropy).map_err(|error| error.to_string())?;
    let acl = Acl::new(Principal::role("ADMIN"), vec![Rule::user(FIRST_ADMIN, Right::Modify)]);
    let draft = Draft { acl: Some(acl), ..draft };
    NewDocument::new(spec, draft, &Caller::agent(), &*world.entropy).map_err(|error| error.to_string())
}

/// The first line of a file that only its owner can read.
fn read(path: &Path) -> Result<String, FirstAdminError> {
    let failed = |source| FirstAdminError::Read { path: path.to_owned(), source };
    let unfit = |reason: String| FirstAdminError::Unfit { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(unfit(format!("can be read by others (mode {mode:04o}): close it with chmod 0600")));
    }
    let mut content = String::new();
    file.take(passwords::MAX_LEN as u64 + 2).read_to_string(&mut content).map_err(failed)?;
    let password = content.lines().next().unwrap_or_default();
    if !(MIN..=passwords::MAX_LEN).contains(&password.len()) {
        let len = password.len();
        return Err(unfit(format!("has {len} bytes in its first line: expected a password of {MIN} to 1024")));
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_a_file_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let write = |content: &str, mode| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(write("correct horse\nsecond line\n", 0o600), Ok("correct horse".to_owned()));
        assert_eq!(write("correct horse", 0o400), Ok("correct horse".to_owned()));
        assert!(write("correct horse", 0o640).unwrap_err().contains("mode 0640"));
        for bad in ["", "\n12345678", "1234567\n", &"x".repeat(2000)] {
            assert!(write(bad, 0o600).unwrap_err().contains("expected a password of 8 to 1024"));
        }
        assert!(matches!(read(&folder.path().join("none")), Err(FirstAdminError::Read { .. })));
    }
}
