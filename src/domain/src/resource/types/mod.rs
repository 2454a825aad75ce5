//! One file for each resource type.

pub mod agent;
pub mod agreement;
pub mod area;
pub mod configuration;
pub mod configuration_template;
pub mod device;
pub mod device_dynamic;
pub mod entry_point;
pub mod event;
pub mod flocker;
pub mod fog_area;
pub mod people;
pub mod placement;
pub mod qos_model;
pub mod resource_metadata;
pub mod service;
pub mod service_container_metric;
pub mod service_instance;
pub mod service_operation_report;
pub mod sharing_model;
pub mod sla_episode;
pub mod sla_penalty;
pub mod sla_template;
pub mod sla_violation;
pub mod sla_warning;
pub mod testbed;
pub mod user_identifier;
pub mod user_param;
pub mod user_profile;
pub mod webhook;
pub mod webhook_failure;
pub mod workload;

use super::spec::TypeSpec;

/// All types, in the order of their names.
pub static ALL: &[&TypeSpec] = &[
    &agent::SPEC,
    &agreement::SPEC,
    &area::area_member::SPEC,
    &people::callback::SPEC,
    &area::certificate::SPEC,
    &testbed::computer::SPEC,
    &configuration::SPEC,
    &configuration_template::SPEC,
    &area::conflict::SPEC,
    &people::credential::SPEC,
    &people::credential_template::SPEC,
    &device::SPEC,
    &device_dynamic::SPEC,
    &people::email::SPEC,
    &event::SPEC,
    &testbed::experiment::SPEC,
    &flocker::container::SPEC,
    &flocker::dataset::SPEC,
    &flocker::lease::SPEC,
    &fog_area::SPEC,
    &testbed::image::SPEC,
    &area::join_token::SPEC,
    &people::notification::SPEC,
    &placement::SPEC,
    &testbed::project::SPEC,
    &area::proposal::SPEC,
    &qos_model::SPEC,
    &resource_metadata::SPEC,
    &service::SPEC,
    &service_container_metric::SPEC,
    &service_instance::SPEC,
    &service_operation_report::SPEC,
    &people::session::SPEC,
    &people::session_template::SPEC,
    &sharing_model::SPEC,
    &sla_episode::SPEC,
    &sla_penalty::SPEC,
    &sla_template::SPEC,
    &sla_violation::SPEC,
    &sla_warning::SPEC,
    &people::testbed_profile::SPEC,
    &people::testbed_session::SPEC,
    &people::user::SPEC,
    &user_identifier::SPEC,
    &user_param::SPEC,
    &user_profile::SPEC,
    &people::user_template::SPEC,
    &webhook::SPEC,
    &webhook_failure::SPEC,
    &workload::SPEC,
];
