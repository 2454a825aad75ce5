//! What agents say to each other: messages and frames, without any network.

pub mod wire;
