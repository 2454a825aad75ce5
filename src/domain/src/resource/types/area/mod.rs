//! The types of an area's authority.

pub mod area_member;
pub mod certificate;
pub mod conflict;
pub mod join_token;
pub mod proposal;
