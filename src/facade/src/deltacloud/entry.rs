//! The entry point, by which clients find the rest, and what is said of drivers.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Payload;
use mf2c_domain::caller::Caller;
use percent_encoding::utf8_percent_encode;

use super::call::{Answered, Call};
use super::keys::IN_A_PATH;
use super::refusal::Refusal;
use super::shown::{Link, ShownApi, ShownDriver};
use super::{html, json, xml};

impl Call<'_> {
    /// `GET /api`. Nobody needs to say who he is, but may ask whether it would be believed.
    pub(super) async fn entry_point(&self) -> Answered {
        if self.query.get("force_auth").is_some() {
            self.caller().await.map_err(|refusal| match refusal.is_unauthorized() {
                true => Refusal::Text(StatusCode::UNAUTHORIZED, "Authentication failed".to_owned()),
                false => refusal,
            })?;
        }
        let base = self.base();
        let links = ["drivers", "keys"].map(|rel| Link { rel, href: format!("{base}{rel}") }).to_vec();
        let shown = ShownApi { driver: self.driver.clone(), provider: self.provider.clone(), links };
        self.rendered(StatusCode::OK, &shown, xml::api, json::api, html::api)
    }

    /// `POST /api`: leads to the address by which another driver is used.
    pub(super) async fn choose_driver(&self, payload: Payload) -> Answered {
        let parameters = self.parameters(&self.exchange(Caller::anonymous()), payload).await?;
        let mut location = "/api".to_owned();
        for name in ["driver", "provider"] {
            if let Some(value) = parameters.get(name).filter(|value| !value.is_empty()) {
                location = format!("{location};{name}={}", utf8_percent_encode(value, IN_A_PATH));
            }
        }
        Ok(HttpResponse::MovedPermanently().insert_header((header::LOCATION, location)).finish())
    }

    /// `GET /api/drivers`: the one that there is.
    pub(super) fn drivers(&self) -> Answered {
        self.rendered(StatusCode::OK, &[self.own_driver()][..], xml::drivers, json::drivers, html::drivers)
    }

    /// `GET /api/drivers/{id}`.
    pub(super) fn describe_driver(&self, id: &str) -> Answered {
        if id != self.door.settings.driver {
            return Err(Refusal::not_found());
        }
        self.rendered(StatusCode::OK, &self.own_driver(), xml::driver, json::driver, html::driver)
    }

    fn own_driver(&self) -> ShownDriver {
        let id = self.door.settings.driver.clone();
        let href = format!("{}drivers/{}", self.base(), utf8_percent_encode(&id, IN_A_PATH));
        ShownDriver { id, href }
    }
}
