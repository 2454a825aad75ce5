//! Starts what makes accounts and sends mail, with what the operator has set.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter, Recipient};
use mf2c_actors::account_manager::{AccountManager, AccountParts, AccountSettings, EnsureTemplates};
use mf2c_actors::hasher::Hasher;
use mf2c_actors::mailer::{Mailer, SendMail};
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::ResourceStore;
use mf2c_actors::session_manager::SessionManager;
use mf2c_store::Store;
use mf2c_transport::smtp::{Security, Smtp, SmtpSettings, SmtpSettingsError};
use thiserror::Error;

use crate::config::{Config, MailSecurity};

/// Mails and requests that may wait before their senders do.
const MAILBOX: usize = 1024;
/// The largest file with a password or certificates, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Why no mail can be sent.
#[derive(Debug, Error)]
pub enum MailError {
    /// A file of the configuration cannot be read.
    #[error("failed to read `{}` (`{key}`)", path.display())]
    Read {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file with the password has none.
    #[error("`{}` (`mail.password_file`) is empty: write the password into its first line", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// The settings cannot be used.
    #[error("`[mail]`: {0}")]
    Settings(#[from] SmtpSettingsError),
}

/// What the account manager meets.
pub(crate) struct Rooms<'a> {
    pub(crate) arbiter: &'a Arbiter,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) writer: &'a Addr<ResourceStore>,
    pub(crate) sessions: &'a Addr<SessionManager>,
    pub(crate) hasher: Hasher,
    pub(crate) world: &'a World,
}

/// Starts the account manager, and the mailer where there is a way to send mail. When it returns, the templates are there.
pub(crate) async fn start(config: &Config, mail: Option<Smtp>, rooms: Rooms<'_>) -> Addr<AccountManager> {
    let parts = AccountParts {
        store: Arc::clone(rooms.store),
        writer: rooms.writer.clone(),
        world: rooms.world.clone(),
        sessions: rooms.sessions.clone(),
        hasher: rooms.hasher,
        mailer: mail.map(|transport| mailer(config, rooms.arbiter, transport)),
        settings: AccountSettings {
            registration: config.auth.registration,
            validation_life: config.auth.validation_life.get(),
        },
    };
    let accounts = AccountManager::start_in_arbiter(&rooms.arbiter.handle(), move |context| {
        context.set_mailbox_capacity(MAILBOX);
        AccountManager::new(parts)
    });
    match accounts.send(EnsureTemplates).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the templates could not be stored"),
        Err(error) => tracing::warn!(%error, "the templates could not be stored"),
    }
    accounts
}

fn mailer(config: &Config, arbiter: &Arbiter, transport: Smtp) -> Recipient<SendMail> {
    let (transport, deadline) = (Arc::new(transport), config.mail.timeout.get());
    let mailer = Mailer::start_in_arbiter(&arbiter.handle(), move |context| {
        context.set_mailbox_capacity(MAILBOX);
        Mailer::new(transport, deadline)
    });
    mailer.recipient()
}

/// The way to send mail, where a mail server is configured. Nothing is connected yet, but what is wrong is told.
pub(crate) fn mail_transport(config: &Config, world: &World) -> Result<Option<Smtp>, MailError> {
    let Some(settings) = smtp_settings(config)? else {
        tracing::info!("no mail server is configured: administrators find the links of new accounts in their emails");
        return Ok(None);
    };
    Ok(Some(Smtp::new(settings, Arc::clone(&world.entropy))?))
}

fn smtp_settings(config: &Config) -> Result<Option<SmtpSettings>, MailError> {
    let mail = &config.mail;
    if mail.host.is_empty() {
        return Ok(None);
    }
    // The ports of RFC 8314 and RFC 6409, and the one of RFC 5321.
    let (security, usual) = match mail.security {
        MailSecurity::Tls => (Security::Tls, 465),
        MailSecurity::StartTls => (Security::StartTls, 587),
        MailSecurity::None => (Security::None, 25),
    };
    let credentials = match &mail.password_file {
        Some(path) => {
            let text = read("mail.password_file", path)?;
            let text = String::from_utf8_lossy(&text);
            let password = text.lines().next().unwrap_or_default().to_owned();
            if password.is_empty() {
                return Err(MailError::NoPassword { path: path.clone() });
            }
            Some((mail.username.clone(), password))
        }
        None => None,
    };
    Ok(Some(SmtpSettings {
        host: mail.host.clone(),
        port: if mail.port == 0 { usual } else { mail.port },
        security,
        credentials,
        from: mail.from.clone(),
        roots: mail.ca_file.as_deref().map(|path| read("mail.ca_file", path)).transpose()?,
        timeout: mail.timeout.get(),
    }))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, MailError> {
    let failed = |source| MailError::Read { key, path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    io::Read::read_to_end(&mut io::Read::take(file, LARGEST_FILE), &mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The names and addresses of this agent that its operator knows, the best first.
pub(crate) fn names(config: &Config) -> Vec<String> {
    let mut names: Vec<String> = config.tls.names.iter().filter(|name| !name.starts_with("*.")).cloned().collect();
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    names.extend(Some(own.trim().to_owned()).filter(|own| !own.is_empty()));
    let listen = config.api.listen.0.ip();
    names.extend(Some(listen.to_string()).filter(|_| !listen.is_unspecified()));
    names
}
