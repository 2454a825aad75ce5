//! A whole fog in one process under virtual time.
pub mod cell;
pub mod clock;
pub mod dice;
