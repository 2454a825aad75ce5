//! The types that have to do with people and their sign-in. They can be read; what adds to them is the sign-in's affair.

pub mod callback;
pub mod credential;
pub mod credential_template;
pub mod email;
pub mod session;
pub mod session_template;
pub mod user;
pub mod user_template;
