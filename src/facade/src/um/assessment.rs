//! `/assesment`, as the original spells it, and `/check`: whether this device runs services for others.

use actix_web::http::StatusCode;
use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::CheckPolicy;
use serde_json::Value;

use super::{Answered, Call};
use crate::lm::{LmError, asked, done, text, verdict};

/// The state of the assessment. It looks at every change, all the time.
const RUNNING: &str = "Running";

impl Call<'_> {
    pub(super) fn assessment(&self) -> Answered {
        let _ = self.somebody()?;
        Ok(done("Assessment process status", &[("status", RUNNING.into())]))
    }

    pub(super) async fn set_assessment(&self, payload: Payload) -> Answered {
        let _ = self.somebody()?;
        let body = self.object(payload).await?;
        match text(&body, "operation")? {
            Some("start") => Ok(done("Assessment process started", &[("status", RUNNING.into())])),
            Some("stop") => {
                let text = "the assessment always runs: it costs nothing, and says only what the sharing model allows; \
                            change that instead";
                Err(LmError::new(StatusCode::CONFLICT, text))
            }
            Some(_) => Err(LmError::unsupported("this operation is not known: expected start or stop")),
            None => Err(LmError::lacking("operation")),
        }
    }

    /// Whether this device may run one more service for others, and why not.
    pub(super) async fn check(&self) -> Answered {
        let _ = self.somebody()?;
        let policy = asked(&self.door.manager, CheckPolicy).await?;
        let mut found = verdict(&policy);
        let mut take = |name: &'static str| (name, found.get_mut(name).map(Value::take).unwrap_or_default());
        let with = [take("result"), take("reasons"), take("sharing_model"), take("apps_running")];
        let said = found["message"].as_str().unwrap_or_default().to_owned();
        let profile = [("user_profile", policy["user_profile"].clone())];
        Ok(done(&said, &with.into_iter().chain(profile).collect::<Vec<_>>()))
    }
}
