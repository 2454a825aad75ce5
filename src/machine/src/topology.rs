//! The machine's topology as hwloc's XML, asked from hwloc's own program where it is installed.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Names hwloc's program goes by; the first is what older releases call it.
const PROGRAMS: [&str; 2] = ["hwloc-ls", "lstopo-no-graphics"];
/// The program reads /sys only and needs some 50 ms.
const PATIENCE: Duration = Duration::from_secs(5);
/// Some 100 KiB is what a server with 64 cores has.
const LIMIT: usize = 1024 * 1024;

/// The topology, or an empty text where no program gives one within 5 s and 1 MiB.
pub(crate) fn hwloc_xml() -> String {
    PROGRAMS.iter().find_map(|program| ask(Path::new(program), PATIENCE, LIMIT)).unwrap_or_default()
}

/// Runs `program --of xml` and takes its output, if it comes within `patience`, fits `limit` bytes and looks like XML.
fn ask(program: &Path, patience: Duration, limit: usize) -> Option<String> {
    let mut child = Command::new(program)
        .args(["--of", "xml"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take();
    let (sender, receiver) = mpsc::sync_channel(1);
    // Only a thread can read with a time limit; it ends when the pipe closes.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map(|output| output.take(limit as u64 + 1).read_to_end(&mut bytes));
        // Nobody listens any more once the time is up.
        let _ = sender.send(matches!(read, Some(Ok(_))).then_some(bytes));
    });
    let bytes = receiver.recv_timeout(patience).ok().flatten();
    // It has closed its output or run out of time: either way it is of no more use, and must not stay as a zombie.
    let _ = child.kill();
    let _ = child.wait();
    let text = String::from_utf8(bytes?).ok()?;
    (text.len() <= limit && text.trim_start().starts_with('<')).then_some(text)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn answer_of(script: &str, patience: Duration) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hwloc-ls");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        // Another test's fork may still hold the script open for writing: then the kernel refuses to run it.
        (0..50).find_map(|_| ask(&program, patience, 64))
    }

    #[test]
    fn the_programs_xml_is_taken() {
        let answer = answer_of("[ \"$1 $2\" = '--of xml' ] && echo '<topology/>'", PATIENCE);
        assert_eq!(answer.as_deref(), Some("<topology/>\n"));
    }

    #[test]
    fn an_error_text_an_endless_text_and_a_missing_program_give_nothing() {
        assert_eq!(answer_of("echo hwloc-ls: not found", PATIENCE), None);
        assert_eq!(ask(Path::new("/nowhere/hwloc-ls"), PATIENCE, 64), None);
        assert_eq!(answer_of("yes '<topology/>'", PATIENCE), None);
    }

    #[test]
    fn a_program_that_hangs_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hwloc-ls");
        fs::write(&program, "#!/bin/sh\nexec sleep 600\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ask(&program, Duration::from_millis(20), 64), None);
    }
}
