//! A whole fog in one process under virtual time.
pub mod agent;
pub mod agree;
pub mod cell;
pub mod clock;
pub mod dice;
pub mod fleet;
pub mod host;
pub mod judge;
pub mod load;
pub mod machine;
pub mod net;
pub mod peers;
pub mod plan;
pub mod run;
pub mod scenario;
pub mod timeline;
pub mod trace;
