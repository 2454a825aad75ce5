//! What is on the other side of standard input and output: a person at a terminal, or a program.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

use crate::{ClientError, Surroundings};

/// The narrowest table that makes sense, in columns of the terminal.
const NARROWEST: usize = 40;
/// The width of a terminal that does not tell it.
const USUAL: usize = 80;

/// The three standard streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// A person reads standard output; then its width in columns.
    pub(crate) width: Option<usize>,
    /// A person can be asked: standard input and standard error are a terminal.
    pub(crate) person: bool,
    /// Whether standard output may be coloured.
    pub(crate) colour: bool,
}

impl Terminal {
    /// What the streams are now.
    pub(crate) fn look(surroundings: &Surroundings) -> Self {
        let shown = io::stdout().is_terminal();
        // A terminal that does not know its size says 0.
        let known = || tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let width = || known().unwrap_or(USUAL);
        Self {
            width: shown.then(|| width().max(NARROWEST)),
            person: io::stdin().is_terminal() && io::stderr().is_terminal(),
            colour: shown && surroundings.variable("NO_COLOR").is_none(),
        }
    }
}

/// Writes a text to standard output, at once.
///
/// # Errors
/// [`ClientError::ReaderGone`] where nobody reads it, which ends a command without a word.
pub(crate) fn print(text: &str) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|source| match source.kind() {
        io::ErrorKind::BrokenPipe => ClientError::ReaderGone,
        _ => ClientError::Output { source },
    })
}

/// Writes a line to standard output.
pub(crate) fn say(line: &str) -> Result<(), ClientError> {
    print(&format!("{line}\n"))
}

/// Tells people something beside the output, on standard error. That nobody hears it is no failure.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "mf2c: {line}");
}
