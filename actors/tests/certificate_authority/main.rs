//! The authority of an area over a real store: whom it admits and renews, what it revokes, how its root changes, and that a
//! restart forgets nothing (vectors V1 to V5, V7, V17, V19, V23, V24 of `spec/cluster.md`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

mod joining;
mod keeping;
mod renewing;
mod requests;
mod revoking;
mod room;
mod roots;
mod speed;
mod succession;
