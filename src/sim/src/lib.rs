//! A whole fog in one process under virtual time.
pub mod cell;
pub mod clock;
pub mod dice;
pub mod fleet;
pub mod net;
pub mod plan;
pub mod scenario;
pub mod trace;
