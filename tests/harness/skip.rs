//! Tests that cannot run on this machine: people are told which and why, and where everything must run it is an error.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Says that the test that calls it is left out. With `MF2C_TEST_SKIPPED` in the environment it says so in that file, too: a
/// runner of tests keeps the output of those that pass to itself.
///
/// # Panics
/// With `MF2C_TEST_NO_SKIP=1` in the environment.
pub fn skip(why: &str) {
    let must_run = env::var_os("MF2C_TEST_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!must_run, "{why}; with MF2C_TEST_NO_SKIP=1 nothing may be left out");
    println!("skipped: {why}");
    let Some(file) = env::var_os("MF2C_TEST_SKIPPED") else { return };
    let told = OpenOptions::new().create(true).append(true).open(&file);
    // In one piece: other tests write there as well.
    let line = format!("{}: {why}\n", test_name());
    told.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of MF2C_TEST_SKIPPED can be written");
}

/// The test that runs. Where it is the only one of its process, the main thread may run it.
fn test_name() -> String {
    let thread = std::thread::current();
    let name = thread.name().filter(|name| *name != "main").map(str::to_owned);
    name.or_else(|| env::args().skip_while(|word| word != "--exact").nth(1)).unwrap_or_else(|| "a test".to_owned())
}
