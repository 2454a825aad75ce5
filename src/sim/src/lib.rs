//! A whole fog in one process under virtual time.
pub mod cell;
pub mod clock;
pub mod dice;
pub mod net;
pub mod trace;
