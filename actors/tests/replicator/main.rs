//! Replication between agents of an area: real stores, real writers, real replicators and the real codec, over a network in
//! memory whose links can be cut, slowed and stopped. Time is virtual (vectors R1 to R24, F5, F6 of `cluster.md`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod area;
mod basics;
mod flows;
mod forgetting;
mod homes;
mod lag;
mod losses;
mod net;
mod proposals;
mod world;
