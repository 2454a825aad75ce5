//! The types of an area's authority.

pub mod certificate;
pub mod join_token;
