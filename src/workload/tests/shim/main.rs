//! What `mf2c` does under a hidden subcommand: stays with one process. For the tests of this crate.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mf2c_domain::time::{Clock, Timestamp};

struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "the real end of the port")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or_default())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn main() -> ExitCode {
    // The first word stands for the subcommand.
    let clock: Arc<dyn Clock> = Arc::new(Wall);
    mf2c_workload::shim::main(std::env::args_os().skip(2), &clock)
}
