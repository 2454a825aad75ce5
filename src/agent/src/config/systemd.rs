//! What systemd tells a service by the environment.

use std::time::Duration;

/// The socket that systemd listens on (`sd_notify(3)`); none where the agent is no service of `Type=notify`.
#[must_use]
pub fn notify_socket() -> Option<std::ffi::OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())
}

/// Within which time systemd wants to hear that the agent lives; none where it does not.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let set = |name: &str| std::env::var_os(name)?.to_str()?.parse::<u64>().ok();
    let micros = set("WATCHDOG_USEC").filter(|micros| *micros > 0)?;
    // The variable is inherited; the process id tells whom it is for.
    set("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id())).then(|| Duration::from_micros(micros))
}
