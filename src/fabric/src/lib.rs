//! What agents say to each other and how they agree: messages and frames, replication and leadership as state machines, all
//! without any network.

pub mod leadership;
pub mod replication;
pub mod wire;
