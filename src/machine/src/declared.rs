//! What a machine cannot find out about itself and its owner therefore declares in the configuration.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What the configuration says of this device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Declared {
    /// What services may be placed here: `cloud`, `normal` or `micro`.
    pub agent_type: String,
    /// Sensors attached to this device.
    pub sensors: Vec<DeclaredSensor>,
    /// Actuators attached to this device, by name.
    pub actuators: Vec<String>,
    /// Whether this agent leads its area.
    pub is_leader: bool,
}

impl Default for Declared {
    fn default() -> Self {
        Self { agent_type: "normal".into(), sensors: Vec::new(), actuators: Vec::new(), is_leader: false }
    }
}

/// One attached sensor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeclaredSensor {
    /// What it measures: `temperature`, `humidity`.
    pub kinds: Vec<String>,
    /// Its maker's name for it: `DHT22`.
    pub model: String,
    /// How to talk to it: `baudRate`, `port` and whatever else its driver needs.
    pub connection: BTreeMap<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_read_from_configuration_and_a_misspelt_key_is_refused() {
        let declared: Declared = toml::from_str(
            "agent_type = 'micro'\nactuators = ['siren']\n[[sensors]]\nkinds = ['temperature']\nmodel = 'DHT22'\n\
             connection = { baudRate = 5600 }",
        )
        .unwrap();
        assert_eq!(declared.sensors[0].connection["baudRate"], 5600);
        assert_eq!(declared.agent_type, "micro");
        assert_eq!(toml::from_str::<Declared>("").unwrap(), Declared::default());
        let error = toml::from_str::<Declared>("actuator = []").unwrap_err().to_string();
        assert!(error.contains("unknown field `actuator`"), "{error}");
    }
}
