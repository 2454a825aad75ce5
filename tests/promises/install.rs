//! `scripts/install.sh`, for real, into a staging root: modes, owners, what is kept and what goes. It gives files to other
//! users, so without being root only its refusals are tried.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mf2c_tests::{Ran, agent_binary, eventually, run, skip};
use tempfile::TempDir;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn install(arguments: &[&str]) -> Ran {
    let mut command = Command::new("bash");
    command.arg(project().join("scripts/install.sh")).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    run(command)
}

struct Staging {
    root: TempDir,
}

impl Staging {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    fn install(&self, arguments: &[&str]) -> Ran {
        let binary = agent_binary();
        let mut all = vec!["--root", self.root.path().to_str().unwrap(), "--user", "nobody"];
        if !arguments.contains(&"--uninstall") {
            all.extend(["--binary", binary.to_str().unwrap()]);
        }
        all.extend(arguments);
        install(&all)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Mode and owner's id.
    fn mode(&self, path: &str) -> (u32, u32) {
        let found = fs::metadata(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (found.mode() & 0o7777, found.uid())
    }

    /// The installed agent, as the user of the service, ready.
    fn agent(&self) -> Running {
        let out = fs::File::create(self.path("out")).unwrap();
        let child = Command::new("setpriv")
            .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
            .arg(self.path("usr/local/bin/mf2c"))
            .args(["agent", "--api", "127.0.0.1:0", "--config"])
            .arg(self.path("etc/mf2c/mf2c.toml"))
            .arg("--data-dir")
            .arg(self.path("var/lib/mf2c"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MF2C_DEVICE_ENABLED", "false")
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv is installed");
        let running = Running(child);
        eventually("the ready line", || fs::read_to_string(self.path("out")).unwrap().contains("ready https://"));
        running
    }
}

/// It is ended by TERM when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// Whether this is root on a machine where the user of the tests is known.
fn is_root() -> bool {
    let id = |arguments: &[&str]| Command::new("id").args(arguments).output().map(|output| output.stdout);
    let root = id(&["-u"]).is_ok_and(|id| id == b"0\n");
    root && id(&["-gn", "nobody"]).is_ok_and(|group| group == b"nogroup\n")
}

#[test]
fn what_is_installed_has_its_modes_and_runs_and_stays_over_a_second_time_and_an_upgrade() {
    if !is_root() {
        return skip("giving files to other users needs root, and a user `nobody` in the group `nogroup`");
    }
    let staging = Staging::new();
    let _ = staging.install(&["--role", "leader"]).expect(0);
    let nobody = staging.mode("var/lib/mf2c").1;
    assert_ne!(nobody, 0);
    for (path, mode) in [
        ("usr/local/bin/mf2c", (0o755, 0)),
        ("etc/mf2c", (0o750, 0)),
        ("etc/mf2c/mf2c.toml", (0o640, 0)),
        ("var/lib/mf2c", (0o700, nobody)),
        ("etc/systemd/system/mf2c.service", (0o644, 0)),
    ] {
        assert_eq!(staging.mode(path), mode, "{path}: {:o}", staging.mode(path).0);
    }
    let config = fs::read_to_string(staging.path("etc/mf2c/mf2c.toml")).unwrap();
    assert_eq!(config, fs::read_to_string(project().join("config/leader.toml")).unwrap());
    let own = format!("# mine\n{config}");
    fs::write(staging.path("etc/mf2c/mf2c.toml"), &own).unwrap();

    let agent = staging.agent();
    staging.install(&["--upgrade"]).expect(1).tells(&["an agent runs on", "Stop it"]);
    drop(agent);

    let again = staging.install(&[]).expect(0);
    for word in ["staged below", "user passwd admin --data-dir /var/lib/mf2c", "api.listen"] {
        assert!(again.out.contains(word), "{}", again.out);
    }
    assert!(again.out.contains("stays as it is"), "{}", again.out);
    let upgraded = staging.install(&["--upgrade"]).expect(0);
    assert!(upgraded.out.contains("backed up"), "{}", upgraded.out);
    assert_eq!(fs::read_to_string(staging.path("etc/mf2c/mf2c.toml")).unwrap(), own);
    for entry in fs::read_dir(staging.path("var/lib/mf2c")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().uid(), nobody, "{}", entry.path().display());
    }
    drop(staging.agent());

    let _ = staging.install(&["--uninstall"]).expect(0);
    assert!(!staging.path("usr/local/bin/mf2c").exists() && !staging.path("etc/systemd/system/mf2c.service").exists());
    assert!(staging.path("var/lib/mf2c/store").exists() && staging.path("etc/mf2c/mf2c.toml").exists());
    let _ = staging.install(&["--uninstall", "--purge"]).expect(0);
    assert!(!staging.path("var/lib/mf2c").exists() && !staging.path("etc/mf2c").exists());
    let _ = staging.install(&["--uninstall", "--purge"]).expect(0);
}

#[test]
fn staging_makes_no_user_on_the_machine_that_stages() {
    if !is_root() {
        return skip("giving files to other users needs root, and a user `nobody` in the group `nogroup`");
    }
    let staging = Staging::new();
    let staged = staging.install(&["--user", "mf2c-staged"]).expect(0);
    assert!(staged.out.contains("no user is made"), "{}", staged.out);
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains("mf2c-staged"));
    assert_eq!((staging.mode("var/lib/mf2c"), staging.mode("etc/mf2c/mf2c.toml")), ((0o700, 0), (0o640, 0)));
    let unit = fs::read_to_string(staging.path("etc/systemd/system/mf2c.service")).unwrap();
    assert!(unit.contains("\nUser=mf2c-staged\nGroup=mf2c-staged\n"), "{unit}");
}

#[test]
fn a_new_version_that_does_not_take_the_configuration_is_not_installed() {
    if !is_root() {
        return skip("giving files to other users needs root, and a user `nobody` in the group `nogroup`");
    }
    let staging = Staging::new();
    staging.install(&["--upgrade"]).expect(1).tells(&["to upgrade"]);
    let _ = staging.install(&["--prefix", "/opt/mf2c"]).expect(0);
    let unit = fs::read_to_string(staging.path("etc/systemd/system/mf2c.service")).unwrap();
    assert!(unit.contains("\nExecStart=/opt/mf2c/bin/mf2c agent --config /etc/mf2c/mf2c.toml\n"), "{unit}");
    assert!(unit.contains("\nUser=nobody\nGroup=nogroup\n"), "{unit}");
    fs::write(staging.path("etc/mf2c/mf2c.toml"), "rôle = \"agent\"\n").unwrap();
    staging.install(&["--upgrade", "--prefix", "/opt/mf2c"]).expect(1).tells(&["nothing was changed"]);
}

#[test]
fn wrong_options_are_refused_before_anything_is_done() {
    for (arguments, word) in [
        (vec!["--role", "boss"], "no role boss"),
        (vec!["--prefix", "here"], "no absolute path"),
        (vec!["--prefix", "/opt/a b|c"], "cannot stand in a unit"),
        (vec!["--root", "here"], "no absolute path"),
        (vec!["--purge"], "--uninstall only"),
        (vec!["--upgrade", "--role", "agent"], "first installation"),
        (vec!["--user", "a;b"], "no name of a user"),
        (vec!["--frobnicate"], "no option"),
        (vec!["--role"], "needs a value"),
    ] {
        install(&arguments).expect(1).tells(&[word]);
    }
    assert!(install(&["--help"]).expect(0).out.contains("Usage: scripts/install.sh"));
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_leaves_few_doors_open() {
    let unit = project().join("packaging/mf2c.service");
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&unit).output();
    let Ok(security) = analyze(&["security", "--offline=true", "--threshold=25"]) else {
        return skip("checking a unit needs `systemd-analyze`");
    };
    let said = String::from_utf8_lossy(&security.stdout).into_owned();
    assert!(security.status.success(), "{said}");
    let verified = analyze(&["verify"]).unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // The program need not be installed here.
    let faults: Vec<&str> = said.lines().filter(|line| !line.contains("is not executable")).collect();
    assert!(faults.is_empty(), "{faults:?}");
}
