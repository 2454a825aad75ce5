//! Policies as the original's agents ask for them (cluster specification, d.2), and categorisation (e): what an agent is in its
//! area, whether it is well, and who leads.
//!
//! In the original nobody was asked who he is, so that a GET by anybody ended a leadership. Here a role changes only for
//! an administrator of this agent, or for an agent of its area that shows its certificate; the rest is read by programs on
//! this machine and by whoever is signed in.

mod authority;
mod categorisation;
mod health;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use mf2c_actors::leadership::{ChangeRole, Keepalive, Standings};
use mf2c_domain::area::standing::{AreaRole, Standing};
use serde_json::{Value, json};

use crate::cimi::{Api, Exchange};
use crate::error::ApiError;
use authority::Authority;

/// Where policies are.
pub const POLICIES: &str = "/api/v2/resource-management/policies";
/// Where categorisation is.
pub const CATEGORISATION: &str = "/api/v1/resource-management/categorization";
/// Where the original's proxy served the list of components too.
const COMPONENTS: &str = "/rm/components";

/// Tells how something is now.
pub type Sign = Arc<dyn Fn() -> bool + Send + Sync>;

/// What policies are told at start.
pub struct Policies {
    /// How the agent stands in its area.
    pub standings: Standings,
    /// The way to another role.
    pub change: Recipient<ChangeRole>,
    /// The way of backups to their place in the line.
    pub keepalive: Recipient<Keepalive>,
    /// Whether the configuration calls this agent a cloud.
    pub is_cloud: bool,
    /// Whether agents nearby can be discovered, as far as that is switched on.
    pub discovers: Sign,
    /// Whether there is a Wi-Fi card that this agent may use.
    pub has_wifi: Sign,
    /// When the agent was started, on the clock that never goes backwards.
    pub started: Duration,
}

impl Policies {
    fn standing(&self) -> Standing {
        self.standings.borrow().clone()
    }
}

/// Adds policies to an application, where there are any.
pub fn configure(services: &mut ServiceConfig, policies: Option<&Data<Policies>>) {
    let Some(policies) = policies else { return };
    services.app_data(Data::clone(policies));
    for path in ["/{tail:.*}", ""] {
        services.service(web::resource(format!("{POLICIES}{path}")).to(answer));
    }
    services.service(web::resource([COMPONENTS.to_owned(), format!("{COMPONENTS}/")]).to(answer));
}

/// Adds categorisation to an application, where there is any.
pub fn configure_categorisation(services: &mut ServiceConfig, policies: &Data<Policies>) {
    services.app_data(Data::clone(policies));
    services
        .service(web::resource([format!("{CATEGORISATION}/{{tail:.*}}"), CATEGORISATION.to_owned()]).to(categorise));
}

/// For a listener that has nothing else.
pub async fn nothing_here(request: HttpRequest) -> HttpResponse {
    ApiError::unknown_resource(request.path()).into_response()
}

async fn answer(request: HttpRequest, payload: Payload, api: Data<Api>, policies: Data<Policies>) -> HttpResponse {
    let authority = match authority::of(&request, &api).await {
        Ok(authority) => authority,
        Err(error) => return error.into_response(),
    };
    let exchange = Exchange { api: &api, request: &request, caller: authority.caller().clone() };
    let call = Call { policies: &policies, exchange: &exchange, authority: &authority };
    let answer = call.policies(payload).await.unwrap_or_else(ApiError::into_response);
    authority.end(&api).await;
    unshared(answer)
}

async fn categorise(request: HttpRequest, api: Data<Api>, policies: Data<Policies>) -> HttpResponse {
    let authority = match authority::of(&request, &api).await {
        Ok(authority) => authority,
        Err(error) => return error.into_response(),
    };
    let exchange = Exchange { api: &api, request: &request, caller: authority.caller().clone() };
    let call = Call { policies: &policies, exchange: &exchange, authority: &authority };
    let answer = call.categorisation().unwrap_or_else(ApiError::into_response);
    authority.end(&api).await;
    unshared(answer)
}

/// What stands between keeps no answer: the next one may be another.
fn unshared(mut answer: HttpResponse) -> HttpResponse {
    use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// One request.
struct Call<'a> {
    policies: &'a Policies,
    exchange: &'a Exchange<'a>,
    authority: &'a Authority,
}

impl Call<'_> {
    async fn policies(&self, payload: Payload) -> Result<HttpResponse, ApiError> {
        let path = self.exchange.request.path();
        let tail = path.strip_prefix(POLICIES).unwrap_or(path).trim_matches('/');
        match tail {
            "healthcheck" => self.reading(|| self.health()),
            "leaderinfo" => self.reading(|| {
                let standing = self.policies.standing();
                let mut info = imagined(&standing);
                info["imCloud"] = self.policies.is_cloud.into();
                (StatusCode::OK, info)
            }),
            "rm/components" => self.reading(|| (StatusCode::OK, self.components())),
            "startAgent" => self.starting(|_| true),
            "startAreaResilience" => self.starting(|standing| standing.role != AreaRole::Alone),
            "keepalive" => self.keepalive(payload).await,
            "reelection" => self.reelection(payload).await,
            _ => match tail.strip_prefix("roleChange/") {
                Some(role) => self.change(role).await,
                None => Err(ApiError::unknown_resource(path)),
            },
        }
    }

    fn reading(&self, read: impl FnOnce() -> (StatusCode, Value)) -> Result<HttpResponse, ApiError> {
        self.only(&[Method::GET, Method::HEAD], "GET, HEAD")?;
        self.authority.may_read(self.exchange)?;
        let (status, body) = read();
        Ok(HttpResponse::build(status).json(body))
    }

    /// What the original started by a request runs here since the agent was started, as far as it can.
    fn starting(&self, runs: impl FnOnce(&Standing) -> bool) -> Result<HttpResponse, ApiError> {
        self.only(&[Method::GET], "GET")?;
        self.authority.may_change(self.exchange)?;
        Ok(HttpResponse::Forbidden().json(json!({ "started": runs(&self.policies.standing()) })))
    }

    fn only(&self, methods: &[Method], allow: &'static str) -> Result<(), ApiError> {
        if methods.contains(self.exchange.request.method()) { Ok(()) } else { Err(self.exchange.invalid_method(allow)) }
    }
}

/// What the agent is, in the original's words.
fn imagined(standing: &Standing) -> Value {
    json!({ "imLeader": standing.leads(), "imBackup": standing.role == AreaRole::Backup })
}

/// Makes of policies what an application is given.
#[must_use]
pub fn shared(policies: Policies) -> Data<Policies> {
    Data::from(Arc::new(policies))
}
