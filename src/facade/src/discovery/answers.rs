//! Answers in the original's form: a message, or what a scan has found.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, ContentType};
use mf2c_actors::discovery::ports::{WifiError, WifiScan};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

pub(super) fn message(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"message": text}))
}

/// The same refusal as elsewhere, in the form of this door.
pub(super) fn refused(error: ApiError) -> HttpResponse {
    let document = error.document();
    let text = document.get("message").and_then(Value::as_str).unwrap_or_default();
    let body = json!({"message": text}).to_string();
    let mut answer = error.into_response().set_body(body).map_into_boxed_body();
    if let Ok(kind) = ContentType::json().to_string().parse() {
        answer.headers_mut().insert(actix_web::http::header::CONTENT_TYPE, kind);
    }
    answer
}

pub(super) fn wrong_method(allowed: &'static str) -> HttpResponse {
    let text = format!("this path is served by {allowed} only");
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, allowed)).json(json!({"message": text}))
}

/// What a refusal of the card is in HTTP.
pub(super) fn status(error: &WifiError) -> StatusCode {
    match error {
        WifiError::Off | WifiError::NoProgram(_) => StatusCode::NOT_IMPLEMENTED,
        WifiError::OtherCard { .. } | WifiError::NoCard(_) => StatusCode::NOT_FOUND,
        WifiError::Failed { .. } => StatusCode::BAD_GATEWAY,
        WifiError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        WifiError::NotNow(_) => StatusCode::CONFLICT,
        WifiError::Wrong(_) => StatusCode::BAD_REQUEST,
    }
}

pub(super) fn failed(error: &WifiError) -> HttpResponse {
    message(status(error), &error.to_string())
}

pub(super) fn scan_failed(error: &WifiError) -> HttpResponse {
    let document = json!({"error_message": error.to_string(), "used_mac": "", "found_leaders": []});
    HttpResponse::build(status(error)).json(document)
}

pub(super) fn found(scan: &WifiScan) -> HttpResponse {
    let leaders: Vec<Value> = scan
        .leaders
        .iter()
        .map(|leader| {
            let mut told = Map::new();
            told.insert("vsie_data".to_owned(), json!(leader.values));
            told.insert("Bssid".to_owned(), json!(leader.bssid));
            told.extend(leader.beacon.shown().map(|(name, text)| (name.to_owned(), json!(text))));
            Value::Object(told)
        })
        .collect();
    HttpResponse::Ok().json(json!({"error_message": "", "used_mac": scan.card, "found_leaders": leaders}))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use mf2c_domain::area::wifi::found as read;

    use super::*;

    #[actix_rt::test]
    async fn a_scan_is_told_by_the_names_of_the_original() {
        let printed =
            "BSS 02:00:00:00:01:00(on wlan0)\n\tVendor specific: OUI ff:22:cc, data: 01 01 ef 02 01 02 04 01 01\n";
        let scan = WifiScan { card: "02:00:00:00:09:00".to_owned(), leaders: read(printed) };
        let body = to_bytes(found(&scan).into_body()).await.unwrap();
        let expected = json!({
            "error_message": "",
            "used_mac": "02:00:00:00:09:00",
            "found_leaders": [{
                "vsie_data": "0101ef020102040101",
                "Bssid": "02:00:00:00:01:00",
                "Leader ID": "ef",
                "Service type": "Medium storage",
                "Reward": "Not found",
                "Urgency level": "HIGH",
            }],
        });
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }
}
