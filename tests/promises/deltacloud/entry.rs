//! The entry point, formats, and who is let in: D-02 to D-08, D-10, D-26, D-27, D-30 and D-32.

use mf2c_tests::Start;
use serde_json::json;

use super::place::{PASSWORD, Place, child, xml};

#[test]
fn d_02_and_d_03_the_entry_point_needs_no_password_and_names_the_keys() {
    let place = Place::new();
    let answer = place.ask(&["-H", "Accept: application/xml"], "/api").expect(200);
    let api = xml(&answer.text());
    assert_eq!((&api["tag"], &api["attributes"]), (&json!("api"), &json!({"driver": "mf2c", "version": "1.1.3"})));
    let links = api["children"].as_array().unwrap();
    let keys = links.iter().find(|link| link["attributes"]["rel"] == "keys").unwrap();
    assert_eq!(keys["attributes"]["href"], place.url("/api/keys"));
    assert!(!answer.text().starts_with("<?xml"), "{}", answer.text());
    assert_eq!(answer.header("server").as_deref(), Some("Apache-Deltacloud/1.1.3"));
    assert_eq!(answer.header("x-deltacloud-driver").as_deref(), Some("mf2c"));
    assert!(answer.header("etag").is_some() && answer.header("date").is_some());
    let cache = "max-age=0, private, must-revalidate";
    assert_eq!(answer.header("cache-control").as_deref(), Some(cache));
    let json = place.ask(&["-H", "Accept: application/json"], "/api").expect(200);
    assert_eq!(json.header("content-type").as_deref(), Some("application/json"));
    let links = &json.json()["api"]["links"];
    assert!(
        links.as_array().unwrap().contains(&json!({"rel": "keys", "href": place.url("/api/keys"), "features": []}))
    );
    assert_eq!(json.json()["api"]["driver"], "mf2c");
    assert_eq!(place.ask(&[], "/api?format=json").expect(200).json(), json.json());
    assert!(place.ask(&[], "/api").expect(200).text().starts_with("<!DOCTYPE html>"));
    let moved = place.ask(&[], "/").expect(301);
    assert_eq!(moved.header("location").as_deref(), Some("/api"));
}

#[test]
fn d_04_whoever_asks_is_told_whether_his_password_would_count() {
    let place = Place::new();
    let refused = place.ask(&["-H", "Accept: application/xml"], "/api?force_auth=1").expect(401);
    assert_eq!(refused.text(), "Authentication failed");
    assert_eq!(refused.header("content-type").as_deref(), Some("text/html;charset=utf-8"));
    assert_eq!(refused.header("www-authenticate"), None);
    let _ = place.jane(&[], "/api?force_auth=1").expect(200);
    let _ = place.ask(&["-u", "jane:wrong password"], "/api?force_auth=1").expect(401);
    // Without the question nobody looks at it.
    let _ = place.ask(&["-u", "jane:wrong password"], "/api").expect(200);
}

#[test]
fn d_05_and_d_06_without_a_good_password_there_are_no_keys() {
    let place = Place::new();
    let stranger = place.ask(&["-H", "Accept: application/xml"], "/api/keys").expect(401);
    let challenge = stranger.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Basic realm=\"mf2c-deltacloud@"), "{challenge}");
    assert_eq!(xml(&stranger.text())["attributes"]["status"], "401");
    for (user, path) in
        [("jane:wrong password", "/api/keys"), ("nobody:wrong password", "/api/keys/k"), ("jane:", "/api/keys")]
    {
        let wrong = place.ask(&["-u", user, "-H", "Accept: application/xml"], path).expect(401);
        assert_eq!(child(&xml(&wrong.text()), "message").unwrap()["text"], "Authentication Failure");
    }
    for header in ["Authorization: Bearer x", "Authorization: Basic !!!", "Authorization: Basic"] {
        let _ = place.ask(&["-H", header], "/api/keys").expect(401);
    }
    let twice = format!("jane:{PASSWORD}");
    let _ = place.ask(&["-u", &twice, "-H", "Authorization: Basic eDp5"], "/api/keys").expect(401);
}

#[test]
fn d_07_d_08_and_d_10_the_client_chooses_the_format() {
    let place = Place::new();
    for (arguments, path, status, kind) in [
        (&[][..], "/api/keys?format=xml", 200, Some("application/xml")),
        (&[], "/api/keys?format=json", 200, Some("application/json")),
        (&[], "/api/keys", 200, Some("text/html")),
        (&["-H", "Accept:"], "/api/keys", 200, Some("application/xml")),
        (&["-H", "Accept: text/xml"], "/api/keys", 200, Some("application/xml")),
        (&["-H", "Accept: application/json;q=0.2, application/xml;q=0.1"], "/api/keys", 200, Some("application/json")),
        (&["-H", "Accept: application/json"], "/api/keys?format=xml", 200, Some("application/xml")),
        (&[], "/api/keys?format=bogus", 406, None),
        (&["-H", "Accept: image/png"], "/api/keys", 406, None),
        (&[], "/api/keys?format=gv", 406, None),
    ] {
        let answer = place.jane(arguments, path).expect(status);
        assert_eq!(answer.header("content-type").as_deref(), kind, "{arguments:?} {path}");
        assert_eq!(answer.body.is_empty(), kind.is_none(), "{}", answer.text());
    }
    let seed = place.jane(&[], "/api/keys?format=xml").expect(200);
    assert_eq!(xml(&seed.text())["tag"], "keys");
    let runtime = seed.header("x-backend-runtime").unwrap();
    assert!(runtime.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0), "{runtime}");
}

#[test]
fn d_26_the_tag_is_the_digest_of_the_body() {
    let place = Place::new();
    let [first, second] = [0, 1].map(|_| place.jane(&[], "/api/keys?format=xml").expect(200));
    let file = place.file("body", &first.text());
    let digest = place.shell(&format!("md5sum < {} | cut -d ' ' -f 1", file.display()));
    assert_eq!(first.header("etag").as_deref(), Some(digest.as_str()));
    assert_eq!(first.header("etag"), second.header("etag"));
    for tag in [digest.clone(), format!("\"{digest}\""), format!("W/\"{digest}\"")] {
        let same = place.jane(&["-H", &format!("If-None-Match: {tag}")], "/api/keys?format=xml").expect(304);
        assert!(same.body.is_empty());
    }
    let _ = place.jane(&["-H", "If-None-Match: other"], "/api/keys?format=xml").expect(200);
}

#[test]
fn d_27_people_have_a_form() {
    let place = Place::new();
    let form = place.jane(&[], "/api/keys/new").expect(200);
    assert_eq!(form.header("content-type").as_deref(), Some("text/html"));
    assert!(form.text().contains("Create new SSH key") && form.text().contains("name=\"name\""), "{}", form.text());
    assert!(form.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let _ = place.jane(&["-H", "Accept: application/xml"], "/api/keys/new").expect(406);
    let _ = place.ask(&[], "/api/keys/new").expect(401);
}

#[test]
fn d_30_a_client_may_name_a_driver_and_a_provider() {
    let place = Place::new();
    let _ = place.make("k");
    let plain = place.jane(&[], "/api/keys?format=xml").expect(200).text();
    for path in ["/api;driver=mock/keys?format=xml", "/api/keys;driver=MOCK?format=xml"] {
        let answer = place.jane(&[], path).expect(200);
        assert_eq!((answer.text(), answer.header("x-deltacloud-driver").as_deref()), (plain.clone(), Some("mock")));
    }
    let said =
        place.jane(&["-H", "X-Deltacloud-Driver: mock", "-H", "X-Deltacloud-Provider: eu"], "/api/keys?format=xml");
    assert_eq!(said.header("x-deltacloud-driver").as_deref(), Some("mock"));
    assert_eq!(said.header("x-deltacloud-provider").as_deref(), Some("eu"));
    let api = xml(&place.ask(&[], "/api;driver=ec2;provider=us-west-1?format=xml").expect(200).text());
    assert_eq!(api["attributes"], json!({"driver": "ec2", "version": "1.1.3", "provider": "us-west-1"}));
    let chosen = place.ask(&["-d", "driver=ec2&provider=a b"], "/api").expect(301);
    assert_eq!(chosen.header("location").as_deref(), Some("/api;driver=ec2;provider=a%20b"));
    for path in ["/api;driver=nonsense", "/api;provider=%3Cb%3E", "/api;provider=a%0d%0aX:%20y"] {
        let refused = place.ask(&[], path).expect(400);
        assert_eq!(refused.header("x-deltacloud-driver").as_deref(), Some("mf2c"), "{path}");
        assert_eq!(refused.header("x"), None);
    }
    let drivers = xml(&place.ask(&[], "/api/drivers?format=xml").expect(200).text());
    assert_eq!(drivers["children"][0]["attributes"], json!({"id": "mf2c", "href": place.url("/api/drivers/mf2c")}));
    assert_eq!(place.ask(&[], "/api/drivers/mf2c?format=json").expect(200).json()["driver"]["id"], "mf2c");
    let _ = place.ask(&[], "/api/drivers/ec2").expect(404);
}

#[test]
fn d_32_methods_that_do_nothing_are_refused_and_head_has_no_body() {
    let place = Place::new();
    let _ = place.make("k");
    let wrong = place.jane(&["-X", "PUT"], "/api/keys/k?format=json").expect(405);
    assert_eq!(wrong.json()["message"], "Method Not Allowed");
    assert!(wrong.header("allow").unwrap().contains("DELETE"));
    let _ = place.jane(&["-X", "DELETE"], "/api/keys").expect(405);
    let _ = place.jane(&["-X", "PATCH"], "/api").expect(405);
    let head = place.jane(&["-I"], "/api/keys?format=xml").expect(200);
    let whole = place.jane(&[], "/api/keys?format=xml").expect(200);
    assert_eq!(
        (head.header("etag"), head.header("content-length")),
        (whole.header("etag"), whole.header("content-length"))
    );
    assert_eq!(place.ask(&["-X", "OPTIONS"], "/api").expect(200).header("allow").as_deref(), Some("drivers,keys"));
    let keys = place.ask(&["-X", "OPTIONS"], "/api/keys").expect(200).header("allow").unwrap();
    assert!(keys.contains("POST") && !keys.contains("DELETE"), "{keys}");
}

#[test]
fn the_door_has_the_name_and_the_keys_that_the_operator_chose() {
    let start =
        Start::new().environment("MF2C_DELTACLOUD_DRIVER", "fog").environment("MF2C_DELTACLOUD_KEY_TYPE", "password");
    let place = Place::started(start);
    assert_eq!(place.ask(&[], "/api?format=json").expect(200).json()["api"]["driver"], "fog");
    for path in ["/api/keys?format=json", "/api;driver=ec2/keys?format=json"] {
        let refused = place.jane(&["-d", "name=k"], path).expect(501);
        assert_eq!(refused.json()["error"], "Deltacloud::Exceptions::NotSupported");
    }
    let other = Place::new();
    let _ = other.jane(&["-d", "name=k"], "/api;driver=gogrid/keys?format=xml").expect(501);
    let odd = Start::new().data_dir(place.folder.path()).environment("MF2C_DELTACLOUD_DRIVER", "A b");
    odd.refused().tells(&["deltacloud.driver"]);
}
