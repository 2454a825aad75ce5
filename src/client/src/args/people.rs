//! The commands about users and their keys.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser as _};
use clap::{Args, Subcommand};
use mf2c_domain::id::ResourceId;

use super::{ConnectionArgs, PlainArgs, ShownArgs};

const ADD_EXAMPLES: &str = "\
For administrators. The user can sign in at once.

Examples:
  mf2c user add jane --email jane@example.org
  mf2c user add robot --email fog@example.org --password-stdin <password.txt";

const PASSWD_EXAMPLES: &str = "\
With --password-stdin: the present password and the new one, a line each; for somebody else only the new one.

Examples:
  mf2c user passwd                 one's own
  mf2c user passwd jane            somebody else's, by an administrator
  mf2c user passwd admin --data-dir /var/lib/mf2c
                                   nobody can sign in: as the agent's user or as root, on its machine";

/// The flags that name an agent by its address.
const ELSEWHERE: [&str; 7] = ["profile", "url", "speak_as", "ca", "fingerprint", "insecure", "timeout"];

const KEY_ADD_EXAMPLES: &str = "\
The secret is shown this once and never again.

Examples:
  mf2c user key add --name backup-robot --ttl 90d";

const CERT_EXAMPLES: &str = "\
The key is made here and stays here. Without a session, whoever has both files is the user, until the certificate
ends or is revoked with `mf2c action certificate/SERIAL revoke`.

Examples:
  mf2c user cert jane                      jane.key, jane.crt and mf2c-root.pem in this directory
  mf2c user cert jane --ttl 90d --out ~/.mf2c
  curl --cacert mf2c-root.pem --cert jane.crt --key jane.key https://fog.example:8443/api/device";

/// A command about users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user
    #[command(after_help = ADD_EXAMPLES)]
    Add(NewUserArgs),
    /// List users
    List(ShownArgs),
    /// Let a user sign in
    Activate(UserArgs),
    /// Keep a user from signing in
    Suspend(UserArgs),
    /// Change a password
    #[command(after_help = PASSWD_EXAMPLES)]
    Passwd(PasswordArgs),
    /// Make a certificate to sign in with
    #[command(after_help = CERT_EXAMPLES)]
    Cert(CertificateArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
}

/// A command about API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key for oneself
    #[command(after_help = KEY_ADD_EXAMPLES)]
    Add(NewKeyArgs),
    /// List API keys
    List(ShownArgs),
    /// Revoke API keys
    Revoke(OwnKeysArgs),
}

/// Reads the name of a user, with or without `user/`.
fn user(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("user/").unwrap_or(text);
    ResourceId::new("user", name).map(|id| id.name().to_owned()).map_err(|error| error.to_string())
}

/// Reads the id of a key, with or without `credential/`.
fn key(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("credential/").unwrap_or(text);
    ResourceId::new("credential", name).map(|id| id.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Reads a span of time, in seconds.
pub(super) fn ttl(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is no time such as 90d, 12h, 30m or 45s");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| refused())?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(refused)
}

/// Whom to add.
#[derive(Debug, Clone, Args)]
pub struct NewUserArgs {
    /// The name
    #[arg(value_name = "NAME", value_parser = user)]
    pub name: String,
    /// The address
    #[arg(long, value_name = "ADDRESS")]
    pub email: String,
    /// Make the user an administrator
    #[arg(long)]
    pub admin: bool,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Whom it is about.
#[derive(Debug, Clone, Args)]
pub struct UserArgs {
    /// The user
    #[arg(value_name = "NAME", value_parser = user)]
    pub name: String,
    /// Which agent.
    #[command(flatten)]
    pub plain: PlainArgs,
}

/// Whose password.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// The user [default: oneself]
    #[arg(value_name = "NAME", value_parser = user)]
    pub name: Option<String>,
    /// Read passwords from standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// When nobody can sign in: set it through the agent's data directory, as the agent's user or root
    #[arg(long, value_name = "DIR", help_heading = "Recovery, on the agent's machine", requires = "name")]
    #[arg(conflicts_with_all = ELSEWHERE, value_parser = NonEmptyStringValueParser::new().map(PathBuf::from))]
    pub data_dir: Option<PathBuf>,
    /// The same, with the data directory that this configuration file names
    #[arg(long, value_name = "FILE", help_heading = "Recovery, on the agent's machine", requires = "name")]
    #[arg(conflicts_with_all = ELSEWHERE)]
    pub config: Option<PathBuf>,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl PasswordArgs {
    /// The user whose password is set through the data directory, without signing in.
    #[must_use]
    pub fn recovered(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.data_dir.is_some() || self.config.is_some())
    }
}

/// What certificate to make.
#[derive(Debug, Clone, Args)]
pub struct CertificateArgs {
    /// The user
    #[arg(value_name = "NAME", value_parser = user)]
    pub name: String,
    /// How long it holds, such as 90d or 12h [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<u64>,
    /// Write the files into this directory, which is made if it is missing
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub out: PathBuf,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What key to make.
#[derive(Debug, Clone, Args)]
pub struct NewKeyArgs {
    /// A name to know it by
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How long it holds, such as 90d or 12h [default: without end]
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<u64>,
    /// How to show it.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// Which keys to revoke.
#[derive(Debug, Clone, Args)]
pub struct OwnKeysArgs {
    /// The keys
    #[arg(value_name = "ID", required = true, value_parser = key)]
    pub ids: Vec<String>,
    /// Accepted for scripts; this command never asks
    #[arg(short, long)]
    pub yes: bool,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!((ttl("90d"), ttl("12h"), ttl("45s")), (Ok(7_776_000), Ok(43_200), Ok(45)));
        for bad in ["90", "d", "", "1w", "0s", "99999999999999999999d", "-1d"] {
            assert!(ttl(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_and_keys_are_named_with_or_without_their_type() {
        assert_eq!((user("user/jane"), user("jane")), (Ok("jane".to_owned()), Ok("jane".to_owned())));
        assert_eq!(key("5f0c"), Ok("credential/5f0c".to_owned()));
        assert!(user("../jane").is_err() && key("a/b").is_err());
    }
}
