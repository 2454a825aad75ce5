//! What each command does.

mod area;
mod discover;
mod fog;
mod sla;
mod watch;

use std::fs::File;
use std::io::{self, BufReader, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::CommandFactory as _;
use mf2c_actors::ports::World;
use mf2c_client::args::{PasswordArgs, UserCommand};
use mf2c_client::{ClientCommand, ClientError, Surroundings};
use mf2c_domain::area::token::JoinToken;
use mf2c_store::engine::EmbeddedEngine;
use mf2c_store::{BackupSummary, Store, StoreOptions, read_backup, write_backup};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{AgentArgs, Cli, Command, ConfigCommand, FileArgs, PlaceArgs, exit, version};
use crate::config::{self, Loaded};
use crate::control;
use crate::flocker_ca;
use crate::logging;
use crate::node::{Node, Stopping, engine_options, make_directory, store_directory};
use crate::service_manager::ServiceManager;
use crate::world;

/// A command that did not succeed.
pub struct Failure {
    /// For the shell.
    pub code: u8,
    error: anyhow::Error,
    quiet: bool,
}

impl Failure {
    /// Tells people what went wrong, on standard error.
    pub fn report(&self) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "mf2c: {:#}", self.error);
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: exit::FAILED, error, quiet: false }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        // Its message names the causes already.
        Self { code: error.code(), quiet: error.is_quiet(), error: anyhow!("{error}") }
    }
}

fn misconfigured(error: impl Into<anyhow::Error>) -> Failure {
    Failure { code: exit::USAGE, error: error.into(), quiet: false }
}

/// Does what the command line says.
///
/// # Errors
/// [`Failure`] with the exit code and what to tell.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Agent(args) => agent(&args),
        Command::Ca(command) => area::ca(command, &surroundings()),
        Command::Token(command) => area::token(command, &surroundings()),
        Command::Join(args) => area::join(&args, &surroundings()),
        Command::Discover(args) => discover::run(&args, &surroundings()),
        Command::Area(args) => fog::area(&args, &surroundings()),
        Command::Sla(command) => sla::run(command, &surroundings()),
        Command::Config(ConfigCommand::Check(args)) => {
            let loaded = load(args.config.as_deref(), config::Overrides::default())?;
            check_certificate(&loaded)?;
            for warning in &loaded.warnings {
                say(&format!("warning: {warning}"))?;
            }
            let file = loaded.file.as_ref().map_or("the defaults".to_owned(), |path| format!("`{}`", path.display()));
            say(&format!("ok: {file} and the environment are a good configuration"))
        }
        Command::Config(ConfigCommand::Show(args)) => {
            say(load(args.config.as_deref(), config::Overrides::default())?.show().trim_end())
        }
        Command::Backup(args) => backup(&args),
        Command::Restore(args) => restore(&args),
        Command::Repair(args) => repair(&args),
        Command::FlockerCa(args) => match flocker_ca::run(&args.words, &world::real()) {
            exit::DONE => Ok(()),
            // It has said itself what went wrong.
            code => Err(Failure { code, error: anyhow!("flocker-ca failed"), quiet: true }),
        },
        Command::Sim(args) => simulate(&args),
        Command::Version => say(version()),
        Command::Client(command) => {
            let surroundings = surroundings();
            match &command {
                ClientCommand::User(UserCommand::Passwd(args)) if args.recovered().is_some() => {
                    recover(args, &surroundings)
                }
                _ => Ok(mf2c_client::run(command, &surroundings)?),
            }
        }
    }
}

/// What surrounds a command that shows or asks something.
fn surroundings() -> Surroundings {
    let World { clock, entropy } = world::real();
    Surroundings { variables: config::client_environment(), clock, entropy, program: Cli::command }
}

/// Prints a line on standard output. A reader that has gone away is no failure.
fn say(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error).context("standard output").into())
        }
        _ => Ok(()),
    }
}

fn load(file: Option<&Path>, overrides: config::Overrides) -> Result<Loaded, Failure> {
    config::load(file, config::environment().into_iter(), overrides).map_err(misconfigured)
}

fn load_place(place: &PlaceArgs) -> Result<Loaded, Failure> {
    load(place.config_file(), place.overrides())
}

/// A certificate that the configuration names must be one that can be served, before anything else is touched.
fn check_certificate(loaded: &Loaded) -> Result<(), Failure> {
    let flocker = &loaded.config.flocker;
    if flocker.listen.is_some() {
        mf2c_pki::flocker::server_config(&flocker.certificates, world::real().clock.now(), std::sync::Arc::new(|_| {}))
            .map_err(|error| misconfigured(anyhow::Error::new(error).context("`flocker.certificates`")))?;
    }
    let (Some(certificate), Some(key)) = (&loaded.config.tls.certificate, &loaded.config.tls.key) else {
        return Ok(());
    };
    mf2c_pki::load(certificate, key).and_then(|pair| mf2c_pki::server_config(&pair)).map(drop).map_err(misconfigured)
}

/// Runs an agent until a signal ends it.
fn agent(args: &AgentArgs) -> Result<(), Failure> {
    let loaded = load(args.config_file(), args.overrides())?;
    check_certificate(&loaded)?;
    logging::init(loaded.config.log.format, &loaded.config.log.level).map_err(misconfigured)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let token = args.join.as_deref().map(|text| area::at_start(text, &loaded.config.data_dir)).transpose()?.flatten();
    let served = actix::System::new().block_on(serve(&loaded, token.as_ref())).context("the agent did not start");
    let (stopping, outcome) = served?;
    stopping.finish();
    tracing::info!("stopped; everything is on disk");
    outcome
}

/// Serves until a signal comes. With a token the agent joins first, and stops where it cannot.
async fn serve(loaded: &Loaded, token: Option<&JoinToken>) -> anyhow::Result<(Stopping, Result<(), Failure>)> {
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let node = Node::start(&loaded.config, world::real()).await?;
    if let Some(token) = token
        && let Err(failure) = area::join_first(&node, token).await
    {
        return Ok((node.stop().await, Err(failure)));
    }
    let http = node.http.map(|address| address.to_string());
    let (role, version) = (loaded.config.role.as_str(), env!("CARGO_PKG_VERSION"));
    tracing::info!(version, role, https = %node.api, http, data_dir = %loaded.config.data_dir.display(), "serving");
    if let Some(first_admin) = &node.first_admin {
        say(first_admin).map_err(|failure| failure.error)?;
    }
    say(&format!("ready https://{}/api", node.api)).map_err(|failure| failure.error)?;
    let manager = ServiceManager::find();
    manager.ready();
    let signal = tokio::select! {
        _ = interrupted.recv() => "SIGINT",
        _ = terminated.recv() => "SIGTERM",
    };
    tracing::info!(signal, "stopping: answering what is in flight");
    manager.stopping();
    Ok((node.stop().await, Ok(())))
}

/// Runs a fog in this process.
fn simulate(args: &mf2c_sim::args::SimArgs) -> Result<(), Failure> {
    if let Some(level) = &args.log {
        logging::init(config::LogFormat::Text, level).map_err(misconfigured)?;
    }
    mf2c_sim::command::execute(args, &world::real().clock)
        .map_err(|error| if error.is_usage() { misconfigured(error) } else { anyhow::Error::from(error).into() })
}

/// Somebody else's data directory.
fn not_ours(data_dir: &Path) -> Failure {
    let shown = data_dir.display();
    let reason = format!("`{shown}` belongs to somebody else: run this as the agent's user or as root");
    Failure { code: exit::FORBIDDEN, error: anyhow!(reason), quiet: false }
}

/// A command that needs a running agent, without one. `otherwise` says what else helps.
fn no_agent(data_dir: &Path, otherwise: &str) -> Failure {
    let shown = data_dir.display();
    let reason =
        format!("no agent runs with the data directory `{shown}`: start the agent, or name its directory{otherwise}");
    Failure { code: exit::UNREACHABLE, error: anyhow!(reason), quiet: false }
}

/// Sets a password by way of the running agent, for whom the data directory belongs to.
fn recover(args: &PasswordArgs, surroundings: &Surroundings) -> Result<(), Failure> {
    let overrides = config::Overrides { data_dir: args.data_dir.clone(), ..config::Overrides::default() };
    let data_dir = load(args.config.as_deref(), overrides)?.config.data_dir;
    let name = args.recovered().unwrap_or_default();
    let (not_ours, no_agent) = (|| not_ours(&data_dir), || no_agent(&data_dir, ""));
    let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    // Nobody shall type a password for nothing.
    match control::is_there(&data_dir) {
        Err(error) if denied(&error) => return Err(not_ours()),
        Ok(true) => {}
        _ => return Err(no_agent()),
    }
    let password = mf2c_client::new_password(args.password_stdin, surroundings)?;
    match control::set_password(&data_dir, name, password.reveal()) {
        Ok(true) => say(&format!("the password of {name} is set, and {name}'s sessions are over")),
        Ok(false) => Err(no_agent()),
        Err(error) if denied(&error) => Err(not_ours()),
        Err(error) => Err(anyhow!(error).into()),
    }
}

/// Writes a backup, by way of the running agent if there is one. The file appears whole or not at all.
fn backup(args: &FileArgs) -> Result<(), Failure> {
    let loaded = load_place(&args.place)?;
    // Two backups to the same place at the same time do not meet; the later one stays.
    let partial = PathBuf::from(format!("{}.{}.partial", args.backup.display(), std::process::id()));
    let outcome = write_checked(&loaded, &partial).and_then(|summary| {
        put_in_place(&partial, &args.backup)
            .with_context(|| format!("cannot write the backup `{}`", args.backup.display()))?;
        Ok(summary)
    });
    if outcome.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    let BackupSummary { documents, position, bytes } = outcome?;
    say(&format!(
        "backed up {documents} documents up to change {position} to {} ({bytes} bytes, checked)",
        args.backup.display()
    ))
}

fn write_checked(loaded: &Loaded, partial: &Path) -> anyhow::Result<BackupSummary> {
    let context = || format!("cannot write `{}`", partial.display());
    // What a crash left behind must not lend its permissions to a backup.
    let _ = std::fs::remove_file(partial);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(partial).with_context(context)?;
    let data_dir = &loaded.config.data_dir;
    match control::ask_for_backup(data_dir).context("cannot ask the running agent for a backup")? {
        Some(mut stream) => drop(io::copy(&mut stream, &mut file).with_context(context)?),
        None => {
            let directory = existing_store(loaded)?;
            let engine = Arc::new(EmbeddedEngine::open(&directory, engine_options(&loaded.config))?);
            let world = world::real();
            let options = StoreOptions { name: directory, memory_budget: 0, ..StoreOptions::default() };
            let (store, _writer) = Store::open(engine, options, world.clock, &*world.entropy)?;
            write_backup(&store, io::BufWriter::new(&mut file))?;
        }
    }
    file.sync_all().with_context(context)?;
    let written = File::open(partial).with_context(context)?;
    let (_, summary) = read_backup(BufReader::new(written), &mut |_, _| Ok(()))
        .context("the agent stopped in the middle of the backup, its log tells why")?;
    Ok(summary)
}

/// Gives a file its final name, so that both outlast a power cut.
fn put_in_place(partial: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(partial, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The folder of a store that is there.
fn existing_store(loaded: &Loaded) -> anyhow::Result<PathBuf> {
    let directory = store_directory(&loaded.config);
    if !directory.exists() {
        bail!("there is no store in `{}`: name the data directory with --data-dir", directory.display());
    }
    Ok(directory)
}

/// Fills an empty data directory from a backup.
fn restore(args: &FileArgs) -> Result<(), Failure> {
    let loaded = load_place(&args.place)?;
    let file = File::open(&args.backup).with_context(|| format!("cannot read `{}`", args.backup.display()))?;
    let mut file = BufReader::new(file);
    // Everything is read and checked before the store is even made.
    read_backup(&mut file, &mut |_, _| Ok(())).map_err(anyhow::Error::from)?;
    file.rewind().context("cannot read the backup again")?;
    make_directory(&loaded.config).map_err(anyhow::Error::from)?;
    let engine = EmbeddedEngine::open(&store_directory(&loaded.config), engine_options(&loaded.config));
    let engine = engine.map_err(anyhow::Error::from)?;
    let restored = mf2c_store::restore(&engine, file, &*world::real().entropy).map_err(anyhow::Error::from)?;
    let directory = loaded.config.data_dir.display();
    say(&format!("restored {} documents up to change {} into {directory}", restored.documents, restored.position))
}

/// Cuts a damaged journal.
fn repair(args: &PlaceArgs) -> Result<(), Failure> {
    let loaded = load_place(args)?;
    let directory = existing_store(&loaded)?;
    let repaired = mf2c_store::repair(&directory, &*world::real().entropy).map_err(anyhow::Error::from)?;
    let Some(repaired) = repaired else {
        return say("the journals are undamaged; nothing was changed");
    };
    say(&format!("cut `{}` at byte {}: {} bytes", repaired.file.display(), repaired.offset, repaired.bytes))?;
    for kept in &repaired.kept_as {
        say(&format!("what was cut off is kept as `{}`", kept.display()))?;
    }
    say(&match (repaired.last_position, repaired.acknowledged) {
        (Some(last), Some(acknowledged)) if acknowledged > last => {
            format!("lost: changes {} to {acknowledged}, as far as tables do not hold them", last + 1)
        }
        (None, Some(acknowledged)) => format!("lost: changes up to {acknowledged}, as far as tables do not hold them"),
        _ => "lost: nothing that had been acknowledged".to_owned(),
    })?;
    say("the store has begun a new life: entity tags of before do not match any more")
}
