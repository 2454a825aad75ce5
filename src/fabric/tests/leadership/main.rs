//! Leadership among several agents over a network that delays, loses and parts, in virtual time.

mod elections;
mod partitions;
mod random;
mod roles;
mod world;
