//! The commands about areas: who belongs to them, and what proves it.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use mf2c_client::args::Format;
use mf2c_domain::area::name;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::{check_area, check_device, check_trust_domain};
use mf2c_domain::area::token::{LONGEST_LIFE, check_address};
use mf2c_domain::id::ResourceId;

use super::PlaceArgs;
use crate::config::{HumanDuration, is_host};

/// The area that nobody named.
const USUAL_AREA: &str = "home";
/// The deployment that nobody named.
const USUAL_TRUST_DOMAIN: &str = "mf2c.internal";

const INIT_EXAMPLES: &str = "\
Makes a root certificate and the area's own authority in `ca/` of the data directory, and makes this agent the first
member of the area, and its leader. From then on it lets others in on `link.listen`.

Examples:
  mf2c ca init --area harbour
  mf2c ca init --area harbour --domain fog.example.org      members may have names below this domain";

const SHOW_EXAMPLES: &str = "\
Examples:
  mf2c ca show                          this agent's authority, and the area that it belongs to
  mf2c ca show --pem >roots.pem         what others need to believe this area's certificates
  curl --cacert roots.pem https://localhost:8443/api/cloud-entry-point";

const REVOKE_EXAMPLES: &str = "\
What is revoked counts no longer: connections are closed within seconds, and nothing is renewed.
Certificates are listed by `mf2c query certificate`.

Examples:
  mf2c ca revoke 4f0a7c21... --reason 'the boat was sold'
  mf2c ca revoke --device 8256f3a0      all that the device has whose id begins so
  mf2c ca revoke --device boat-7        all that the device has that is called so in `mf2c area`
  mf2c ca revoke --user jane            all that this user has at this agent";

const ROTATE_EXAMPLES: &str = "\
A new root is believed beside the old one, so that no connection fails. When every member has heard of it, by itself
after `pki.overlap` or by --finish, the old one is dropped. Who was away all the time needs a new join token.

Examples:
  mf2c ca rotate
  mf2c ca rotate --finish";

const CRL_EXAMPLES: &str = "\
Examples:
  mf2c ca crl | openssl crl -noout -text";

const CREATE_EXAMPLES: &str = "\
Prints one line: the token. It lets one machine in once, so hand it over as you would a password. It holds the address
of this agent, and what tells this area's root from every other.

Examples:
  mf2c token create >token.txt                       for one agent, good for ten minutes
  mf2c token create --role leader --area pier        for the leader of another area below this one
  mf2c token create --device 8256... --ttl 1h        for this device only
  mf2c token create --name boat.fog.example.org      its certificate may hold this name too
  mf2c token create --address fog.example.org:8444   where the other machine finds this one";

pub(super) const JOIN_EXAMPLES: &str = "\
The agent of this machine calls the address in the token, and sends the token's secret only to who shows the root that
the token names. Other programs of this machine can read what stands on a command line: `-` and --token-file keep the
token off it.

Examples:
  mf2c join - <token.txt
  mf2c join --token-file token.txt --data-dir /var/lib/mf2c
  mf2c agent --join @token.txt          starts the agent and joins, unless it has joined already";

/// A command about the authority.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make the authority of an area here; this agent leads the area
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Show the authority of this agent, and the area that it belongs to
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Revoke a certificate, or all of a device or user
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(RevokeArgs),
    /// Change the root: a new one beside the old, and later without it
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArgs),
    /// Print the list of revoked certificates in PEM
    #[command(after_help = CRL_EXAMPLES)]
    Crl(PlaceArgs),
}

/// A command about join tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token that lets one machine into the area
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateTokenArgs),
    /// List tokens
    List(ListTokensArgs),
    /// Take tokens back
    Delete(DeleteTokensArgs),
}

/// What authority to make.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The area: small letters, digits and `-`
    #[arg(long, value_name = "NAME", default_value = USUAL_AREA, value_parser = area)]
    pub area: String,
    /// What the areas of one owner have in common
    #[arg(long, value_name = "NAME", default_value = USUAL_TRUST_DOMAIN, value_parser = trust_domain)]
    pub trust_domain: String,
    /// Members may have host names below this domain; may be repeated
    #[arg(long = "domain", value_name = "NAME", value_parser = host)]
    pub domains: Vec<String>,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How to show the authority.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Print the roots in PEM and nothing else
    #[arg(long, conflicts_with = "output")]
    pub pem: bool,
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What to revoke.
#[derive(Debug, Clone, Args)]
#[group(id = "target", required = true, multiple = false, args = ["serial", "device", "user"])]
pub struct RevokeArgs {
    /// The serial number of a certificate, in hexadecimal
    #[arg(value_name = "SERIAL", value_parser = serial)]
    pub serial: Option<String>,
    /// All certificates of this device: its name, its id, or the beginning of it
    #[arg(long, value_name = "DEVICE", value_parser = agent)]
    pub device: Option<String>,
    /// All certificates of this user
    #[arg(long, value_name = "NAME", value_parser = user)]
    pub user: Option<String>,
    /// Why; kept with the certificate
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How to change the root.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Drop the old root
    #[arg(long)]
    pub finish: bool,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What token to make.
#[derive(Debug, Clone, Args)]
pub struct CreateTokenArgs {
    /// Admit as agent, or as leader of an area of its own
    #[arg(long, value_name = "ROLE", default_value = "agent", value_parser = role(), hide_possible_values = true)]
    pub role: MemberRole,
    /// The area that the leader will lead
    #[arg(long, value_name = "NAME", required_if_eq("role", "leader"), value_parser = area)]
    pub area: Option<String>,
    /// How long it can be used, at most 24h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = ttl)]
    pub ttl: Duration,
    /// Only this device may use it
    #[arg(long, value_name = "ID", value_parser = device)]
    pub device: Option<String>,
    /// The certificate may hold this host name or address; may be repeated
    #[arg(long = "name", value_name = "HOST", value_parser = host)]
    pub names: Vec<String>,
    /// Where the other machine finds this agent [default: link.advertise, else link.listen]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub address: Option<String>,
    /// The device need not show it: for the doors of the original, which know no tokens
    #[arg(long, requires = "device")]
    pub without_secret: bool,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How to list tokens.
#[derive(Debug, Clone, Args)]
pub struct ListTokensArgs {
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Which tokens to take back.
#[derive(Debug, Clone, Args)]
pub struct DeleteTokensArgs {
    /// The tokens, as the list shows them
    #[arg(value_name = "ID", required = true, value_parser = token_id)]
    pub ids: Vec<String>,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How to join.
#[derive(Debug, Clone, Args)]
pub struct JoinArgs {
    /// The token, or `-` to read it from standard input
    #[arg(value_name = "TOKEN", required_unless_present = "token_file", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// Read the token from this file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Be admitted as agent or leader, as the token says [default: as the configuration says]
    #[arg(long, value_name = "ROLE", value_parser = role(), hide_possible_values = true)]
    pub role: Option<MemberRole>,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

fn role() -> impl TypedValueParser<Value = MemberRole> {
    PossibleValuesParser::new(["agent", "leader"]).try_map(|text| text.parse::<MemberRole>())
}

/// Reads a text that a rule of the domain allows.
fn allowed<E: ToString>(text: &str, rule: impl Fn(&str) -> Result<(), E>) -> Result<String, String> {
    rule(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn area(text: &str) -> Result<String, String> {
    allowed(text, check_area)
}

fn trust_domain(text: &str) -> Result<String, String> {
    allowed(text, check_trust_domain)
}

fn device(text: &str) -> Result<String, String> {
    allowed(text.strip_prefix("device/").unwrap_or(text), check_device)
}

/// Reads what people call an agent: its name, its device, the beginning of that, or its SPIFFE ID.
pub(super) fn agent(text: &str) -> Result<String, String> {
    let bare = text.rsplit('/').next().unwrap_or(text);
    if name::check(bare).is_ok() {
        return Ok(bare.to_owned());
    }
    allowed(bare, |bare| {
        check_device(bare).map_err(|_| {
            "this is no name and no device of an agent: `mf2c area` lists both, and the beginning of a device is enough"
        })
    })
}

fn address(text: &str) -> Result<String, String> {
    allowed(text, |text| {
        check_address(text).map_err(|_| "this is not HOST:PORT; write for example `fog.example.org:8444`")
    })
}

fn host(text: &str) -> Result<String, String> {
    let good = is_host(text) && !text.starts_with("*.");
    good.then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "this is no host name and no address; write for example `boat.fog.example.org`".to_owned())
}

fn user(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("user/").unwrap_or(text);
    ResourceId::new("user", name).map(|id| id.name().to_owned()).map_err(|error| error.to_string())
}

/// Reads a serial number as `openssl` or the list of certificates shows it.
fn serial(text: &str) -> Result<String, String> {
    let bare: String = text.strip_prefix("certificate/").unwrap_or(text).chars().filter(|c| *c != ':').collect();
    let good = (1..=40).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| bare.to_ascii_lowercase()).ok_or_else(|| {
        "a serial number is hexadecimal, at most 40 digits: `mf2c query certificate` lists them".to_owned()
    })
}

fn token_id(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("join-token/").unwrap_or(text);
    if name.starts_with("mf2c1.") {
        return Err("this is the token itself, which nobody else should see: give its id, the 16 digits between the hash and the secret".to_owned());
    }
    ResourceId::new("join-token", name).map(|id| id.name().to_owned()).map_err(|error| error.to_string())
}

fn reason(text: &str) -> Result<String, String> {
    let good = !text.trim().is_empty() && text.len() <= 500 && !text.chars().any(char::is_control);
    good.then(|| text.trim().to_owned()).ok_or_else(|| "a reason is one line of at most 500 bytes".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let time = text.parse::<HumanDuration>().map_err(|error| error.to_string())?.get();
    let good = (Duration::from_secs(1)..=Duration::from_secs(LONGEST_LIFE)).contains(&time);
    good.then_some(time).ok_or_else(|| format!("`{text}` is out of range; expected 1s to 24h"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap().command
    }

    fn refused(line: &str) -> String {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let Command::Ca(CaCommand::Init(args)) = parsed("mf2c ca init") else { panic!() };
        assert_eq!((args.area.as_str(), args.trust_domain.as_str()), ("home", "mf2c.internal"));
        let Command::Token(TokenCommand::Create(args)) = parsed("mf2c token create") else { panic!() };
        assert_eq!((args.role, args.ttl, args.area), (MemberRole::Agent, Duration::from_secs(600), None));
        let Command::Join(args) = parsed("mf2c join -") else { panic!() };
        assert_eq!((args.token.as_deref(), args.role), (Some("-"), None));
    }

    #[test]
    fn a_serial_number_is_read_as_others_print_it() {
        for line in ["mf2c ca revoke 4F:0A:7c", "mf2c ca revoke 4f0a7c", "mf2c ca revoke certificate/4f0a7c"] {
            let Command::Ca(CaCommand::Revoke(args)) = parsed(line) else { panic!() };
            assert_eq!(args.serial.as_deref(), Some("4f0a7c"), "{line}");
        }
    }

    #[test]
    fn each_mistake_is_told_with_what_was_expected() {
        for (line, expected) in [
            ("mf2c ca", "Usage: mf2c ca"),
            ("mf2c ca init --area Harbour", "Harbour"),
            ("mf2c ca init --domain *.x", "write for example"),
            ("mf2c ca revoke", "<SERIAL|--device <DEVICE>|--user <NAME>>"),
            ("mf2c ca revoke 4f --user jane", "cannot be used with"),
            ("mf2c ca revoke xyz", "a serial number is hexadecimal"),
            ("mf2c ca show --pem -o json", "cannot be used with"),
            ("mf2c token create --role boss", "[possible values: agent, leader]"),
            ("mf2c token create --role leader", "--area <NAME>"),
            ("mf2c token create --ttl 25h", "expected 1s to 24h"),
            ("mf2c token create --ttl 10", "has no unit"),
            ("mf2c token create --address fog", "this is not HOST:PORT"),
            ("mf2c token create --without-secret", "--device <ID>"),
            ("mf2c token delete mf2c1.aa.bb.cc@h:1", "give its id"),
            ("mf2c join", "<TOKEN>"),
            ("mf2c join - --token-file x", "cannot be used with"),
        ] {
            let said = refused(line);
            assert!(said.contains(expected), "{line}: {said}");
        }
    }
}
