//! Flocker's control API, behind a listener that lets in nobody but API users of the cluster: who gets here has shown a
//! certificate in the handshake, so nothing here answers 401 or 403.
//!
//! Answers are `application/json` without a charset; paths that are not there and verbs that a path has not are answered
//! with a page, as by the original (facades specification, 1.4).

use actix_web::http::header::{ALLOW, ContentType};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::front::refusal;

/// What the API says of itself.
#[derive(Debug, Clone)]
pub struct FlockerApi {
    /// The version that it tells.
    pub version: &'static str,
}

/// Adds the paths of the API to an application that serves nothing else.
pub fn configure(config: &mut ServiceConfig, api: &FlockerApi) {
    config
        .app_data(Data::new(api.clone()))
        .service(resource("/v1/version").get(version).head(version))
        .service(web::resource(format!("{}/{{status}}/{{token}}", refusal::PREFIX)).to(refused))
        .default_service(web::to(not_found));
}

/// A path of the API, which says so where it is asked for by another verb.
fn resource(path: &'static str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(wrong_verb))
}

async fn version(api: Data<FlockerApi>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"flocker": api.version}))
}

/// Every path so far is one to be read.
async fn wrong_verb(request: HttpRequest) -> HttpResponse {
    let allowed = [Method::GET, Method::HEAD].map(|method| method.to_string()).join(", ");
    let mut answer = page(StatusCode::METHOD_NOT_ALLOWED, "this address does not know the method of the request");
    if let Ok(allowed) = allowed.parse() {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    tracing::debug!(method = %request.method(), path = request.path(), "refused a method of Flocker's API");
    answer
}

async fn not_found() -> HttpResponse {
    page(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// A request that the front could not read.
async fn refused(path: Path<(String, String)>) -> HttpResponse {
    let (status, sentence) = refusal::describe(&path.1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(json!({"description": sentence}))
}

fn page(status: StatusCode, sentence: &str) -> HttpResponse {
    let text = format!("<!DOCTYPE html>\n<title>{status}</title>\n<h1>{status}</h1>\n<p>{sentence}</p>\n");
    HttpResponse::build(status).content_type(ContentType::html()).body(text)
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::CONTENT_TYPE;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[actix_rt::test]
    async fn the_version_is_json_and_what_is_not_there_is_a_page() {
        let api = FlockerApi { version: "1.2.3" };
        let app = init_service(App::new().configure(|services| configure(services, &api))).await;
        for (method, path, status, kind) in [
            (Method::GET, "/v1/version", 200, "application/json"),
            (Method::HEAD, "/v1/version", 200, "application/json"),
            (Method::POST, "/v1/version", 405, "text/html; charset=utf-8"),
            (Method::OPTIONS, "/v1/version", 405, "text/html; charset=utf-8"),
            (Method::GET, "/v1/version/", 404, "text/html; charset=utf-8"),
            (Method::GET, "/v1/configuration/containers", 404, "text/html; charset=utf-8"),
            (Method::GET, "/", 404, "text/html; charset=utf-8"),
            (Method::GET, "/.refused/431/head-too-large", 431, "application/json"),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            let answer = call_service(&app, request).await;
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
            assert_eq!(answer.headers().get(CONTENT_TYPE).unwrap(), kind, "{method} {path}");
            let allow = answer.headers().get(ALLOW).map(|allow| allow.to_str().unwrap());
            assert_eq!(allow, (status == 405).then_some("GET, HEAD"), "{method} {path}");
            if method == Method::GET && status == 200 {
                assert_eq!(read_body(answer).await, r#"{"flocker":"1.2.3"}"#);
            }
        }
    }
}
