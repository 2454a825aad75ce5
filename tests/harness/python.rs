//! Python with a program of others, in the build directory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::agent::agent_binary;

/// The interpreter of an environment of this name that has one package of PyPI; made where it is not there yet.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn python_with(name: &str, package: &str) -> PathBuf {
    let place = agent_binary().parent().expect("the binary has a folder").join(name);
    let (python, done) = (place.join("bin/python"), place.join("done"));
    // Tests run in processes of their own: one of them makes it, the others wait.
    let lock = File::create(place.with_extension("lock")).expect("the build directory can be written");
    lock.lock().expect("the lock is taken");
    if !done.exists() {
        // However slow the network is: this waits without a deadline, and once.
        let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status();
        assert!(venv.is_ok_and(|status| status.success()), "python3 -m venv works: install python3-venv");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package];
        let installed = Command::new(&python).args(install).status();
        assert!(installed.is_ok_and(|status| status.success()), "{package} is installed from PyPI");
        fs::write(&done, package).expect("the build directory can be written");
    }
    python
}
