//! `POST /lm`: where the original's modules sent what they had noticed. Inside this agent nobody needs it; it is logged.

use actix_web::web::Payload;
use serde_json::Value;

use super::refusal::LmError;
use super::{Answered, Call, done, text};

impl Call<'_> {
    pub(super) async fn note(&self, payload: Payload) -> Answered {
        let by = self.somebody()?;
        let body = self.object(payload).await?;
        let kind = text(&body, "type")?.ok_or_else(|| LmError::lacking("type"))?;
        let data = body.get("data").filter(|data| !data.is_null()).ok_or_else(|| LmError::lacking("data"))?;
        let (message, key) = told(kind, data)?;
        let instance = data.get("service_instance_id").and_then(Value::as_str).unwrap_or_default();
        let instance: String = instance.chars().take(80).collect();
        tracing::info!(kind, by, instance, "a note for the lifecycle manager came in, and nothing follows from it");
        Ok(done(message, &[(key, data.to_string().into())]))
    }
}

/// What is answered to a note, in the original's words, and the name under which the note is repeated.
fn told(kind: &str, data: &Value) -> Result<(&'static str, &'static str), LmError> {
    match kind {
        "sla_notification" => Ok(("SLA Notification has been processed", "notification")),
        "um_warning" => Ok(("UM Warning is being processed...", "warning")),
        "qos_enforcement" => {
            let lacking = ["num_agents", "service_instance_id"].into_iter().find(|name| data.get(name).is_none());
            match lacking {
                Some(name) => Err(LmError::lacking(name)),
                None => Ok(("QoS Notification is being processed...", "notification")),
            }
        }
        other => {
            let other: String = other.chars().take(40).collect();
            let known = "sla_notification, um_warning or qos_enforcement";
            Err(LmError::unsupported(format!("type `{other}` is not known: expected {known}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_note_has_the_originals_answer_and_status() {
        let status = |kind: &str, data: Value| told(kind, &data).map_err(|error| error.status().as_u16());
        assert_eq!(status("sla_notification", json!({})).unwrap().1, "notification");
        assert_eq!(status("um_warning", json!("x")).unwrap().0, "UM Warning is being processed...");
        let whole = json!({ "num_agents": 2, "service_instance_id": "service-instance/i" });
        assert_eq!(status("qos_enforcement", whole).unwrap().0, "QoS Notification is being processed...");
        assert_eq!(status("qos_enforcement", json!({ "num_agents": 2 })), Err(406));
        assert_eq!(status("else", json!({})), Err(501));
    }
}
