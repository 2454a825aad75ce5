//! The hidden subcommand under which `mf2c` stays beside a plain process that it has started, and writes down how that ends.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::world;

/// The word for it.
const WORD: &str = "workload-shim";

/// Whether the first word behind the program's name asks for it.
#[must_use]
pub fn is_called(word: Option<&OsString>) -> bool {
    word.is_some_and(|word| word == WORD)
}

/// Does it.
#[must_use]
pub fn run(words: Vec<OsString>) -> ExitCode {
    mf2c_workload::shim::main(words.into_iter().skip(2), &world::real().clock)
}

/// The words with which this program is started as one.
pub(crate) fn words() -> std::io::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into_os_string(), WORD.into()])
}
