//! `mf2c service register`: what can be said of a service on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{ConnectionArgs, Format};
use crate::output::clean;

pub(super) const EXAMPLES: &str = "\
FILE is a service in JSON or YAML; - is standard input. Without one, flags say what is run; what stands on the
line wins over the file. What stands behind -- are arguments of the program. No shell reads any of it. A compose
file is sent as a whole. Everything else that a service can say goes into a FILE.

Examples:
  mf2c service register service.yaml
  mf2c service register --name web --image nginx:1.27 --port 80 --health http:80/ --memory 128
  mf2c service register --name shop --compose compose.yaml --agents 2 --reschedule 60
  mf2c service register --name beat --process /usr/bin/ping --restart always -- -i 5 192.0.2.1
  mf2c service register --replace --name web --image nginx:1.28 --port 80";

/// When a service is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestartFlag {
    /// Never.
    Never,
    /// When it fails.
    OnFailure,
    /// Whenever it ends.
    Always,
}

impl RestartFlag {
    /// Its name in a service.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

/// How the health of a service is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthFlag {
    /// A request.
    Http {
        /// The port inside; the first of the service unless said.
        port: Option<u16>,
        /// The path, with the slash that it begins with.
        path: String,
    },
    /// A connection.
    Tcp {
        /// The port inside; the first of the service unless said.
        port: Option<u16>,
    },
    /// A program and its arguments.
    Exec(Vec<String>),
}

/// What to register.
#[derive(Debug, Clone, Args)]
pub struct RegisterArgs {
    /// The service in JSON or YAML; - is standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The name under which people choose it
    #[arg(long, value_name = "NAME", help_heading = "What it is")]
    pub name: Option<String>,
    /// Run this container image
    #[arg(long, value_name = "IMAGE", help_heading = "What it is", conflicts_with_all = ["compose", "process"])]
    pub image: Option<String>,
    /// Run the services of this compose file
    #[arg(long, value_name = "FILE", help_heading = "What it is", conflicts_with = "process")]
    pub compose: Option<PathBuf>,
    /// Run this program of the machine
    #[arg(long, value_name = "PATH", help_heading = "What it is")]
    pub process: Option<String>,
    /// A port inside that it listens on; may be repeated
    #[arg(long, value_name = "PORT", help_heading = "How it runs", value_delimiter = ',',
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// A variable of its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "How it runs", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// An argument; may be repeated
    #[arg(long, value_name = "TEXT", help_heading = "How it runs", allow_hyphen_values = true)]
    pub arg: Vec<String>,
    /// What it sees of the disk, NAME:/PATH or /FROM:/PATH, with :ro or not; may be repeated
    #[arg(long, value_name = "VOLUME", help_heading = "How it runs")]
    pub volume: Vec<String>,
    /// The main memory that it may use, in MiB
    #[arg(long, value_name = "MIB", help_heading = "How it runs", value_parser = clap::value_parser!(u64).range(1..))]
    pub memory: Option<u64>,
    /// The processors that it may use; half a one is 0.5
    #[arg(long, value_name = "NUMBER", help_heading = "How it runs", value_parser = processors)]
    pub cpus: Option<f64>,
    /// When it is started again: never, on-failure or always
    #[arg(long, value_name = "WHEN", help_heading = "How it runs", hide_possible_values = true)]
    pub restart: Option<RestartFlag>,
    /// How it is told whether it is well: http:PORT/PATH, tcp:PORT or exec:PROGRAM
    #[arg(long, value_name = "CHECK", help_heading = "How it runs", value_parser = health)]
    pub health: Option<HealthFlag>,
    /// On how many agents it runs
    #[arg(long, value_name = "N", help_heading = "Where it runs", value_parser = clap::value_parser!(u64).range(1..))]
    pub agents: Option<u64>,
    /// Start it elsewhere after its agent was away for so many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Where it runs")]
    pub reschedule: Option<u64>,
    /// Change the service of this name, if there is one
    #[arg(long)]
    pub replace: bool,
    /// Arguments of the program
    #[arg(value_name = "ARGUMENT", last = true)]
    pub arguments: Vec<String>,
    /// Write the answer as table (the id), json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Reads `NAME=VALUE`.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{}` is no variable, expected NAME=VALUE", clean(text))),
    }
}

/// Reads how many processors.
fn processors(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`{}` is no number of processors, expected one such as 2 or 0.5", clean(text)))
}

/// Reads a health check.
fn health(text: &str) -> Result<HealthFlag, String> {
    let refused =
        || format!("`{}` is no health check, expected http:PORT/PATH, tcp:PORT or exec:PROGRAM ARGUMENTS", clean(text));
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let port = |text: &str| match text {
        "" => Ok(None),
        _ => text.parse::<u16>().ok().filter(|port| *port > 0).map(Some).ok_or_else(refused),
    };
    match kind {
        "http" => {
            let (before, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let path = if path.is_empty() { "/" } else { path };
            Ok(HealthFlag::Http { port: port(before)?, path: path.to_owned() })
        }
        "tcp" => Ok(HealthFlag::Tcp { port: port(rest)? }),
        "exec" => {
            let command: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
            if command.is_empty() { Err(refused()) } else { Ok(HealthFlag::Exec(command)) }
        }
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_is_read_with_its_port_and_path_and_nothing_else_passes() {
        let http = |port, path: &str| HealthFlag::Http { port, path: path.to_owned() };
        for (text, expected) in [
            ("http:80/well?deep=1", http(Some(80), "/well?deep=1")),
            ("http:80", http(Some(80), "/")),
            ("http:/well", http(None, "/well")),
            ("http", http(None, "/")),
            ("tcp:5432", HealthFlag::Tcp { port: Some(5432) }),
            ("tcp", HealthFlag::Tcp { port: None }),
            ("exec:/w ok", HealthFlag::Exec(vec!["/w".to_owned(), "ok".to_owned()])),
        ] {
            assert_eq!(health(text), Ok(expected), "{text}");
        }
        for text in ["", "exec:", "exec", "tcp:0", "tcp:70000", "http:eighty/", "udp:53"] {
            let error = health(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is no health check, expected http:PORT/PATH")), "{error}");
        }
    }

    #[test]
    fn variables_and_processors_say_what_was_expected() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A=").map(|it| it.1), Ok(String::new()));
        assert!(variable("=b").is_err() && variable("A").unwrap_err().ends_with("expected NAME=VALUE"));
        assert_eq!(processors("0.5"), Ok(0.5));
        assert!(["0", "-1", "NaN", "inf", "two"].iter().all(|text| processors(text).is_err()));
    }
}
