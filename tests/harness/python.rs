//! Python with packages from PyPI, in the build directory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use super::agent_binary;

/// The interpreter of a virtual environment of this name with these packages; made where it is not there yet.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    let place = agent_binary().parent().expect("the binary has a folder").join(name);
    let (python, done) = (place.join("bin/python"), place.join("done"));
    // Tests run in processes of their own: one of them makes it, the others wait.
    let lock = File::create(place.with_extension("lock")).expect("the build directory can be written");
    lock.lock().expect("the lock is taken");
    let wanted = packages.join("\n");
    if fs::read_to_string(&done).ok().as_deref() != Some(&wanted) {
        // However slow the network is: this waits without a deadline, and once.
        let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status();
        assert!(venv.is_ok_and(|status| status.success()), "python3 -m venv works: install python3-venv");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let installed = Command::new(&python).args(install).args(packages).status();
        assert!(installed.is_ok_and(|status| status.success()), "{packages:?} are installed from PyPI");
        fs::write(&done, wanted).expect("the build directory can be written");
    }
    python
}
