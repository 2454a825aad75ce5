//! Runs the programs of a Wi-Fi card: with arguments, never by a shell, for a bounded time and with bounded output.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use mf2c_actors::discovery::ports::WifiError;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// The most that is read of what a program prints, in bytes.
const LONGEST: u64 = 1 << 20;
/// The most of what it says against it that is told.
const LONGEST_REASON: u64 = 300;
/// Where programs are looked for; the agent's own surroundings are not passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn unstarted(program: &'static str, error: &io::Error) -> WifiError {
    match error.kind() {
        io::ErrorKind::NotFound => WifiError::NoProgram(program),
        _ => WifiError::Failed { program, reason: error.to_string() },
    }
}

/// Runs a program to its end; what it prints.
///
/// # Errors
/// [`WifiError`] where it is not there, fails or takes too long; it is killed then.
pub(super) async fn run(program: &'static str, arguments: &[&str], within: Duration) -> Result<String, WifiError> {
    let mut command = command(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| unstarted(program, &error))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ran = async {
        // What is longer ends the program: its output is closed then.
        let (printed, reason) = tokio::try_join!(all_of(out, LONGEST), all_of(err, LONGEST_REASON))?;
        Ok((child.wait().await?, printed, reason))
    };
    let failed = |reason: String| WifiError::Failed { program, reason };
    let ran = tokio::time::timeout(within, ran).await.map_err(|_| WifiError::TimedOut(program))?;
    let (status, printed, reason) = ran.map_err(|error: io::Error| failed(error.to_string()))?;
    if !status.success() {
        // `hostapd` and `iw` say it on one or the other.
        let said = if reason.is_empty() { &printed } else { &reason };
        let said = String::from_utf8_lossy(said.get(..said.len().min(300)).unwrap_or_default()).trim().to_owned();
        return Err(failed(if said.is_empty() { status.to_string() } else { said }));
    }
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

/// What comes out of a program, up to so many bytes.
async fn all_of(output: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    if let Some(output) = output {
        output.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Starts a program that goes on, and waits for a moment whether it does. It ends when the answer is dropped.
///
/// # Errors
/// [`WifiError`] where it is not there, or ends at once.
pub(super) async fn start(program: &'static str, arguments: &[String], moment: Duration) -> Result<Child, WifiError> {
    let mut command = command(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| unstarted(program, &error))?;
    match tokio::time::timeout(moment, child.wait()).await {
        Err(_) => Ok(child),
        Ok(Ok(status)) => Err(WifiError::Failed { program, reason: format!("it ended at once, with {status}") }),
        Ok(Err(error)) => Err(WifiError::Failed { program, reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn arguments_are_no_commands_of_a_shell() {
        let printed = run("echo", &["$PATH; id", "*"], SOON).await.unwrap();
        assert_eq!(printed, "$PATH; id *\n");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_fails_or_takes_too_long_is_named() {
        assert_eq!(run("no-such-program", &[], SOON).await, Err(WifiError::NoProgram("no-such-program")));
        let failed = run("ls", &["/nowhere"], SOON).await.unwrap_err().to_string();
        assert!(failed.starts_with("`ls` failed: ") && failed.contains("/nowhere"), "{failed}");
        let late = run("sleep", &["60"], Duration::from_millis(50)).await;
        assert_eq!(late, Err(WifiError::TimedOut("sleep")));
    }

    #[tokio::test]
    async fn output_without_end_is_cut_off() {
        let ended = tokio::time::timeout(SOON, run("yes", &[], SOON)).await.unwrap();
        assert!(matches!(ended, Err(WifiError::Failed { program: "yes", .. })), "its output was closed: {ended:?}");
    }

    #[tokio::test]
    async fn a_program_that_shall_go_on_and_ends_at_once_is_named() {
        let ended = start("true", &[], SOON).await.unwrap_err();
        assert!(ended.to_string().contains("it ended at once"), "{ended}");
        let mut child = start("sleep", &["60".to_owned()], Duration::from_millis(20)).await.unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
    }
}
