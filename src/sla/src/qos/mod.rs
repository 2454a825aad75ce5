//! Quality of service: what the runs of a service say about the devices that it ran on, and what follows. Who may run it next,
//! how many agents an instance needs, and on which resources a service leans. Pure: time and seeds come in as arguments.

mod category;
mod decide;
mod enforce;
mod history;
mod posterior;

pub use category::{Leanings, category};
pub use decide::{Candidate, Decision, Policy, Reason, decide};
pub use enforce::{Crew, Limit, MOST_AGENTS, Steadiness, governs, limit};
pub use history::{History, Run};
pub use posterior::Posterior;

/// A number for a text that is the same on every machine and in every version (FNV-1a, 64 bits).
#[must_use]
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
