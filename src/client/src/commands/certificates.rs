//! `user cert`: a key made on this machine, and a certificate for it by which an agent knows a user.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use mf2c_pki::area::AgentKey;
use reqwest::Method;
use serde_json::{Value, json};

use crate::ClientError;
use crate::args::CertificateArgs;
use crate::output::clean;
use crate::session::Session;
use crate::terminal::say;

/// What the file with the roots is called, whoever the certificate is for.
const ROOTS: &str = "mf2c-root.pem";

pub(super) async fn cert(session: &Session<'_>, args: &CertificateArgs) -> Result<(), ClientError> {
    let stem = file_name(&args.name);
    let file = |name: String| args.out.join(name);
    let [key_path, certificate_path] = [file(format!("{stem}.key")), file(format!("{stem}.crt"))];
    let key = AgentKey::generate().map_err(|error| ClientError::Failed(error.to_string()))?;
    let request = key.request(None, &args.name).map_err(|error| ClientError::Failed(error.to_string()))?;
    // Before anything is asked for, so that no certificate is made whose key cannot be kept.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&args.out);
    made.map_err(|source| ClientError::Write { path: args.out.clone(), source })?;
    let mut drafts = Drafts::default();
    drafts.create(&key_path, 0o600, &key.to_pem())?;
    drafts.create(&certificate_path, 0o644, "")?;

    let body = json!({"request": pem(&request), "ttl": args.ttl});
    let body = if args.ttl.is_some() { body } else { json!({"request": body["request"]}) };
    let (answer, _) = session.remote.write(Method::POST, &format!("user/{}/certify", args.name), &body).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(id), Some(certificate), Some(roots)) = (text("resource-id"), text("certificate"), text("roots")) else {
        return Err(session.remote.no_agent("the answer holds no certificate"));
    };
    let failed = |source| ClientError::Write { path: certificate_path.clone(), source };
    fs::write(&certificate_path, certificate).map_err(failed)?;
    drafts.keep();
    let roots_path = write_roots(&args.out, &stem, roots)?;

    let until = text("expires").map(clean).unwrap_or_default();
    let [key, certificate, roots] = [&key_path, &certificate_path, &roots_path].map(|path| path.display());
    let url = session.remote.url();
    say(&format!("{} made for user/{}, until {until}", clean(id), clean(&args.name)))?;
    say(&format!("wrote {key} (secret), {certificate} and {roots}; to use them:"))?;
    say(&format!("  curl --cacert {roots} --cert {certificate} --key {key} {url}/api/device"))?;
    say(&format!("  mf2c login {url} --cert {certificate} --cert-key {key} --ca {roots}"))
}

/// Files that are removed again, unless they are kept.
#[derive(Default)]
struct Drafts(Vec<PathBuf>);

impl Drafts {
    /// Writes a file that is not there yet.
    fn create(&mut self, path: &Path, mode: u32, content: &str) -> Result<(), ClientError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => ClientError::Changed(format!(
                "`{}` is there already and is not overwritten: remove it, or name another directory with --out",
                path.display()
            )),
            _ => ClientError::Write { path: path.to_owned(), source },
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
        self.0.push(path.to_owned());
        file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Drafts {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// The file with the roots. One of another deployment stays as it is.
fn write_roots(folder: &Path, stem: &str, roots: &str) -> Result<PathBuf, ClientError> {
    let usual = folder.join(ROOTS);
    let path = match fs::read_to_string(&usual) {
        Ok(there) if there != roots => folder.join(format!("{stem}-root.pem")),
        _ => usual,
    };
    fs::write(&path, roots).map_err(|source| ClientError::Write { path: path.clone(), source })?;
    Ok(path)
}

/// The name of a user, as far as it can be that of a file.
fn file_name(user: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.@+".contains(c) { c } else { '_' };
    let name: String = user.chars().map(plain).take(60).collect();
    if name.starts_with(['.', '-']) { format!("_{name}") } else { name }
}

/// PEM (RFC 7468).
fn pem(request: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(request);
    let mut pem = "-----BEGIN CERTIFICATE REQUEST-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE REQUEST-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_user_makes_a_file_name_that_stays_in_its_directory() {
        for (user, name) in [
            ("jane", "jane"),
            ("idp/jane@example.org", "idp_jane@example.org"),
            ("../jane", "_.._jane"),
            ("-rf", "_-rf"),
            ("a b\"c", "a_b_c"),
        ] {
            assert_eq!(file_name(user), name);
        }
    }

    #[test]
    fn what_is_not_kept_is_removed_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jane.key");
        let mut drafts = Drafts::default();
        drafts.create(&path, 0o600, "k").unwrap();
        assert!(Drafts::default().create(&path, 0o600, "other").unwrap_err().to_string().contains("not overwritten"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "k");
        drop(drafts);
        assert!(!path.exists());
    }

    #[test]
    fn the_roots_of_another_deployment_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let write = |roots: &str| write_roots(folder.path(), "jane", roots).unwrap();
        assert_eq!(write("one"), folder.path().join(ROOTS));
        assert_eq!(write("one"), folder.path().join(ROOTS));
        assert_eq!(write("two"), folder.path().join("jane-root.pem"));
        assert_eq!(fs::read_to_string(folder.path().join(ROOTS)).unwrap(), "one");
    }
}
