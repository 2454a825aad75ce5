//! The log: to standard error, as text for people or as JSON lines for collectors.
//!
//! A bare level (`info`) speaks of this program; libraries stay at `warn` unless they are named (`debug,fjall=info`), for
//! what they say at `info` is of use to their authors.

use std::io::IsTerminal as _;

use mf2c_domain::nearest::nearest;
use thiserror::Error;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// From silent to noisy.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The most that libraries say unless they are named: an index of [`LEVELS`].
const LIBRARIES: usize = 2;
/// The level where none is given.
const USUAL: usize = 3;

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// A word that is no level.
    #[error("`{word}` is no level; expected {}{}", LEVELS.join(", "), suggestion(word))]
    UnknownLevel {
        /// The word.
        word: String,
    },
    /// A directive that cannot be read.
    #[error("`{level}` cannot be read; write a level, or levels by module: `info,mf2c_store=debug`")]
    Directive {
        /// What was written.
        level: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else installed a log before.
    #[error("the log is already set up; call this once")]
    Twice,
}

fn suggestion(word: &str) -> String {
    nearest(word, LEVELS).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Starts the log of this process on standard error. Colours are used on a terminal, unless `NO_COLOR` is set.
///
/// # Errors
/// [`LoggingError`]: `level` cannot be read, or the log was started before.
pub fn init(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    let plain = !std::io::stderr().is_terminal();
    let layer = layer(format, plain, std::io::stderr);
    Registry::default().with(filter(level)?).with(layer).try_init().map_err(|_| LoggingError::Twice)
}

fn layer<W>(format: LogFormat, plain: bool, writer: W) -> Box<dyn Layer<Filtered> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    // The default obeys NO_COLOR, so colours are only ever switched off here.
    let layer = if plain { layer.with_ansi(false) } else { layer };
    match format {
        LogFormat::Text => Box::new(layer.compact()),
        LogFormat::Json => Box::new(layer.json().flatten_event(true).with_span_list(false)),
    }
}

type Filtered = tracing_subscriber::layer::Layered<EnvFilter, Registry>;

/// Reads a level as [`init`] takes it: `info`, `warn,mf2c_store=debug`.
///
/// # Errors
/// [`LoggingError::UnknownLevel`] for a bare word that is no level, [`LoggingError::Directive`] for other nonsense.
pub fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let mut general = USUAL;
    let mut named = vec![];
    for part in level.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if part.contains(['=', '[', ']', '{', '}']) {
            named.push(part);
            continue;
        }
        // A bare word that is no level would be taken as the name of a module, and silence everything else.
        let lower = part.to_lowercase();
        general = LEVELS
            .iter()
            .position(|known| *known == lower)
            .ok_or_else(|| LoggingError::UnknownLevel { word: part.chars().take(40).collect() })?;
    }
    let mut directives = format!("{},mf2c={}", LEVELS[general.min(LIBRARIES)], LEVELS[general]);
    if general > 0 {
        // Which requests are logged is for `log.access` alone to say.
        directives.push_str(",access=info");
    }
    for part in named {
        directives.push(',');
        directives.push_str(part);
    }
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| LoggingError::Directive { level: level.chars().take(60).collect(), source })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(format, true, move || writer.clone());
        let subscriber = Registry::default().with(filter(level).unwrap()).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "mf2c_store::writer", batch = 3, "committed");
            tracing::debug!(target: "mf2c_store::writer", "detail");
            tracing::info!(target: "fjall::journal", "rotated");
            tracing::warn!(target: "actix_server", "slow");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_bare_level_is_for_this_program_and_libraries_only_warn() {
        let heard = |level: &str| -> Vec<&str> {
            let text = logged(LogFormat::Text, level);
            ["committed", "detail", "rotated", "slow"].into_iter().filter(|word| text.contains(word)).collect()
        };
        assert_eq!(heard("info"), ["committed", "slow"]);
        assert_eq!(heard("DEBUG"), ["committed", "detail", "slow"]);
        assert_eq!(heard("error"), [""; 0]);
        assert_eq!(heard("off"), [""; 0]);
        assert_eq!(heard("fjall=info"), ["committed", "rotated", "slow"]);
        assert_eq!(heard("warn,mf2c_store=debug"), ["committed", "detail", "slow"]);
    }

    #[test]
    fn text_has_no_colour_codes_off_a_terminal_and_json_is_one_object_a_line() {
        let text = logged(LogFormat::Text, "info");
        assert!(!text.contains('\u{1b}') && text.contains("batch=3"), "{text}");
        let json = logged(LogFormat::Json, "info");
        assert_eq!(json.lines().count(), 2);
        assert!(json.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
        assert!(json.contains(r#""message":"committed","batch":3"#), "{json}");
    }

    #[test]
    fn a_misspelt_level_is_refused_instead_of_silencing_everything() {
        assert_eq!(
            filter("inof").unwrap_err().to_string(),
            "`inof` is no level; expected off, error, warn, info, debug, trace; did you mean `info`?"
        );
        let error = filter("info,mf2c_store=loud").unwrap_err().to_string();
        assert!(error.starts_with("`info,mf2c_store=loud` cannot be read"), "{error}");
        assert!(filter("").is_ok());
    }
}
