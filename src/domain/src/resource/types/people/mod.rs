//! The types that have to do with people and their sign-in.

pub mod callback;
pub mod credential;
pub mod credential_template;
pub mod email;
pub mod notification;
pub mod session;
pub mod session_template;
pub mod testbed_profile;
pub mod testbed_session;
pub mod user;
pub mod user_template;

use crate::resource::spec::{Action, Offered};

/// What templates offer: to tell what can be filled in.
const DESCRIBE: &[Action] = &[Action {
    name: "describe",
    rel: "http://sixsq.com/slipstream/1/action/describe",
    about: "tells what can be filled in",
    methods: &["GET", "POST"],
    body: None,
    success: 200,
    to: Offered::Readers,
    when: Action::always,
}];
