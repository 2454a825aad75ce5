//! Which attributes a table of each type shows.

use std::collections::BTreeSet;

use mf2c_domain::resource::TypeSpec;
use serde_json::Value;

/// What people look for first, by type. A type that is not here shows its id, its name and when it was updated.
const TABLE: &[(&str, &[&str])] = &[
    ("agent", &["id", "device_ip", "isLeader", "connected", "authenticated", "leader_ip", "updated"]),
    ("agreement", &["id", "name", "state", "details/client/name", "details/expiration", "assessment/last_execution"]),
    ("area-member", &["name", "area", "role", "status", "lastContact", "address", "trouble"]),
    ("callback", &["id", "action", "state", "targetResource", "expires"]),
    ("certificate", &["id", "kind", "state", "device", "user", "notAfter"]),
    ("computer", &["id", "computerName", "type", "owner", "device", "updated"]),
    ("configuration", &["id", "serviceURL", "supportEmail", "updated"]),
    ("conflict", &["id", "resource", "writer", "written", "winner"]),
    ("credential", &["id", "name", "type", "expiry", "created"]),
    ("device", &["id", "arch", "os", "logicalCores", "memory", "storage", "agentType", "isLeader"]),
    ("device-dynamic", &["device", "status", "cpuFreePercent", "ramFree", "storageFree", "updated"]),
    ("email", &["id", "address", "validated"]),
    ("event", &["timestamp", "type", "severity", "content/resource/href", "content/state"]),
    ("experiment", &["id", "experimentId", "owner", "updated"]),
    ("fog-area", &["id", "leaderDevice", "numDevices", "ramTotal", "storageTotal", "updated"]),
    ("image", &["id", "image", "owner", "updated"]),
    ("join-token", &["id", "role", "state", "device", "expires"]),
    ("notification", &["id", "user", "from", "text", "created"]),
    ("placement", &["id", "instance", "desired", "version", "term", "updating", "updated"]),
    ("project", &["id", "projectId", "owner", "approved", "updated"]),
    ("proposal", &["id", "resource", "operation", "by", "state", "expires"]),
    ("qos-model", &["id", "service", "num_service_instances", "num_service_failures", "updated"]),
    ("resource-metadata", &["id", "name", "description"]),
    ("service", &["id", "name", "exec_type", "exec", "num_agents", "memory_min", "updated"]),
    ("service-container-metric", &["container_id", "device_id", "start_time", "stop_time"]),
    ("service-instance", &["id", "service", "status", "user", "device_id", "updated"]),
    (
        "service-operation-report",
        &["id", "operation_name", "execution_length", "result", "start_time", "requesting_application_id"],
    ),
    ("session", &["id", "username", "roles", "method", "clientIP", "expiry"]),
    ("session-template", &["id", "name", "method", "description"]),
    ("sharing-model", &["id", "device_id", "max_apps", "max_cpu_usage", "max_memory_usage", "battery_limit"]),
    ("sla-episode", &["id", "guarantee", "state", "count", "worst", "first_seen", "last_seen", "agreement_id"]),
    ("sla-penalty", &["id", "guarantee", "amount", "definition/unit", "datetime", "agreement_id"]),
    ("sla-template", &["id", "name", "state", "details/name", "details/duration", "updated"]),
    ("sla-violation", &["id", "guarantee", "values", "constraint", "datetime", "agreement_id"]),
    ("sla-warning", &["id", "guarantee", "values", "constraint", "datetime", "agreement_id"]),
    ("user", &["id", "emailAddress", "state", "isSuperUser", "created"]),
    ("user-identifier", &["id", "identifier", "user"]),
    ("user-profile", &["id", "user_id", "device_id", "service_consumer", "resource_contributor", "max_apps"]),
    ("webhook", &["id", "url", "state", "types", "reason", "updated"]),
    ("webhook-failure", &["id", "webhook", "state", "attempts", "reason", "lastAttempt"]),
    ("workload", &["id", "status", "health", "restarts", "device_id", "detail", "updated"]),
];

/// The columns for a type.
pub(crate) fn columns(spec: &TypeSpec) -> Vec<String> {
    let known = TABLE.iter().find(|(name, _)| *name == spec.name).map(|(_, columns)| *columns);
    known.unwrap_or(&["id", "name", "updated"]).iter().map(|column| (*column).to_owned()).collect()
}

/// All attributes that documents have, the id first, for a table of what was selected and for CSV.
pub(crate) fn own_columns(documents: &[Value]) -> Vec<String> {
    let objects = documents.iter().filter_map(Value::as_object);
    let names: BTreeSet<&str> = objects.flat_map(|document| document.keys().map(String::as_str)).collect();
    let first = ["id", "name"].into_iter().filter(|name| names.contains(name));
    let rest = names.iter().copied().filter(|name| !["id", "name", "acl", "operations", "resourceURI"].contains(name));
    first.chain(rest).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use mf2c_domain::resource;

    use super::*;

    #[test]
    fn every_column_is_an_attribute_of_its_type() {
        for (name, columns) in TABLE {
            let spec = resource::find(name).unwrap_or_else(|| panic!("{name}"));
            for column in *columns {
                let top = column.split('/').next().unwrap_or_default();
                let own = spec.attributes().any(|field| field.name == top);
                let served = ["id", "created", "updated"].contains(&top);
                assert!(own || served, "{name} has no {column}");
            }
        }
        assert!(TABLE.is_sorted_by_key(|(name, _)| name));
    }
}
