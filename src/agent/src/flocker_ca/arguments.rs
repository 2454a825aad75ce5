//! The command line of `flocker-ca`: the commands, options and complaints of the tool of that name (facades
//! specification, 1.2).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (mf2c)");

const EXAMPLES: &str = "\
Examples:
  flocker-ca initialize mycluster
  flocker-ca create-control-certificate 172.16.255.250
  flocker-ca create-node-certificate
  flocker-ca create-api-certificate allison
  flocker-ca revoke allison.crt

No file is ever overwritten. Keys are made here, have 4096 bits of RSA and mode 0600.
The commands do the same below `mf2c flocker-ca`.";

/// What `flocker-ca` is told.
#[derive(Debug, Parser)]
#[command(name = "flocker-ca", version = VERSION, propagate_version = true, disable_help_subcommand = true)]
#[command(about = "Make the certificates of a Flocker cluster", after_help = EXAMPLES, max_term_width = 120)]
#[command(override_usage = "flocker-ca <command> [options]", subcommand_value_name = "command")]
#[command(arg_required_else_help = true)]
pub(super) struct Arguments {
    /// What to make.
    #[command(subcommand)]
    pub(super) command: Command,
    /// How to tell of it.
    #[command(flatten)]
    pub(super) telling: Telling,
}

/// How to tell of what is done.
#[derive(Debug, Args)]
pub(super) struct Telling {
    /// Say more about what is made
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// Say it to systemd's journal too
    #[arg(long, global = true)]
    pub(super) journald: bool,
    /// Add it to the end of this file too
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) logfile: Option<PathBuf>,
}

/// What to make.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the authority of a new cluster: cluster.crt and cluster.key, in the current directory
    #[command(override_usage = "flocker-ca initialize <name> [options]")]
    Initialize {
        /// The name of the cluster
        #[arg(value_name = "name")]
        name: OsString,
    },
    /// Make the control service's certificate: control-<hostname>.crt and .key
    #[command(override_usage = "flocker-ca create-control-certificate <hostname> [options]")]
    CreateControlCertificate {
        /// The DNS name or IP address by which clients reach it
        #[arg(value_name = "hostname")]
        host: OsString,
        /// Where files are.
        #[command(flatten)]
        places: Places,
    },
    /// Make a node's certificate: <new id>.crt and .key
    #[command(override_usage = "flocker-ca create-node-certificate [options]")]
    CreateNodeCertificate {
        /// Where files are.
        #[command(flatten)]
        places: Places,
    },
    /// Make an API user's certificate: <name>.crt and .key
    #[command(
        override_usage = "flocker-ca create-api-certificate <name> [options]",
        alias = "generate-api-certificate"
    )]
    CreateApiCertificate {
        /// The user's name
        #[arg(value_name = "name")]
        name: OsString,
        /// Where files are.
        #[command(flatten)]
        places: Places,
    },
    /// Revoke a certificate: it is added to cluster.crl, which the control service reads again when it changes
    #[command(override_usage = "flocker-ca revoke <certificate> [options]")]
    Revoke {
        /// The file of the certificate, or its serial number in hexadecimal digits
        #[arg(value_name = "certificate")]
        certificate: OsString,
        /// Where files are.
        #[command(flatten)]
        places: Places,
    },
}

/// Where files are read and written.
#[derive(Debug, Args)]
pub(super) struct Places {
    /// The directory with cluster.crt and cluster.key [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    pub(super) inputpath: Option<PathBuf>,
    /// The directory for the new files [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    pub(super) outputpath: Option<PathBuf>,
}

/// What the command line asks for, or what is to be printed instead.
pub(super) enum Asked {
    /// To do something.
    Work(Arguments),
    /// To read this; nothing is wrong.
    Read(String),
    /// Something that cannot be understood, and why.
    Nonsense(String),
}

/// Reads the words behind the program's name.
pub(super) fn read(words: &[OsString]) -> Asked {
    let all = std::iter::once(OsString::from("flocker-ca")).chain(words.iter().cloned());
    let error = match Arguments::try_parse_from(all) {
        Ok(arguments) => return Asked::Work(arguments),
        Err(error) => error,
    };
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    // An option comes with the name of its value.
    let argument = || context(ContextKind::InvalidArg).split(' ').next().unwrap_or_default().to_owned();
    let usage = || match context(ContextKind::Usage) {
        none if none.is_empty() => Arguments::command().render_usage().to_string(),
        usage => usage,
    };
    let nonsense =
        |before: String, complaint: String| Asked::Nonsense(format!("{}\nERROR: {complaint}", before.trim_end()));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Asked::Read(error.to_string())
        }
        // Options alone ask for nothing.
        ErrorKind::MissingSubcommand => Asked::Read(Arguments::command().render_help().to_string()),
        ErrorKind::InvalidSubcommand => {
            let help = Arguments::command().render_help().to_string();
            nonsense(help, format!("Unknown command: {}", context(ContextKind::InvalidSubcommand)))
        }
        ErrorKind::UnknownArgument if argument().starts_with('-') => {
            nonsense(usage(), format!("option {} not recognized", argument()))
        }
        ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument => {
            nonsense(usage(), "Wrong number of arguments.".to_owned())
        }
        ErrorKind::InvalidValue => nonsense(usage(), format!("option {} requires an argument", argument())),
        _ => nonsense(usage(), format!("option {}: {}", argument(), error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonsense(line: &str) -> String {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        match read(&words) {
            Asked::Nonsense(text) => text,
            Asked::Read(text) => panic!("{line}: {text}"),
            Asked::Work(asked) => panic!("{line}: {asked:?}"),
        }
    }

    #[test]
    fn complaints_end_with_the_words_of_the_tool() {
        let cases = [
            ("bogus", "Usage: flocker-ca <command> [options]", "ERROR: Unknown command: bogus"),
            ("initialize", "Usage: flocker-ca initialize <name> [options]", "ERROR: Wrong number of arguments."),
            ("initialize a b", "Usage: flocker-ca initialize", "ERROR: Wrong number of arguments."),
            ("create-node-certificate a", "Usage: flocker-ca create-node", "ERROR: Wrong number of arguments."),
            ("generate-api-certificate", "Usage: flocker-ca create-api", "ERROR: Wrong number of arguments."),
            ("create-api-certificate x --bogus", "Usage:", "ERROR: option --bogus not recognized"),
            ("initialize x -o y", "Usage:", "ERROR: option -o not recognized"),
            ("create-api-certificate x -o", "Usage:", "requires an argument"),
        ];
        for (line, usage, complaint) in cases {
            let text = nonsense(line);
            assert!(text.contains(usage), "{line}: {text}");
            assert!(text.ends_with(complaint), "{line}: {text}");
        }
    }

    #[test]
    fn options_stand_before_or_behind_the_names() {
        for line in
            ["-v create-api-certificate -o out --inputpath=in allison", "create-api-certificate allison -iin -oout -v"]
        {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let Asked::Work(Arguments { command: Command::CreateApiCertificate { name, places }, telling }) =
                read(&words)
            else {
                panic!("{line}")
            };
            assert!(name == "allison" && telling.verbose, "{line}");
            assert_eq!((places.inputpath, places.outputpath), (Some("in".into()), Some("out".into())), "{line}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
